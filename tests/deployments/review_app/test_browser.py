"""People at work on the review page, in a real Chromium."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import func, select, update

from blocks.database.engine import Database, now
from blocks.database.results.results import list_results
from blocks.database.review import claims
from blocks.database.review.decide import decide
from blocks.database.review.item_content import read_item
from blocks.database.review.shown import show_item
from blocks.database.review.tables import review, review_answers, review_sessions
from blocks.database.review.verify import Tampered, verify_trail
from blocks.review.records import Action, Decision, Door, Item, Person, Role
from deployments.review_app.site import Site
from tests.review_page import PAPER, VALUES, Paper, log_in, ready, violations

BOB, SUE = Person(name="bob"), Person(name="sue", role=Role.SENIOR)
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&{{7*7}}'


@pytest.fixture
def database(site: Site) -> Database:
    return site.database


def item(database: Database, review_id: int) -> Item:
    return read_item(database, review_id)


def result(database: Database, name: str) -> Mapping[str, Any]:
    return next(row for row in list_results(database) if row["uri"].endswith(name))


def decided(database: Database) -> int:
    with database.read() as connection:
        query = select(func.count()).select_from(review).where(review.c.status == "decided")
        return int(connection.execute(query).scalar_one())


def test_ten_documents_are_cleared_by_the_keyboard_alone(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    for number in range(10):
        Paper(tmp_path / f"{number}.pdf").store(database)
    page = log_in(chromium, address, "ann")
    expect(page.locator("h1")).to_contain_text("10 documents")
    page.keyboard.press("Enter")
    page.wait_for_url("**/items/*")
    page.evaluate("window.isSame = true")
    for number in range(10):
        ready(page)
        assert page.evaluate("window.isSame"), "the browser opened a new document"
        expect(page).to_have_title(f"{number}.pdf · Winnow")
        expect(page.locator("h1")).to_have_text(f"{number}.pdf")
        before = page.url
        assert page.locator(".field.current").get_attribute("data-field") == "issued"  # the weakest first
        page.keyboard.press("Enter")
        expect(page.locator(".field.current")).to_have_attribute("data-field", "total")
        page.keyboard.press("Enter")
        expect(page.locator("[data-action=accept]")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=before: url != before)  # type: ignore[misc]
    expect(page.locator(".empty")).to_contain_text("Every document is decided")
    assert decided(database) == 10
    assert not isinstance(verify_trail(database), Tampered)
    with database.read() as connection:
        touched = select(func.count()).select_from(review_answers).where(review_answers.c.is_touched)
        assert connection.execute(touched).scalar_one() == 20


def test_the_next_document_is_claimed_and_loaded_ahead_and_given_back(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    first, second, third = (Paper(tmp_path / f"{name}.pdf").store(database) for name in "abc")
    page = log_in(chromium, address, "ann", f"/items/{first}")
    drawn = f"() => performance.getEntriesByName(location.origin + '/items/{second}/pages/1').length > 0"
    page.wait_for_function(drawn)
    assert item(database, second).claimed_by == "ann"
    with database.write() as connection:
        connection.execute(update(review).values(claim_expires_at=now() - timedelta(seconds=1)))
    claims.claim(database, second, BOB)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/items/{third}")
    ready(page)
    expect(page.locator("h1")).to_have_text("c.pdf")
    expect(page.locator("#announcement")).to_contain_text("c.pdf")
    assert (decided(database), item(database, second).claimed_by) == (1, "bob")
    claims.release(database, second, BOB)
    page.reload()
    page.wait_for_function(drawn)
    page.keyboard.press("q")
    expect(page.locator("h1")).to_contain_text("2 documents")
    expect(page.locator("#toast")).to_contain_text("Accepted: a.pdf")
    assert item(database, second).claimed_by is None
    page.keyboard.press("z")
    page.wait_for_url(f"**/items/{first}")
    assert decided(database) == 0


def test_a_correction_is_typed_checked_and_stored_with_its_place(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.keyboard.press("c")
    page.keyboard.type("no date")
    page.keyboard.press("Enter")
    expect(page.locator(".current .problem")).to_contain_text("is no date")
    page.fill("#f-issued", "4. May 2024")
    page.keyboard.press("Enter")
    expect(page.locator("#f-issued")).to_have_value("2024-05-04")
    expect(page.locator(".field.current")).to_have_attribute("data-field", "total")
    word = page.locator(".page svg").bounding_box()
    assert word is not None
    scale = word["width"] / 595.3
    page.mouse.click(word["x"] + 82 * scale, word["y"] + 99 * scale)  # 10.00, in the fourth line
    expect(page.locator("#f-total")).to_have_value("10.00")
    expect(page.locator(".current .state")).to_have_text("corrected")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(address + "/")
    stored = result(database, "a.pdf")
    assert stored["status"] == "accepted"
    assert stored["fields"] == VALUES | {"issued": "2024-05-04", "total": "10.00"}
    assert item(database, review_id).decided_by == "ann"
    page.goto(f"/items/{review_id}")
    expect(page.locator(".fields .alert")).to_contain_text("ann corrected it")
    assert page.inner_text(".decided").split() == ["Issued", "2024-05-04", "Total", "10.00"]


def test_a_note_to_the_next_person_is_sent_by_enter(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    page.keyboard.press("s")
    page.keyboard.type("which one?")
    page.keyboard.press("Enter")
    page.wait_for_url(address + "/")
    assert item(database, review_id).role is Role.SENIOR
    assert [passed.note for passed in show_item(database, review_id).passed_on] == ["which one?"]


def test_a_reading_that_is_no_value_is_told_and_stays_empty_by_one_key(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    reasons = ("invalid:issued: 31.02.2024", "low_confidence:total")
    Paper(tmp_path / "a.pdf", values=VALUES | {"issued": None}, reasons=reasons).store(database)
    page = log_in(chromium, address, "ann")
    page.keyboard.press("Enter")
    ready(page)
    expect(page.locator(".current .reason")).to_be_visible()
    expect(page.locator(".current .reason")).to_contain_text("read as “31.02.2024”, which is no such value")
    expect(page.locator("#f-issued")).to_have_value("31.02.2024")
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=issued] .state")).to_have_text("stays empty")
    expect(page.locator(".field.current")).to_have_attribute("data-field", "total")
    expect(page.locator(".current .reason")).to_contain_text("the type asks for 80")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(address + "/")
    assert result(database, "a.pdf")["fields"] == VALUES | {"issued": None}


def test_where_readers_differ_a_key_takes_the_other_value(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    lines = ("Example Ltd", "Invoice 4711", "Issued 3 May 2024", "Flour 10.00", "Sugar 2.50", "Total 12.50")
    wrong = VALUES | {"issued": "2024-05-30"}
    Paper(tmp_path / "a.pdf", lines=lines, values=wrong, quotes={}).store(database)
    page = log_in(chromium, address, "ann")
    page.keyboard.press("Enter")
    ready(page)
    expect(page.locator(".current .choose")).to_contain_text("Two readers differ: 1 2024-05-30 2 2024-05-03")
    page.keyboard.press("2")
    expect(page.locator("[data-field=issued] .state")).to_have_text("corrected")
    expect(page.locator(".field.current")).to_have_attribute("data-field", "total")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(address + "/")
    assert result(database, "a.pdf")["fields"] == VALUES
    with database.read() as connection:
        query = select(review_answers.c.evidence).where(review_answers.c.field == "issued")
        assert [found["quote"] for found in connection.execute(query).scalar_one()] == ["3 May 2024"]


def test_a_table_is_corrected_in_its_grid(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=("low_confidence:rows",)).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    expect(page.locator(".grid [data-sum]")).to_have_text("Σ 12.50")
    page.keyboard.press("c")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+Enter")
    page.keyboard.type("Salt")
    page.keyboard.press("Tab")
    page.keyboard.type("EUR 1,25")
    page.keyboard.press("Tab")
    expect(page.locator(".grid [data-sum]")).to_have_text("Σ 13.75")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(address + "/")
    rows = VALUES["rows"]
    assert isinstance(rows, list)
    assert result(database, "a.pdf")["fields"]["rows"] == [*rows, {"name": "Salt", "amount": "1.25"}]


def test_a_rejection_needs_a_reason_and_can_be_undone(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    first, second = (Paper(tmp_path / f"{name}.pdf").store(database) for name in "ab")
    page = log_in(chromium, address, "ann", f"/items/{first}")
    ready(page)
    page.keyboard.press("r")
    page.keyboard.press("2")
    page.wait_for_url(f"**/items/{second}")
    assert result(database, "a.pdf")["reasons"] == ["rejected_by_person:not for us"]
    ready(page)
    expect(page.locator("#toast")).to_contain_text("Rejected: a.pdf")
    page.keyboard.press("z")
    page.wait_for_url(f"**/items/{first}")
    assert item(database, first).status == "open"
    assert result(database, "a.pdf")["status"] == "in_review"


def test_the_other_decisions_have_a_key_each(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    ids = [Paper(tmp_path / f"{name}.pdf").store(database) for name in "abcd"]
    page = log_in(chromium, address, "ann", f"/items/{ids[0]}")
    for keys, review_id in ((["u"], ids[0]), (["t", "1"], ids[1]), (["s", "Tab", "Enter"], ids[2])):
        page.goto(f"/items/{review_id}")
        ready(page)
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_url(lambda url, review_id=review_id: not url.endswith(f"/{review_id}"))  # type: ignore[misc]
    assert result(database, "a.pdf")["reasons"] == ["unreadable"]
    assert item(database, ids[1]).status == "decided"
    assert item(database, ids[2]).role == "senior"


def test_of_two_people_the_second_sees_who_has_the_document(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    ann = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(ann)
    bob = log_in(chromium, address, "bob", f"/items/{review_id}")
    ready(bob)
    expect(bob.locator("#banner")).to_contain_text(f"ann has had review item {review_id} since")
    bob.keyboard.press("Control+Enter")
    expect(bob.locator("#banner")).to_contain_text(f"ann has had review item {review_id} since")
    ann.keyboard.press("Control+Enter")
    ann.wait_for_url(address + "/")
    assert item(database, review_id).decided_by == "ann"


def test_an_expired_claim_is_renewed_or_says_who_has_it_now(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    with database.write() as connection:
        connection.execute(update(review).values(claim_expires_at=now() - timedelta(seconds=1)))
    claims.claim(database, review_id, BOB)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when the person comes back
    expect(page.locator("#banner")).to_contain_text("bob has had")
    claims.release(database, review_id, BOB)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#banner")).to_be_hidden()
    assert item(database, review_id).claimed_by == "ann"


def test_an_item_that_a_run_replaced_is_not_decided_but_shown_anew(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id, following = paper.store(database), Paper(tmp_path / "b.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    page.wait_for_function(f"() => performance.getEntriesByName(location.origin + '/items/{following}/pages/1').length")
    paper.values = VALUES | {"total": "99.00"}
    assert paper.store(database, "f2") == review_id
    page.keyboard.press("Control+Enter")
    expect(page.locator("#banner")).to_contain_text("total is '99.00' and was '12.50'")
    expect(page.locator("h1")).to_have_text("a.pdf")
    assert item(database, review_id).status == "open"
    page.get_by_role("button", name="Show the new version").click()
    expect(page.locator("#f-total")).to_have_value("99.00")


def test_a_hostile_document_is_text(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    values = VALUES | {"number": SCRIPT, "rows": [{"name": SCRIPT, "amount": "1.00"}]}
    paper = Paper(
        tmp_path / "<img src=x onerror=window.hacked=1>'\".txt",
        lines=(SCRIPT, "4711", "</pre><script>window.hacked=1</script>"),
        values=values,
        reasons=(
            f"invalid:issued: {SCRIPT}",
            "low_confidence:rows",
            f"contradiction:{SCRIPT}",
            "low_confidence:number",
        ),
    )
    review_id = paper.store(database)
    page = log_in(chromium, address, "ann")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    expect(page.locator(".list .name")).to_contain_text("onerror")
    page.goto(f"/items/{review_id}")
    ready(page)
    expect(page.locator("#f-number")).to_have_value(SCRIPT)
    expect(page.locator(".grid input").first).to_have_value(SCRIPT)
    assert SCRIPT in page.locator(".page pre").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, main img[src=x]").count() == 0
    assert dialogs == []
    answer = page.request.get(f"/items/{review_id}/original")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_session_that_ends_leads_to_the_login_and_back(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    with database.write() as connection:
        connection.execute(update(review_sessions).values(expires_at=now() - timedelta(seconds=1)))
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/login?next=*")
    assert item(database, review_id).status == "open"
    page.fill("[name=name]", "ann")
    page.fill("[name=password]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/items/{review_id}")


def test_a_file_that_is_gone_is_named_and_its_text_is_shown(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id = paper.store(database)
    paper.file.unlink()
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    expect(page.locator(".page .alert")).to_contain_text("is gone")
    expect(page.locator(".page pre")).to_be_visible()
    expect(page.locator(".page pre")).to_contain_text("Invoice 4711")


def test_a_blind_audit_shows_the_machines_value_only_after_the_persons(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    from blocks.review.records import ItemKind

    rules = PAPER.review.model_copy(update={"blind": True})
    review_id = Paper(tmp_path / "a.pdf", reasons=(), rules=rules, kind=ItemKind.AUDIT).store(database)
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    assert "2024-05-03" not in page.content()
    assert "12.50" not in page.locator(".fields").inner_html()
    page.keyboard.press("Control+Enter")  # nobody accepts what they have not seen
    expect(page.locator(".current .problem")).to_contain_text("Read this field too")
    assert decided(database) == 0
    page.fill("#f-total", "12.60")
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=total] .problem")).to_contain_text("12.50")
    page.locator(".grid-tools .add").click()
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=rows] .problem")).to_contain_text("“Flour · 10.00; Sugar · 2.50”")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, address: str, database: Database, tmp_path: Path, scheme: str) -> None:
    review_id = Paper(tmp_path / "a.pdf", reasons=(*Paper(tmp_path).reasons, "hidden_text")).store(database)
    for action, person, note in ((Action.ESCALATE, BOB, "which one?"), (Action.RETURN, SUE, "the <b>lower</b> one")):
        passed_on = Decision(review_id=review_id, version=1, action=action, by=person.name, door=Door.SQL, note=note)
        decide(database, passed_on, person, {})
    page = log_in(chromium, address, "ann", scheme=scheme)
    for path in ("/", f"/items/{review_id}"):
        page.goto(path)
        if "items" in path:
            ready(page)
            notes = " ".join(page.locator(".passed-on").all_inner_texts())
            assert re.fullmatch(r"bob, .* ago: which one\? sue, .* ago: the <b>lower</b> one", notes)
        assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
    page.context.clear_cookies()
    page.goto("/login")
    assert violations(page) == []
