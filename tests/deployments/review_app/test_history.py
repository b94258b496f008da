"""The history page: results side by side, every event in words, and nothing of what a person must not see yet."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import JsonValue
from sqlalchemy import insert

from blocks.database.engine import Database
from blocks.database.pipeline.runs import start_run
from blocks.database.review.decide import decide
from blocks.database.review.history import load_history
from blocks.database.review.item_content import read_item
from blocks.database.tables import model_calls
from blocks.review.records import Action, Correction, Decision, Door, ItemKind, Person
from deployments.review_app.site import Site
from tests.review_page import PAPER, TYPES, VALUES, Paper, log_in, ready, violations

ANN, BOB = Person(name="ann"), Person(name="bob")
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


@pytest.fixture
def database(site: Site) -> Database:
    start_run(site.database, "run-1", "brave otter", settings={}, types=TYPES, source="/inbox")
    return site.database


def correct(database: Database, review_id: int, by: Person = ANN, **values: JsonValue) -> None:
    decision = Decision(
        review_id=review_id,
        version=read_item(database, review_id).version,
        action=Action.CORRECT,
        by=by.name,
        door=Door.COMMAND,
        corrections={name: Correction(value=value) for name, value in values.items()},
        shown_ms=12_000,
    )
    decide(database, decision, by, TYPES)


def call_of(database: Database, review_id: int, cost: str, outcome: str = "ok") -> None:
    row = {column.name: 1 for column in model_calls.columns if column.name not in {"call_id", "stated_cost_usd"}} | {
        "run_id": "run-1",
        "document_id": read_item(database, review_id).document_id,
        "model": "gpt",
        "model_version": "gpt-1",
        "step": 0,
        "request_digest": "",
        "input_tokens": 1_234,
        "cost_usd": Decimal(cost),
        "unconfirmed_usd": Decimal(0),
        "reserved_usd": Decimal(0),
        "outcome": outcome,
        "error_kind": None,
        "called_at": datetime.now(UTC),
        "call_key": cost,
        "lane": "run",
        "prompt_version": "",
        "worker_id": None,
    }
    with database.write() as connection:
        connection.execute(insert(model_calls), row)


def test_the_history_shows_versions_events_and_calls(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id = paper.store(database)
    paper.values = VALUES | {"total": "99.00"}
    paper.store(database, "f2")
    call_of(database, review_id, "0.0012")
    call_of(database, review_id, "0.0003", "timed_out")
    page = log_in(chromium, address, "ann", f"/items/{review_id}")
    ready(page)
    correct(database, review_id, total="12.50")
    page.keyboard.press("h")
    page.wait_for_url(f"**/items/{review_id}/history")
    row = page.locator(".versions tr.changed")
    expect(row).to_have_count(1)
    assert row.locator("td .value").all_inner_texts() == ["12.50", "99.00", "12.50"]
    assert page.locator(".versions thead .who").all_inner_texts() == ["brave otter", "brave otter", "ann"]
    trail = page.locator(".trail li")
    expect(trail).to_have_count(3)
    expect(trail.nth(0)).to_contain_text("Run brave otter put it in the queue")
    expect(trail.nth(1)).to_contain_text("Run brave otter read it again: version 2")
    expect(trail.nth(2)).to_contain_text("ann corrected it after 12 s by command")
    expect(trail.nth(2).locator(".change")).to_contain_text("99.00")
    expect(page.locator("#history")).to_contain_text("2 attempts, 0.0015 USD")
    expect(page.locator("#history")).to_contain_text("timed out")
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/items/{review_id}")


def test_the_queue_leads_to_the_history(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    review_id = Paper(tmp_path / "a.pdf").store(database)
    page = log_in(chromium, address, "ann")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("h")
    page.wait_for_url(f"**/items/{review_id}/history")
    document_id = read_item(database, review_id).document_id
    page.goto(f"/documents/{document_id}")
    expect(page.locator("h1")).to_have_text("a.pdf")
    assert page.goto("/documents/none").status == 400  # type: ignore[union-attr]


def test_nothing_of_an_open_blind_audit_is_shown(
    chromium: Browser, address: str, database: Database, tmp_path: Path
) -> None:
    rules = PAPER.review.model_copy(update={"blind": True})
    paper = Paper(tmp_path / "a.pdf", reasons=(), rules=rules, kind=ItemKind.AUDIT)
    review_id = paper.store(database)
    page = log_in(chromium, address, "admin", f"/items/{review_id}/history")
    expect(page.locator(".notice")).to_contain_text("blind audit")
    for place in (f"/items/{review_id}/history", "/"):
        page.goto(place)
        html = page.content()
        assert all(text not in html for text in ("12.50", "2024-05-03", "4711", "40 %"))
    page.goto(f"/items/{review_id}/history")
    correct(database, review_id, ANN, **VALUES | {"total": "12.60"})
    page.reload()
    assert "12.50" in page.content()


def test_the_first_of_two_decisions_is_shown_to_its_person_only(database: Database, tmp_path: Path) -> None:
    paper = Paper(tmp_path / "a.pdf", rules=PAPER.review.model_copy(update={"decisions": 2}))
    review_id = paper.store(database)
    correct(database, review_id, total="77.00")
    document_id = read_item(database, review_id).document_id
    assert "77.00" in load_history(database, document_id, "ann").model_dump_json()
    assert "77.00" not in load_history(database, document_id, "bob").model_dump_json()
    correct(database, review_id, BOB, total="77.00")
    assert "77.00" in load_history(database, document_id, "reader").model_dump_json()


def test_a_hostile_document_is_text(chromium: Browser, address: str, database: Database, tmp_path: Path) -> None:
    values = VALUES | {"number": SCRIPT, "rows": [{"name": SCRIPT, "amount": "1.00"}]}
    paper = Paper(
        tmp_path / "<img src=x onerror=window.hacked=1>'\".txt", values=values, reasons=(f"invalid:total: {SCRIPT}",)
    )
    page = log_in(chromium, address, "ann", f"/items/{paper.store(database)}/history")
    expect(page.locator(".versions")).to_contain_text("onerror")
    expect(page.locator("h1 bdi")).to_have_text(
        paper.file.name
    )  # a name that runs from right to left turns only itself
    assert page.locator(".versions .value:not(:has(bdi))").count() == 0
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, address: str, database: Database, tmp_path: Path, scheme: str) -> None:
    paper = Paper(tmp_path / "a.pdf")
    review_id = paper.store(database)
    paper.values = VALUES | {"total": "99.00"}
    paper.store(database, "f2")
    call_of(database, review_id, "0.0012", "timed_out")
    page: Page = log_in(chromium, address, "ann", f"/items/{review_id}/history", scheme)
    assert violations(page) == []
