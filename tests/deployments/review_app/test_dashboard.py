"""The dashboard in a real Chromium: what it shows of real decisions, and what it says before there are any."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from blocks.database.engine import Database
from blocks.database.review.decide import decide
from blocks.database.review.sessions import open_session
from blocks.review.records import Action, Correction, Decision, Door, ItemKind, Look, Person
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE
from deployments.review_app.charts import nice
from deployments.review_app.site import Site
from tests.review_page import PAPER, TYPES, Paper, log_in, violations

ANN, BOB = Person(name="ann"), Person(name="bob")
TWO = PAPER.review.model_copy(update={"decisions": 2})


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def act(database: Database, review_id: int, action: Action, by: Person = ANN, total: str | None = None) -> None:
    corrections = {} if total is None else {"total": Correction(value=total)}
    decision = Decision(
        review_id=review_id,
        version=1,
        action=action,
        by=by.name,
        door=Door.PAGE,
        corrections=corrections,
        shown_ms=9_000,
        looks={"total": Look(shown_ms=3_000, is_touched=True)},
    )
    decide(database, decision, by, TYPES)


def work(database: Database, folder: Path) -> None:
    """Two audited rows, one of them wrong; an item on which two agree; one that waits."""
    for name, total in (("right", None), ("wrong", "13.50")):
        review_id = Paper(folder / f"{name}.pdf", reasons=(), kind=ItemKind.AUDIT).store(database)
        act(database, review_id, Action.ACCEPT if total is None else Action.CORRECT, total=total)
    both = Paper(folder / "both.pdf", rules=TWO).store(database)
    for person in (ANN, BOB):
        act(database, both, Action.ACCEPT, person)
    Paper(folder / "waits.pdf").store(database)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_tell_what_people_did(
    chromium: Browser, address: str, database: Database, tmp_path: Path, scheme: str
) -> None:
    work(database, tmp_path)
    page = log_in(chromium, address, "reader", "/dashboard", scheme)
    alternatives = {
        "Wrong rows among accepted ones": "paper: 1 of 2, 50.0% (1.3% to 98.7%)",
        "Agreement of two persons": "1 of 1, 100.0% (2.5% to 100.0%)",
        "Time on the screen": "per document: half within 9 s, nine of ten within 9 s; per field: half within 3 s",
        "Decisions a day": "3 decisions, 3 on the busiest day.",
        "How long open items have waited": "1 open items; 0 of them have waited for over a week.",
        "Reasons of new items, by week": "Most frequent: low confidence, 2 times.",
        "paper": "values, 95.0% right.",
    }
    for title, says in alternatives.items():
        picture = page.get_by_role("img", name=title, exact=True)
        expect(picture).to_be_visible()
        expect(picture.locator("desc")).to_contain_text(says)
    assert violations(page) == []
    for details in page.locator("details").all():
        details.locator("summary").click()
    expect(page.locator("section", has_text="Wrong rows").locator("td").first).to_contain_text("1 of 2, 50.0%")
    assert violations(page) == []
    page.set_viewport_size({"width": 768, "height": 1024})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Queue").click()
    expect(page.locator(".list .name")).to_contain_text("waits.pdf")


def test_an_empty_dashboard_says_what_will_appear(chromium: Browser, address: str) -> None:
    page = log_in(chromium, address, "reader", "/dashboard?days=7")
    expect(page.locator(".nothing")).to_have_count(8)
    expect(page.locator(".nothing", has_text="random audit")).to_be_visible()
    assert page.locator(".chart svg").count() == 0
    assert violations(page) == []
    page.goto("/dashboard?days=8")
    expect(page.locator(".alert")).to_contain_text("7, 30, 90, 365 days")


def test_figures_are_kept_for_a_while(site: Site, database: Database, tmp_path: Path) -> None:
    Paper(tmp_path / "a.pdf").store(database)
    first = site.figures.of(database, 30, None)
    Paper(tmp_path / "b.pdf").store(database)
    assert site.figures.of(database, 30, None) is first
    site.figures.kept_s = 0.0
    assert sum(waiting.items for waiting in site.figures.of(database, 30, None).waiting) == 2


@pytest.mark.parametrize(("most", "top"), [(0, 4), (4, 4), (5, 5), (11, 20), (21, 40), (99, 100), (100, 100)])
def test_a_scale_ends_at_a_round_figure_at_or_above_the_highest_value(most: float, top: float) -> None:
    assert nice(most) == top


def test_figures_of_a_type_that_is_none_are_neither_counted_nor_kept(site: Site) -> None:
    with TestClient(create_app(site), follow_redirects=False) as client:
        client.cookies.set(SESSION_COOKIE, open_session(site.database, "reader"))
        assert client.get("/dashboard?type=paper").status_code == 200
        answer = client.get("/dashboard?type=anything")
    assert answer.status_code == 409
    assert "no figures of such a type" in answer.text
    assert {document_type for _, document_type in site.figures._kept} == {None, "paper"}
