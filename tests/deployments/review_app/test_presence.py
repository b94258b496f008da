"""Who is away, who leaves, and what happens at the page until the server has answered, in a real Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from blocks.database.engine import Database
from blocks.database.review import claims
from blocks.database.review.item_content import read_item
from blocks.review.records import Person
from deployments.review_app.site import Site
from tests.review_page import Paper, log_in, ready

BOB = Person(name="bob")


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def claims_asked(page: Page) -> list[Request]:
    """The requests that renew claims, from now on."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.url.endswith("/claim") else None)
    return asked


def held(page: Page, pattern: str) -> list[Route]:
    """The requests of this kind, which wait until they are continued."""
    routes: list[Route] = []

    def hold(route: Route) -> None:
        routes.append(route)

    page.route(pattern, hold)
    return routes


@pytest.mark.parametrize("path", ["/items/1", "/strip?type=paper&field=total"])
def test_claims_are_renewed_only_while_somebody_is_there(
    chromium: Browser, address: str, database: Database, tmp_path: Path, path: str
) -> None:
    assert Paper(tmp_path / "a.pdf").store(database) == 1
    page = log_in(chromium, address, "ann")
    page.clock.install()
    page.goto(path)
    page.wait_for_selector("[data-ready='1'][data-claim]")
    asked = claims_asked(page)
    page.clock.run_for("05:00")
    assert len(asked) >= 9
    page.clock.run_for("30:00")
    before = len(asked)
    assert before <= 20
    page.mouse.move(50, 50)
    page.wait_for_function("() => true")
    assert len(asked) == before + 1


def test_a_dialog_ends_with_the_document_that_it_is_about(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    first, second, third = (Paper(tmp_path / f"{name}.pdf").store(database) for name in "abc")
    page = log_in(chromium, address, "ann", f"/items/{first}")
    page.wait_for_function(
        f"() => performance.getEntriesByName(location.origin + '/items/{second}/pages/1').length > 0"
    )
    claims.release(database, second, Person(name="ann"))
    claims.claim(database, second, BOB)
    decisions = held(page, "**/decide")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("b.pdf")  # before the server has answered
    page.keyboard.press("s")
    page.keyboard.type("which currency?")
    decisions[0].continue_()
    expect(page.locator("h1")).to_have_text("c.pdf")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert [str(read_item(database, review_id).role) for review_id in (second, third)] == ["reviewer", "reviewer"]


def test_who_leaves_sees_first_whether_the_decision_was_refused(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id = paper.store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    decisions = held(page, "**/decide")
    with page.expect_request("**/decide"):
        page.keyboard.press("Control+Enter")
    page.keyboard.press("q")
    assert page.url.endswith(f"/items/{review_id}")
    decisions[0].continue_()
    expect(page).to_have_url(address + "/")
    assert str(read_item(database, review_id).status) == "decided"


def test_a_reader_is_offered_nothing_that_needs_another_role(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    page = log_in(chromium, address, "reader", f"/items/{Paper(tmp_path / 'a.pdf').store(database)}")
    page.wait_for_selector("#item[data-ready='1']")
    assert page.locator(".actions button").all_inner_texts() == ["Keys ?"]
    page.keyboard.press("n")
    expect(page.locator("#banner")).to_be_hidden()
