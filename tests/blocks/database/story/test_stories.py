"""The stories of runs and documents, and how people name them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from blocks.database.engine import Database, now
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.database.review.tables import review
from blocks.database.story import figures as figures_module
from blocks.database.story.document import load_document
from blocks.database.story.errors import StoryAmbiguous, StoryUnknown
from blocks.database.story.figures import count_figures
from blocks.database.story.find import Found, find
from blocks.database.story.records import Example, Reviews, StepFigures, TypeFigures, Wait
from blocks.database.story.runs import RUNNING, list_runs, load_run
from blocks.database.tables import documents, sources, stage_outputs
from blocks.database.tables import runs as runs_table
from blocks.errors import RunUnknown
from blocks.ledger import ModelCall, Settlement, new_call_key
from blocks.records import CACHE_HIT, LIMITS_REACHED, Extraction, Page, Retry, Stage
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import failing, id_of
from tests.review_items import RECEIPT, open_item

BEGAN = datetime(2026, 11, 2, 5, tzinfo=UTC)


def start(database: Database, run_id: str, began: datetime = BEGAN) -> None:
    runs.start_run(database, run_id, f"name of {run_id}", settings={}, types={"receipt": RECEIPT}, source="/in")
    with database.write() as connection:
        connection.execute(update(runs_table).where(runs_table.c.run_id == run_id).values(started_at=began))


def called(database: Database, *given: tuple[str, str, int, int, str, int]) -> None:
    """Calls of run-1: document, model, step, attempt, outcome, latency; each costs a cent."""
    calls = [
        ModelCall(
            document_id=id_of(name),
            model=model,
            model_version="1",
            call_key=new_call_key(),
            step=step,
            attempt=attempt,
            outcome=outcome,
            latency_ms=latency_ms,
            cost_usd=Decimal("0.01") if outcome not in {CACHE_HIT, LIMITS_REACHED} else Decimal(0),
        )
        for name, model, step, attempt, outcome, latency_ms in given
    ]
    DatabaseLedger(database).exchange([Settlement(run_id="run-1", call=call) for call in calls], ())


def output(database: Database, name: str, stage: Stage, duration_ms: int, **more: object) -> None:
    row: dict[str, object] = {
        "document_id": id_of(name),
        "stage": stage.value,
        "fingerprint": "f",
        "state": "done",
        "is_current": True,
    }
    row |= {"attempts": 1, "solo_attempts": 0, "duration_ms": duration_ms, "run_id": "run-1", "updated_at": now()}
    with database.write() as connection:
        connection.execute(insert(stage_outputs), row | more)


def fail(database: Database, name: str, kind: str) -> None:
    with database.write() as connection:
        failed = [FailedDocument(id_of(name), failing(Stage.EXTRACT, Retry.NEVER, kind))]
        record_failures(database, connection, "run-1", failed, now())


@pytest.fixture
def worked(database: Database) -> Database:
    """A run over five receipts: two accepted, one in review, two failed; its models stumbled."""
    start(database, "run-1")
    add_documents(database, *"abcde")
    open_item(database, "c")
    fail(database, "d", "encrypted")
    fail(database, "e", "encrypted")
    outcomes = dict(zip(map(id_of, "abcde"), ["accepted", "accepted", "in_review", "failed", "failed"], strict=True))
    with database.write() as connection:
        runs.set_outcomes(connection, "run-1", outcomes)
        connection.execute(
            update(documents).where(documents.c.document_id != id_of("e")).values(document_type="receipt")
        )
    for name, duration_ms in zip("abc", (10, 20, 900), strict=True):
        output(database, name, Stage.EXTRACT, duration_ms)
    output(database, "c", Stage.SCORE, 5, state="provisional", failure_kind="budget_exhausted")
    called(
        database,
        ("a", "small", 0, 1, "rate_limited", 50),
        ("a", "small", 0, 2, "ok", 100),
        ("a", "large", 1, 1, "ok", 400),  # unsure after the first step: no fallback
        ("b", "small", 0, 1, "context_too_long", 60),
        ("b", "large", 1, 1, "ok", 500),
        ("c", "small", 0, 1, CACHE_HIT, 0),
        ("c", "large", 1, 1, LIMITS_REACHED, 0),
    )
    return database


def test_a_run_is_shown_with_its_steps_failures_reviews_and_waits(worked: Database) -> None:
    story = load_run(worked, "run-1")
    assert (story.state, story.documents, story.model_calls, story.cache_hits) == (RUNNING, 5, 5, 1)
    assert {name: number for name, number in story.by_status.items() if number} == {
        "accepted": 2,
        "in_review": 1,
        "failed": 2,
    }
    assert (story.retries, story.fallbacks, story.cost_total_usd) == (1, 1, Decimal("0.05"))
    assert story.step_breakdown == (
        StepFigures(stage="extract", calls=3, p50_ms=20, p95_ms=900),
        StepFigures(stage="score", calls=1, p50_ms=5, p95_ms=5),
        StepFigures(
            stage="score", step=0, model="small", calls=3, failed=2, p50_ms=60, p95_ms=100, cost_usd=Decimal("0.03")
        ),
        StepFigures(stage="score", step=1, model="large", calls=2, p50_ms=400, p95_ms=500, cost_usd=Decimal("0.02")),
    )
    assert story.types == (
        TypeFigures(
            document_type="receipt",
            version=RECEIPT.version,
            by_status={"accepted": 2, "failed": 1, "in_review": 1},
            reasons={"low_confidence": 1},
        ),
        TypeFigures(document_type="unknown", by_status={"failed": 1}),
    )
    assert [(f.document_type, f.kind, f.stage, f.documents) for f in story.failures] == [
        ("receipt", "encrypted", "extract", 1),
        ("unknown", "encrypted", "extract", 1),
    ]
    assert story.failures[0].examples == (id_of("d"),)
    assert story.examples[0] == Example(document_id=id_of("d"), uri="/in/d", message="encrypted on purpose")
    assert story.reviews == Reviews(open=1)
    assert story.waited_for == (
        Wait(cause="models", calls=5, total_ms=1110),
        Wait(cause="limits", calls=1),
        Wait(cause="budget_exhausted", documents=1),
    )


def test_figures_of_the_end_stay_when_later_runs_take_the_rows_over(worked: Database) -> None:
    kept = count_figures(worked, "run-1")
    runs.finish_run(worked, "run-1", "CompletedWithErrors", "5 documents", kept.model_dump(mode="json"))
    with worked.write() as connection:
        connection.execute(update(stage_outputs).values(run_id="run-2"))
    assert count_figures(worked, "run-1").step_breakdown != kept.step_breakdown
    story = load_run(worked, "run-1")
    assert (story.state, story.step_breakdown, story.failures) == (
        "CompletedWithErrors",
        kept.step_breakdown,
        kept.failures,
    )
    start(worked, "run-1")
    assert load_run(worked, "run-1").step_breakdown != kept.step_breakdown, "a resumed run is counted anew"


def test_times_of_a_large_run_are_those_of_a_sample(worked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "SAMPLE", 2)
    drawn = sorted(map(id_of, "abcde"))[:2]
    times = [ms for name, ms in zip("abc", (10, 20, 900), strict=True) if id_of(name) in drawn]
    (extract,) = [step for step in load_run(worked, "run-1").step_breakdown if step.stage == "extract"]
    assert (extract.is_estimate, extract.calls) == (True, round(len(times) * 5 / 2))
    assert (extract.p50_ms, extract.p95_ms) == (min(times), max(times))


def test_runs_are_listed_the_latest_first_in_pages(worked: Database) -> None:
    start(worked, "run-2", BEGAN + timedelta(hours=1))
    start(worked, "run-3", BEGAN + timedelta(hours=1))
    runs.finish_run(worked, "run-2", "Completed", "done")
    listed = list_runs(worked)
    assert [run.run_id for run in listed] == ["run-3", "run-2", "run-1"]
    assert [(run.state, run.documents, run.cost_total_usd) for run in listed[1:]] == [
        ("Completed", 0, 0),
        (RUNNING, 5, Decimal("0.05")),
    ]
    assert listed[1].total_duration_ms is not None
    assert listed[2].total_duration_ms is None
    assert list_runs(worked, limit=1, after="run-3") == listed[1:2]
    assert list_runs(worked, after="run-1") == []
    with pytest.raises(RunUnknown):
        list_runs(worked, after="run-9")
    with pytest.raises(RunUnknown):
        load_run(worked, "run-9")


def test_a_document_is_shown_with_its_values_quotes_and_failures(worked: Database) -> None:
    page = Page(number=1, method="parsed", text="Total 9.00")
    extraction = Extraction(media_type="text/plain", pages=(page,), engine="double 1", language="eng")
    with worked.write() as connection:
        kept = stage_outputs.c.document_id == id_of("c"), stage_outputs.c.stage == "extract"
        payload = extraction.model_dump_json().encode()
        connection.execute(update(stage_outputs).where(*kept).values(payload=payload))
    story = load_document(worked, id_of("c"))
    assert (story.status, story.confidence, story.reasons) == ("in_review", 0.5, ("Total is not sure enough.",))
    assert (story.engine, story.pages) == ("double 1", 1)
    assert [(f.field, f.value, f.confidence, f.page, f.quote) for f in story.fields] == [
        ("total", "9.00", 0.5, 1, "Total 9.00"),
        ("company", "Café", 0.9, None, None),
    ]
    assert [call.outcome for call in story.history.calls] == [CACHE_HIT, LIMITS_REACHED]
    failed = load_document(worked, id_of("d"))
    assert (failed.status, failed.fields, [f.kind for f in failed.failures]) == ("failed", (), ["encrypted"])
    assert load_document(worked, id_of("a")).status is None


def test_values_stay_hidden_while_a_blind_audit_waits(worked: Database) -> None:
    with worked.write() as connection:
        connection.execute(update(review).values(is_blind=True, kind="audit"))
    story = load_document(worked, id_of("c"))
    assert (story.fields, story.confidence, story.reasons) == ((), None, ())
    assert "9.00" not in story.model_dump_json()


def test_runs_documents_and_files_are_found_by_what_people_type(worked: Database, tmp_path: Path) -> None:
    def with_place(uri: str, name: str, seen_at: datetime = BEGAN) -> None:
        with worked.write() as connection:
            connection.execute(insert(sources), {"document_id": id_of(name), "uri": uri, "seen_at": seen_at})

    with_place("/box/2026/bill_100%.pdf", "a")
    with_place("/box/2025/bill.pdf", "b")
    with_place("/box/2026/bill.pdf", "c")
    changed = tmp_path / "changed.pdf"
    with_place(str(changed), "d")
    with_place(str(changed), "e", BEGAN + timedelta(days=1))
    moved = tmp_path / "moved.txt"
    moved.write_bytes(b"a")
    changed.write_bytes(b"new bytes")
    assert find(worked, "run-1") == find(worked, "run") == Found(run_id="run-1")
    assert find(worked, id_of("b")[:9]) == Found(document_id=id_of("b"))
    assert find(worked, str(moved)) == Found(document_id=id_of("a")), "by its bytes"
    assert find(worked, str(changed))[1] == id_of("e"), "the version that was seen last"
    assert find(worked, str(changed)).note
    assert find(worked, "bill_100%.pdf")[1] == id_of("a")
    assert find(worked, "2026/bill.pdf")[1] == id_of("c")
    with pytest.raises(StoryAmbiguous, match=r"/box/2026/bill\.pdf"):
        find(worked, "bill.pdf")
    with_place("file:///box/caf%E9.txt", "b")
    assert find(worked, "/box/caf\udce9.txt")[1] == find(worked, "caf\udce9.txt")[1] == id_of("b")
    unread = tmp_path / "unread.txt"
    unread.write_bytes(b"x")
    refused: list[tuple[str, Callable[[str], bool]]] = [
        (str(unread), lambda said: "winnow run" in said),
        ("ill.pdf", lambda said: "winnow runs" in said),
        ("", lambda said: "winnow runs" in said),
    ]
    for name, says in refused:
        with pytest.raises(StoryUnknown) as error:
            find(worked, name)
        assert says(str(error.value))
