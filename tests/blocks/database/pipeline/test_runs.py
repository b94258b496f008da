"""Runs: their rows, and what a run counts of its documents, its failures and its calls."""

from decimal import Decimal

import pytest
from sqlalchemy import insert, select

from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.database.pipeline.runs import RunCosts
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.ledger import ModelCall, Settlement, new_call_key
from blocks.records import CACHE_HIT, CANCELLED, LIMITS_REACHED, MODELS_PAUSED, OPEN, Retry, RunCounts, Stage
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import failing, id_of

BILL = DocumentType(name="bill", title="Bill", fields={"total": DocumentField(type=FieldType.MONEY)})
OTHER_BILL = DocumentType(name="bill", title="Bill", fields={"amount": DocumentField(type=FieldType.MONEY)})


def start(database: Database, run_id: str, name: str = "name", **types: DocumentType) -> None:
    runs.start_run(database, run_id, name, settings={"chunk_size": 5}, types=types, source="/in")


def end(database: Database, run_id: str, **outcomes: str) -> None:
    with database.write() as connection:
        runs.set_outcomes(connection, run_id, {id_of(name): outcome for name, outcome in outcomes.items()})


def fail(database: Database, name: str, kind: str, stage: Stage = Stage.EXTRACT) -> None:
    with database.write() as connection:
        failed = [FailedDocument(id_of(name), failing(stage, Retry.NEVER, kind))]
        record_failures(database, connection, "run-1", failed, now())


def add_output(
    database: Database, name: str, kind: str, *, state: str = "provisional", current: bool = True, stage: str = "score"
) -> None:
    row = {
        "document_id": id_of(name),
        "stage": stage,
        "fingerprint": f"{stage} {kind} {current}",
        "state": state,
        "is_current": current,
        "failure_kind": kind,
        "attempts": 1,
        "solo_attempts": 0,
        "run_id": "run-1",
        "updated_at": now(),
    }
    with database.write() as connection:
        connection.execute(insert(tables.stage_outputs), row)


def add_result(
    database: Database, name: str, document_type: str, run_id: str, fingerprint: str = "f", *, current: bool = True
) -> None:
    row = {
        "document_id": id_of(name),
        "fingerprint": fingerprint,
        "is_current": current,
        "document_type": document_type,
        "status": "accepted",
        "confidence": 1.0,
        "reasons": [],
        "fields": {},
        "confidences": {},
        "evidence": {},
        "provisional": False,
        "run_id": run_id,
        "created_at": now(),
    }
    with database.write() as connection:
        connection.execute(insert(tables.results), row)


def set_type(database: Database, name: str, document_type: str) -> None:
    document = tables.documents
    with database.write() as connection:
        connection.execute(
            document.update().where(document.c.document_id == id_of(name)).values(document_type=document_type)
        )


def test_a_run_that_is_resumed_is_asked_anew_and_keeps_its_start(database: Database) -> None:
    start(database, "run-1", "first", bill=BILL)
    start(database, "run-2", "other", bill=BILL)
    with database.read() as connection:
        first = connection.execute(select(tables.runs).where(tables.runs.c.run_id == "run-1")).mappings().one()
    assert first["document_types"] == {"bill": BILL.version}
    assert (first["finished_at"], first["state"], first["message"]) == (None, None, None)
    runs.finish_run(database, "run-1", "Failed", "broken")
    with database.read() as connection:
        ended = {row["run_id"]: row for row in connection.execute(select(tables.runs)).mappings()}
    assert (ended["run-1"]["state"], ended["run-1"]["message"]) == ("Failed", "broken")
    assert ended["run-1"]["finished_at"] >= ended["run-1"]["started_at"]
    assert (ended["run-2"]["state"], ended["run-2"]["finished_at"]) == (None, None)
    start(database, "run-1", "again", bill=OTHER_BILL)
    with database.read() as connection:
        again = connection.execute(select(tables.runs).where(tables.runs.c.run_id == "run-1")).mappings().one()
        assert runs.started_at(connection, "run-1") == first["started_at"] == again["started_at"]
        assert runs.started_at(connection, "none") is None
    assert (again["name"], again["document_types"]) == ("again", {"bill": OTHER_BILL.version})
    assert (again["finished_at"], again["state"], again["message"]) == (None, None, None)


