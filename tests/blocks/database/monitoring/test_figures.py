"""The figures that are exported: what each counts, and that sums neither miss a row nor count it twice."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Row, delete, insert, update

from blocks.database.engine import Database, now
from blocks.database.monitoring import figures as module
from blocks.database.monitoring.figures import LATENCY_BUCKETS_S, CallFigures, MetricsReader
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.review.decide import decide
from blocks.database.tables import breakers, documents, model_calls
from blocks.ledger import new_call_key
from blocks.records import UNKNOWN_TYPE, Failure, Retry, Stage, Status
from blocks.review.records import Action, Decision, Door
from tests.database_fixtures import add_documents, dead_worker, lease_of
from tests.doubles.scripted_stages import id_of
from tests.review_items import ANN, TYPES, open_item

OLD = timedelta(hours=1)


def add_call(database: Database, *, outcome: str = "ok", age: timedelta = OLD, latency_ms: int = 400) -> int:
    """A row of the ledger; returns its id."""
    row = {"run_id": "r", "document_id": "d", "model": "m", "model_version": "v", "step": 0, "attempt": 1}
    row |= {"request_digest": "", "input_characters": 1, "output_characters": 1, "input_tokens": 7, "output_tokens": 3}
    row |= {"cost_usd": Decimal("0.01"), "latency_ms": latency_ms, "outcome": outcome, "called_at": now() - age}
    with database.write() as connection:
        added = insert(model_calls).values(**row, call_key=new_call_key()).returning(model_calls.c.call_id)
        return int(connection.execute(added).scalar_one())


def test_documents_failures_runs_workers_and_reviews_are_counted(database: Database) -> None:
    start_run(database, "run-1", "letters", settings={}, types={}, source="/in")
    add_documents(database, "a", "b", "c", "d")
    item = open_item(database, "a")
    open_item(database, "b")
    open_item(database, "c", status=Status.ACCEPTED)
    failure = Failure(stage=Stage.EXTRACT, kind="corrupt", message="damaged", retry=Retry.NEVER)
    with database.write() as connection:
        record_failures(database, connection, "run-1", [FailedDocument(id_of("d"), failure)], now())
        connection.execute(
            insert(breakers),
            [
                {"key": key, "why": "", "opened_at": now(), "open_until": now() + timedelta(seconds=left_s)}
                for key, left_s in (("down", 60), ("half-open", -1))
            ],
        )
    dead_worker(database, "run-0")
    reader = MetricsReader(database)
    with lease_of(database, "run-1"):
        figures = reader.read()
    assert figures.documents == {("receipt", "in_review"): 2, ("receipt", "accepted"): 1, ("unknown", "failed"): 1}
    assert figures.failures == {("extract", "corrupt"): 1}
    assert (figures.runs, figures.last_completed_at) == ({"Running": 1}, None)
    assert figures.workers == {"live": 1, "expired": 1}
    assert figures.last_beat_at is not None
    assert abs(figures.read_at - figures.last_beat_at) < timedelta(seconds=30)
    assert [(waiting.document_type, waiting.open) for waiting in figures.review] == [("receipt", 2)]
    assert figures.circuits == {"down": True}
    assert figures.database_bytes > 10_000

    rejected = Decision(review_id=item, version=1, action=Action.REJECT, reason="no", by="ann", door=Door.COMMAND)
    decide(database, rejected, ANN, TYPES)
    finish_run(database, "run-1", "CompletedWithErrors", "")
    for _ in range(2):
        figures = reader.read()
        assert figures.decisions == {"reject": 1}
    assert figures.runs == {"CompletedWithErrors": 1}
    assert figures.last_completed_at is not None


def test_failed_documents_without_a_type_and_of_an_unknown_one_are_counted_together(database: Database) -> None:
    start_run(database, "run-1", "letters", settings={}, types={}, source="/in")
    add_documents(database, "a", "b", "c")
    with database.write() as connection:
        classified = documents.c.document_id.in_([id_of("b"), id_of("c")])
        connection.execute(update(documents).where(classified).values(document_type=UNKNOWN_TYPE))
        for stage, names in ((Stage.EXTRACT, "a"), (Stage.VALIDATE, "bc")):
            failure = Failure(stage=stage, kind="internal", message="a defect", retry=Retry.NEVER)
            failed = [FailedDocument(id_of(name), failure) for name in names]
            record_failures(database, connection, "run-1", failed, now())
    assert MetricsReader(database).read().documents == {("unknown", "failed"): 3}


def test_a_call_counts_once_and_when_it_has_ended(database: Database) -> None:
    first, waiting = add_call(database), add_call(database, outcome="open")
    add_call(database, latency_ms=2_000)
    reader = MetricsReader(database)
    assert reader.read().calls["m", "ok"].calls == 2
    with database.write() as connection:
        connection.execute(update(model_calls).where(model_calls.c.call_id == waiting).values(outcome="lost"))
    add_call(database, age=timedelta(0), latency_ms=999_000)
    for _ in range(2):
        calls = reader.read().calls
        assert (calls["m", "ok"].calls, calls["m", "lost"].calls) == (3, 1)
    ok = calls["m", "ok"]
    assert ok.tokens["input"] == 21
    assert (ok.latency_s, ok.cost_usd) == pytest.approx((1001.4, 0.03))
    assert {limit: n for limit, n in zip((*LATENCY_BUCKETS_S, "more"), ok.buckets, strict=True) if n} == {
        0.5: 1,
        2.5: 1,
        "more": 1,
    }
    with database.write() as connection:
        connection.execute(delete(model_calls).where(model_calls.c.call_id == first))
    assert reader.read().calls["m", "ok"].calls == 3, "retention took a counted call back"


def test_a_reading_that_fails_midway_counts_nothing_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each row in turn: of calls that no longer change, of those behind them."""
    for latency_ms in (50, 400, 2_000):
        add_call(database, latency_ms=latency_ms)
    add_call(database, outcome="open")
    for latency_ms in (50, 400):
        add_call(database, latency_ms=latency_ms, age=timedelta(0))
    reader, summed = MetricsReader(database), module._figures_of
    for fails_at in range(5):
        rows = itertools.count()

        def fail_at_a_row(row: Row[Any], rows: "itertools.count[int]" = rows, at: int = fails_at) -> CallFigures:
            if next(rows) == at:
                raise ConnectionResetError
            return summed(row)

        monkeypatch.setattr(module, "_figures_of", fail_at_a_row)
        with pytest.raises(ConnectionResetError):
            reader.read()
    monkeypatch.setattr(module, "_figures_of", summed)
    assert reader.read().calls["m", "ok"].calls == 5
