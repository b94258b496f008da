"""Strips in a real browser: one field of many documents, judged by the keyboard alone. Nothing is decided by it."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.review import claims
from blocks.database.review.item_content import read_item
from blocks.database.review.tables import review_answers, review_judgements
from blocks.database.review.verify import Tampered, verify_trail
from blocks.review.records import ItemKind, Person
from deployments.review_app.site import Site
from tests.review_page import LINES, PAPER, VALUES, Paper, log_in, ready, violations

BOB = Person(name="bob")
TOTALS = "/strip?type=paper&field=total"
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def papers(database: Database, folder: Path, count: int, **given: Any) -> list[int]:
    return [Paper(folder / f"{number}.pdf", **given).store(database) for number in range(count)]


def opened(page: Page) -> None:
    """Wait until the script listens, the claims are answered and the cut-outs are drawn."""
    page.wait_for_selector("#strip[data-ready='1'][data-claim=answered]")
    expect(page.locator(".cut.undrawn")).to_have_count(0, timeout=60_000)


def recorded(database: Database) -> list[tuple[int, str, str]]:
    row = review_judgements.c
    with database.read() as connection:
        query = select(row.review_id, row.field, row.judgement).where(row.undone_at.is_(None)).order_by(row.event_id)
        return [tuple(found) for found in connection.execute(query)]


def test_a_strip_is_judged_by_the_keyboard_alone(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    ids = papers(database, tmp_path, 6)
    page = log_in(chromium, address, "ann", "/strip")
    expect(page.locator(".chip").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # issued, total: both are unsure in every document
    page.wait_for_url(lambda url: url.endswith(TOTALS))
    opened(page)
    cards = page.locator(".cut")
    expect(cards).to_have_count(6)
    expect(cards.nth(0)).to_be_focused()
    assert cards.nth(0).locator(".value").inner_text() == "12.50"
    size = page.evaluate(
        "href => new Promise(done => { const i = new Image(); i.onload = () => done(i.width); i.src = href })",
        cards.nth(0).locator("image").get_attribute("data-href"),
    )
    assert size > 300  # pixels of the cut-out
    for number, key in enumerate(("Enter", "w", "u", "Enter", "z", "n", "Enter", "Enter")):
        page.keyboard.press(key)
        if number == 4:
            expect(cards.nth(3)).to_be_focused()  # what was taken back
    expect(page.locator("#count")).to_have_text("5 of 6")
    expect(cards.nth(3)).to_be_focused()  # what was skipped
    page.keyboard.press("w")
    expect(page.locator("#more")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/strip")
    first, second, third, fourth, fifth, sixth = ids
    assert recorded(database) == [
        (first, "total", "right"),
        (second, "total", "wrong"),
        (third, "total", "unreadable"),
        (fifth, "total", "right"),
        (sixth, "total", "right"),
        (fourth, "total", "wrong"),
    ]
    assert all(read_item(database, review_id).status == "open" for review_id in ids)
    assert not isinstance(verify_trail(database), Tampered)
    page.goto(TOTALS)
    expect(page.locator(".empty")).to_contain_text("No document that you may decide on")
    expect(page.locator("#more")).to_be_focused()
    with database.read() as connection:
        assert min(connection.execute(select(review_judgements.c.shown_ms)).scalars()) >= 0


def test_a_document_whose_doubtful_fields_were_all_found_right_is_accepted_by_one_key(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    (review_id,) = papers(database, tmp_path, 1)
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    page.keyboard.press("Enter")
    page.goto("/strip?type=paper&field=issued")
    opened(page)
    page.goto(f"/items/{review_id}")
    ready(page)
    expect(page.locator(".field.current")).to_have_attribute("data-field", "issued")  # total is not asked again
    page.goto("/strip?type=paper&field=issued")
    opened(page)
    page.keyboard.press("Enter")
    page.keyboard.press("q")
    page.wait_for_url(address + "/")
    page.goto(f"/items/{review_id}")
    ready(page)
    expect(page.locator("[data-field=total] .state").first).to_have_text("right, by ann")
    expect(page.locator("[data-action=accept]")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(address + "/")
    assert read_item(database, review_id).decided_by == "ann"
    with database.read() as connection:
        touched = select(review_answers.c.field).where(review_answers.c.is_touched).order_by(review_answers.c.field)
        assert connection.execute(touched).scalars().all() == ["issued", "total"]


def test_the_page_stops_first_at_a_field_that_was_found_wrong(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    (review_id,) = papers(database, tmp_path, 1)
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    page.keyboard.press("w")
    expect(page.locator("#more")).to_be_focused()
    page.keyboard.press("q")
    page.wait_for_url(address + "/")
    bob = log_in(chromium, address, "bob", f"/items/{review_id}")
    ready(bob)
    expect(bob.locator(".field.current")).to_have_attribute("data-field", "total")
    expect(bob.locator(".field.current .found")).to_contain_text("ann found it wrong")
    bob.keyboard.press("a")
    expect(bob.locator(".field.current .problem")).to_contain_text("correct it, or press Enter")
    token = bob.locator("meta[name=csrf]").get_attribute("content") or ""
    accept = {"version": 1, "action": "accept"}
    answer = bob.request.post(f"/items/{review_id}/decide", data=accept, headers={"X-CSRF-Token": token}).json()
    assert "ann found total" in answer["error"]
    bob.keyboard.press("c")
    bob.keyboard.type("99")
    bob.keyboard.press("Enter")
    expect(bob.locator(".field.current")).to_have_attribute("data-field", "issued")
    bob.keyboard.press("a")
    bob.wait_for_url(address + "/")
    assert read_item(database, review_id).status == "decided"


def test_claims_are_honoured_and_given_back(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    first, second, third = papers(database, tmp_path, 3)
    claims.claim(database, first, BOB)
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    expect(page.locator(".cut")).to_have_count(2)
    assert [read_item(database, id_).claimed_by for id_ in (second, third)] == ["ann", "ann"]
    claims.release(database, third, Person(name="ann"))
    claims.claim(database, third, BOB)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when the person comes back
    expect(page.locator(f".cut[data-id='{third}'] .problem")).to_contain_text("Somebody else")
    page.keyboard.press("Enter")
    expect(page.locator("#more")).to_be_focused()
    page.keyboard.press("q")
    page.wait_for_url(address + "/")
    page.wait_for_timeout(300)
    assert read_item(database, second).claimed_by is None
    assert read_item(database, third).claimed_by == "bob"
    assert recorded(database) == [(second, "total", "right")]


def test_a_refused_judgement_is_taken_from_the_screen(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id = paper.store(database)
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    paper.values = VALUES | {"total": "99.00"}
    paper.store(database, "f2")
    page.keyboard.press("Enter")
    expect(page.locator(f".cut[data-id='{review_id}'] .problem")).to_contain_text("total is '99.00' and was '12.50'")
    expect(page.locator(".cut[data-judgement]")).to_have_count(0)
    assert recorded(database) == []


def test_what_is_not_drawn_yet_is_not_judged(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    papers(database, tmp_path, 1)
    page = log_in(chromium, address, "ann")

    def slowly(route: Route) -> None:
        page.wait_for_timeout(1_500)
        route.continue_()

    page.route("**/cutouts/**", slowly)
    page.goto(TOTALS, wait_until="commit")
    page.wait_for_selector("#strip[data-ready='1'][data-claim=answered]")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("look at it first")
    opened(page)
    assert recorded(database) == []
    page.keyboard.press("Enter")
    expect(page.locator("#more")).to_be_focused()
    expect(page.locator(".cut")).to_have_attribute("data-judgement", "right")


def test_a_file_that_is_gone_has_its_quote_for_a_cut_out(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    paper.store(database)
    paper.file.unlink()
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    expect(page.locator(".cut .quote")).to_be_visible()
    expect(page.locator(".cut .quote")).to_have_text("12.50")


def test_an_audit_has_a_strip_of_any_field_and_a_blind_one_none(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    seen = Paper(tmp_path / "a.pdf", reasons=(), kind=ItemKind.AUDIT).store(database)
    blind_rules = PAPER.review.model_copy(update={"blind": True})
    blind = Paper(tmp_path / "b.pdf", reasons=(), rules=blind_rules, kind=ItemKind.AUDIT).store(database)
    page = log_in(chromium, address, "ann", "/strip?type=paper&field=number&kind=audit")
    opened(page)
    assert page.locator(".cut").evaluate_all("cards => cards.map(card => card.dataset.id)") == [str(seen)]
    assert page.request.get(f"/items/{seen}/cutouts/number").status == 200
    assert page.request.get(f"/items/{blind}/cutouts/number").status == 404
    token = page.locator("meta[name=csrf]").get_attribute("content") or ""
    content = {"version": 1, "field": "number", "judgement": "right"}
    answer = page.request.post(f"/items/{blind}/judge", data=content, headers={"X-CSRF-Token": token})
    assert answer.status == 409
    assert "blind audit" in answer.json()["error"]


def test_a_hostile_document_is_text(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    name = "<img src=x onerror=window.hacked=1>'\".txt"
    values = VALUES | {"number": SCRIPT, "total": SCRIPT}
    Paper(tmp_path / name, lines=(SCRIPT, *LINES), values=values).store(database)
    page = log_in(chromium, address, "ann", TOTALS)
    opened(page)
    expect(page.locator(".cut .value bdi")).to_have_text(SCRIPT)  # a text from right to left turns only itself
    expect(page.locator(".cut .foot bdi")).to_have_text(name)
    expect(page.locator(".cut .quote")).to_contain_text("12.50")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, address: str, database: Database, tmp_path: Path, scheme: str) -> None:
    papers(database, tmp_path, 4)
    page = log_in(chromium, address, "ann", "/strip", scheme)
    assert violations(page) == []
    page.goto(TOTALS)
    opened(page)
    for key in ("Enter", "w", "u"):
        page.keyboard.press(key)
    assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
