"""What people type, in a real Chromium: what stands in a field is decided, and what was not decided is not lost."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pydantic import JsonValue
from sqlalchemy import update

from blocks.database.engine import Database, now
from blocks.database.results.results import list_results
from blocks.database.review.item_content import read_item
from blocks.database.review.tables import review_sessions
from blocks.document_types.review_rules import ReviewRules
from deployments.review_app.site import Site
from tests.review_page import PASSWORD, VALUES, Paper, log_in, ready


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def fields(database: Database) -> Mapping[str, Any]:
    (row,) = list_results(database)
    found: Mapping[str, Any] = row["fields"]
    return found


def log_in_again(page: Page, name: str, path: str) -> None:
    page.wait_for_url(lambda url: "/login?" in url)
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/*" + path)
    ready(page)


def accepted(page: Page, address: str) -> None:
    page.keyboard.press("Control+Enter")
    page.wait_for_url(address + "/")


def test_a_kept_value_that_is_typed_over_is_not_the_one_decided(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    for name, first, then in (
        ("number", "4712", "4713"),
        ("issued", "4 May 2024", "3 May 2024"),
        ("total", "9", "12.50"),
    ):
        page.fill(f"#f-{name}", first)
        page.keyboard.press("Enter")
        expect(page.locator(f".field[data-field={name}] .state")).to_have_text("corrected")
        page.fill(f"#f-{name}", then)
        expect(page.locator(f".field[data-field={name}] .state")).to_have_text("")
    accepted(page, address)
    assert fields(database) == VALUES | {"number": "4713"}


def test_a_value_that_was_kept_does_not_stand_for_one_that_is_refused(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.fill("#f-issued", "4 May 2024")
    page.keyboard.press("Enter")
    expect(page.locator(".field[data-field=issued] .state")).to_have_text("corrected")
    page.fill("#f-issued", "no date")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".field[data-field=issued] .problem")).to_contain_text("is no date")
    assert read_item(database, review_id).status == "open"


def test_a_table_that_was_kept_is_decided_as_it_stands(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=("low_confidence:rows",)).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    cell = page.locator(".grid tbody tr:last-child input[data-column=name]")
    cell.fill("Salt")
    cell.press("Enter")
    expect(page.locator(".field[data-field=rows] .state")).to_have_text("corrected")
    cell.fill("Sugar, brown")
    accepted(page, address)
    rows: list[JsonValue] = [{"name": "Flour", "amount": "10.00"}, {"name": "Sugar, brown", "amount": "2.50"}]
    assert fields(database) == VALUES | {"rows": rows}


def test_a_key_that_is_held_decides_once(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    ids = [Paper(tmp_path / f"{number}.pdf").store(database) for number in range(3)]
    page = log_in(chromium, address, "ann")
    for _ in range(2):
        page.keyboard.down("Enter")
    page.wait_for_url("**/items/*")
    ready(page)
    for _ in range(20):
        page.keyboard.down("Enter")  # without its end: the browser takes it for a key that is held
    expect(page.locator(".field.current")).to_have_attribute("data-field", "issued")
    page.keyboard.up("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".field.current")).to_have_attribute("data-field", "total")
    for _ in range(20):
        page.keyboard.down("u")
    expect(page.locator("#toast")).to_contain_text("Marked unreadable: ")
    ready(page)
    page.keyboard.up("u")
    assert [str(read_item(database, review_id).status) for review_id in ids] == ["decided", "open", "open"]


def test_escape_takes_a_table_back(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=("low_confidence:rows",)).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    cell = page.locator(".grid input").first
    cell.fill("Oats")
    cell.press("Alt+Enter")
    page.keyboard.type("Salt")
    assert page.locator(".grid tbody tr").count() == 3
    page.keyboard.press("Escape")
    expect(page.locator(".grid tbody tr")).to_have_count(2)
    expect(cell).to_have_value("Flour")
    accepted(page, address)
    assert fields(database) == VALUES


@pytest.mark.parametrize("place", ["#f-total", ".grid tr:first-child input[data-column=amount]"])
def test_what_is_typed_while_the_server_checks_stays(
    chromium: Browser, address: str, database: Database, tmp_path: Path, place: str
) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=("low_confidence:total", "low_confidence:rows")).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/check", hold_the_first)
    typed = page.locator(place)
    typed.fill("10,00 EUR")
    with page.expect_request("**/check"):
        typed.press("Tab" if "grid" in place else "Enter")
    typed.fill("11.00")
    with page.expect_response("**/check"):
        held[0].continue_()
    expect(typed).to_have_value("11.00")
    accepted(page, address)
    rows: Any = fields(database)["rows"]
    assert (fields(database)["total"] if "grid" not in place else rows[0]["amount"]) == "11.00"


def test_what_was_typed_when_the_session_ended_is_offered_after_the_login(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=("low_confidence:issued", "low_confidence:rows")).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.fill("#f-number", "4713")
    page.fill("#f-issued", "4 May 2024")
    page.keyboard.press("Enter")
    expect(page.locator(".field[data-field=issued] .state")).to_have_text("corrected")
    page.locator(".grid tbody tr:last-child input[data-column=name]").fill("Sugar, brown")
    with database.write() as connection:
        connection.execute(update(review_sessions).values(expires_at=now() - timedelta(seconds=1)))
    page.keyboard.press("Control+Enter")
    log_in_again(page, "ann", f"/items/{review_id}")
    banner = page.locator("#banner")
    expect(banner).to_contain_text("did not decide: ")
    assert page.input_value("#f-number") == "4711"  # it is the person who puts it back
    expect(banner.locator("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#accept-label")).to_contain_text("3 corrected")
    expect(banner).to_be_hidden()
    accepted(page, address)
    rows: list[JsonValue] = [{"name": "Flour", "amount": "10.00"}, {"name": "Sugar, brown", "amount": "2.50"}]
    assert fields(database) == VALUES | {"number": "4713", "issued": "2024-05-04", "rows": rows}


def test_what_was_typed_is_offered_after_another_page_and_survives_until_it_is_put_back(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.fill("#f-issued", "no date")
    page.goto("/")
    page.goto(f"/items/{review_id}")
    ready(page)
    page.fill("#f-number", "4713")  # meanwhile, without an answer to the offer
    page.reload()
    ready(page)
    page.click("#banner button")
    expect(page.locator(".field[data-field=issued] .problem")).to_contain_text("is no date")
    assert (page.input_value("#f-issued"), page.input_value("#f-number")) == ("no date", "4713")
    for name in ("issued", "number"):
        page.focus(f"#f-{name}")
        page.keyboard.press("Escape")
    page.reload()
    ready(page)
    expect(page.locator("#banner")).to_be_hidden()


@pytest.mark.parametrize("is_logged_out", [True, False])
def test_nobody_else_is_offered_what_was_typed(
    chromium: Browser, address: str, database: Database, tmp_path: Path, is_logged_out: bool
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.fill("#f-issued", "4 May 2024")
    if is_logged_out:
        page.click(".who button")
        page.wait_for_url("**/login?out=1")
        assert page.evaluate("sessionStorage.length") == 0
    else:
        page.context.clear_cookies()
    page.goto(f"/items/{review_id}")
    log_in_again(page, "ann" if is_logged_out else "bob", f"/items/{review_id}")
    expect(page.locator("#banner")).not_to_contain_text("did not decide")


def test_a_server_that_was_away_is_named_in_words_and_asked_again_by_the_next_key(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.route("**/items/**", lambda route: route.abort())
    page.fill("#f-number", "4713")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".field[data-field=number] .problem")).to_contain_text("The server does not answer")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # a heartbeat
    expect(page.locator("#banner")).to_contain_text("The server does not answer")
    page.unroute("**/items/**")
    accepted(page, address)
    assert fields(database) == VALUES | {"number": "4713"}


def test_the_first_of_two_decisions_is_taken_back_by_a_key(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    rules = ReviewRules(decisions=2)
    review_id = Paper(tmp_path / "a.pdf", rules=rules).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    accepted(page, address)
    assert len(read_item(database, review_id).opinions) == 1
    expect(page.locator("#toast")).to_contain_text("Accepted: a.pdf")
    page.keyboard.press("z")
    page.wait_for_url(f"**/items/{review_id}")
    ready(page)
    assert read_item(database, review_id).opinions == ()
