"""What stands in a field is what is decided, in a real Chromium: typed again, typed back, or with a key held down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pydantic import JsonValue

from blocks.database.engine import Database
from blocks.database.results.results import list_results
from blocks.database.review.queue import read_item
from deployments.review_app.site import Site
from tests.review_page import VALUES, Paper, log_in, ready


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def fields(database: Database) -> Mapping[str, Any]:
    (row,) = list_results(database)
    found: Mapping[str, Any] = row["fields"]
    return found


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