def test_every_version_of_a_type_is_kept_once(database: Database) -> None:
    start(database, "run-1", bill=BILL)
    with database.read() as connection:
        (kept,) = connection.execute(select(tables.document_type_versions)).mappings()
    start(database, "run-2", bill=BILL)
    start(database, "run-3", bill=OTHER_BILL)
    start(database, "run-4")
    with database.read() as connection:
        versions = {row["version"]: row for row in connection.execute(select(tables.document_type_versions)).mappings()}
    assert set(versions) == {BILL.version, OTHER_BILL.version}
    assert versions[BILL.version] == kept, "the first use stays"
    assert DocumentType.model_validate(versions[OTHER_BILL.version]["content"]) == OTHER_BILL


def test_documents_are_counted_by_outcome_and_those_without_one_are_missing(database: Database) -> None:
    add_documents(database, *"abcdefg")
    add_documents(database, "a", "h", run_id="run-2")
    end(database, "run-1", a="accepted", b="accepted", c="in_review", d="failed", e="skipped", h="accepted")
    end(database, "run-2", a="rejected")
    counts = RunCounts(documents=5, accepted=2, in_review=1, failed=1, skipped=1)
    assert runs.run_counts(database, "run-1") == (counts, 2)
    assert runs.run_counts(database, "run-2") == (RunCounts(documents=1, rejected=1), 1)
    assert runs.run_counts(database, "none") == (RunCounts(), 0)


def test_an_outcome_replaces_the_earlier_and_no_outcome_changes_nothing(database: Database) -> None:
    add_documents(database, "a", "b")
    end(database, "run-1", a="failed", b="accepted")
    end(database, "run-1", a="accepted")
    end(database, "run-1")
    assert runs.run_counts(database, "run-1")[0] == RunCounts(documents=2, accepted=2)


def test_types_are_counted_in_order_and_documents_without_a_type_are_unknown(database: Database) -> None:
    add_documents(database, *"abcde")
    add_documents(database, "f", run_id="run-2")
    for name, document_type in (("a", "receipt"), ("b", "receipt"), ("c", "bill"), ("e", "bill"), ("f", "bill")):
        set_type(database, name, document_type)
    end(database, "run-1", a="in_review", b="accepted", c="accepted", d="failed")
    counts = runs.counts_by_type(database, "run-1")
    assert counts == {"bill": {"accepted": 1}, "receipt": {"accepted": 1, "in_review": 1}, "unknown": {"failed": 1}}
    assert list(counts) == ["bill", "receipt", "unknown"]
    assert list(counts["receipt"]) == ["accepted", "in_review"]
    assert runs.counts_by_type(database, "run-2") == {}, "no outcome yet"


def test_what_waits_is_provisional_current_and_of_the_run(database: Database) -> None:
    add_documents(database, *"abcdefg")
    add_documents(database, "h", run_id="run-2")
    for name, kind in (("a", "model_down"), ("b", "ocr_unavailable"), ("c", "ocr_unavailable"), ("g", "budget")):
        add_output(database, name, kind)
    add_output(database, "a", "model_down", stage="extract")  # counts once: it is the same document
    add_output(database, "d", "corrupt", state="failed")
    add_output(database, "e", "model_down", state="done")
    add_output(database, "f", "model_down", current=False)
    add_output(database, "h", "model_down")
    waiting = runs.waiting_kinds(database, "run-1")
    assert list(waiting.items()) == [("ocr_unavailable", 2), ("budget", 1), ("model_down", 1)]
    assert runs.waiting_kinds(database, "none") == {}


def test_failures_are_counted_by_document_and_the_most_frequent_kind_comes_first(database: Database) -> None:
    add_documents(database, *"abcde")
    add_documents(database, "f", run_id="run-2")
    end(database, "run-1", a="failed", b="failed", c="failed", d="accepted", e="failed")
    end(database, "run-2", f="failed")
    for name, kind in (("a", "timeout"), ("b", "timeout"), ("c", "encrypted"), ("d", "timeout"), ("f", "timeout")):
        fail(database, name, kind)
    fail(database, "a", "timeout", Stage.SCORE)
    fail(database, "e", "corrupt")
    assert list(runs.failure_kinds(database, "run-1").items()) == [("timeout", 2), ("corrupt", 1), ("encrypted", 1)]
    with database.write() as connection:
        failure = tables.failures
        connection.execute(failure.update().where(failure.c.kind == "corrupt").values(resolved_at=now()))
    assert runs.failure_kinds(database, "run-1") == {"timeout": 2, "encrypted": 1}
    assert runs.failure_kinds(database, "run-2") == {"timeout": 1}


def test_types_written_are_those_of_the_runs_own_results(database: Database) -> None:
    add_documents(database, *"abc")
    add_result(database, "a", "bill", "run-1")
    add_result(database, "b", "bill", "run-1")
    add_result(database, "c", "receipt", "run-1", "old", current=False)
    add_result(database, "c", "letter", "run-2")
    assert runs.types_written(database, "run-1") == {"bill", "receipt"}
    assert runs.types_written(database, "run-2") == {"letter"}
    assert runs.types_written(database, "none") == set()


def call(database: Database, run_id: str, outcome: str = "ok", cost: str = "0", unconfirmed: str = "0") -> None:
    ended = ModelCall(
        document_id="d",
        model="gpt",
        model_version="1",
        call_key=new_call_key(),
        outcome=outcome,
        cost_usd=Decimal(cost),
        unconfirmed_usd=Decimal(unconfirmed),
    )
    DatabaseLedger(database).exchange([Settlement(run_id, ended)], ())


def test_costs_are_of_calls_that_are_over_to_the_last_digit(database: Database) -> None:
    for _ in range(3):
        call(database, "run-1", cost="0.1")
    call(database, "run-1", cost="0.0000001")
    call(database, "run-1", "timeout", unconfirmed="0.02")
    call(database, "run-1", "timeout", unconfirmed="0.02")
    call(database, "run-2", cost="7")
    assert runs.run_costs(database, "run-1") == RunCosts(6, Decimal("0.3000001"), Decimal("0.04"), 0)
    assert runs.run_costs(database, "run-2") == RunCosts(1, Decimal(7), Decimal(0), 0)
    assert runs.run_costs(database, "none") == RunCosts(0, Decimal(0), Decimal(0), 0)


@pytest.mark.parametrize(
    ("outcome", "unconfirmed", "calls", "hits"),
    [
        (CACHE_HIT, "0", 0, 1),
        (CANCELLED, "0", 0, 0),
        (CANCELLED, "0.01", 1, 0),
        (LIMITS_REACHED, "0", 0, 0),
        (MODELS_PAUSED, "0", 0, 0),
        ("timeout", "0", 1, 0),
    ],
)
def test_what_was_never_sent_is_no_call(
    database: Database, outcome: str, unconfirmed: str, calls: int, hits: int
) -> None:
    call(database, "run-1", outcome, unconfirmed=unconfirmed)
    costs = runs.run_costs(database, "run-1")
    assert (costs.model_calls, costs.cache_hits, costs.unconfirmed_usd) == (calls, hits, Decimal(unconfirmed))


def test_a_call_under_way_counts_for_nothing(database: Database) -> None:
    call(database, "run-1", cost="0.1")
    with database.write() as connection:
        connection.execute(tables.model_calls.update().values(outcome=OPEN))
    assert runs.run_costs(database, "run-1") == RunCosts(0, Decimal(0))
