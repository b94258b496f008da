"""Each property of a selection finds the documents that have it, and chunks begin with the newest documents."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from blocks.backfill.selection import Selection
from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.pipeline import documents
from blocks.database.pipeline.documents import chunk_document_ids, record_batch
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.database.pipeline.selected import record_selected
from blocks.database.results.results import NewResult, write_results
from blocks.records import Rerun, Retry, Stage, Status, Validation
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import failing, found, id_of

NAMES = ("old", "sure", "doubtful", "broken")
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def fill(database: Database) -> None:
    """Documents that were first seen a day apart, in the order of `NAMES`."""
    add_documents(database, *NAMES, run_id="first")
    verdicts = {
        "old": Validation(document_type="receipt", status=Status.ACCEPTED, confidence=0.95),
        "sure": Validation(document_type="invoice", status=Status.ACCEPTED, confidence=0.9),
        "doubtful": Validation(
            document_type="invoice",
            status=Status.IN_REVIEW,
            confidence=0.4,
            reasons=('invalid:"a" %b', "missing:total"),
        ),
    }
    with database.write() as connection:
        new = [NewResult(id_of(name), "f", verdict, provisional=False) for name, verdict in verdicts.items()]
        write_results(database, connection, "first", new, now())
        record_failures(
            database, connection, "first", [FailedDocument(id_of("broken"), failing(Stage.EXTRACT, Retry.NEVER))], now()
        )
        for day, name in enumerate(NAMES):
            of_document = tables.documents.c.document_id == id_of(name)
            type_ = verdicts[name].document_type if name in verdicts else None
            seen = {"first_seen_at": JANUARY + timedelta(days=day), "document_type": type_}
            connection.execute(update(tables.documents).where(of_document).values(seen))
        documents.settle(connection, "today", {id_of("old"): "accepted"})
        connection.execute(insert(tables.model_calls), call("sure"))
    batch = [found("sure")]
    record_batch(database, "second", batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=9)


def call(name: str) -> dict[str, Any]:
    counts = ("step", "attempt", "input_characters", "output_characters", "input_tokens", "output_tokens", "latency_ms")
    texts: dict[str, Any] = {
        "run_id": "first",
        "document_id": id_of(name),
        "model": "mini",
        "model_version": "v",
        "outcome": "ok",
    }
    return (
        dict.fromkeys(counts, 1) | texts | {"request_digest": "d", "cost_usd": 0, "called_at": now(), "call_key": "k"}
    )


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {*NAMES}),
        ({"document_type": "invoice"}, {"sure", "doubtful"}),
        ({"status": "in_review"}, {"doubtful"}),
        ({"status": "failed"}, {"broken"}),
        ({"reason": "missing"}, {"doubtful"}),
        ({"reason": "missing:total"}, {"doubtful"}),
        ({"reason": 'invalid:"a" %b'}, {"doubtful"}),
        ({"reason": "miss"}, set()),
        ({"reason": "total"}, set()),
        ({"failure_kind": "corrupt"}, {"broken"}),
        ({"failure_kind": "empty"}, set()),
        ({"source": "/in"}, {*NAMES}),
        ({"source": "/in/"}, {*NAMES}),
        ({"source": "/in/old"}, {"old"}),
        ({"source": "/i"}, set()),
        ({"seen_from": "2026-01-03"}, {"doubtful", "broken"}),
        ({"seen_before": "2026-01-02T00:00:01Z"}, {"old", "sure"}),
        ({"run": "second"}, {"sure"}),
        ({"confidence_from": 0.9}, {"old", "sure"}),
        ({"confidence_from": 0.3, "confidence_below": 0.9}, {"doubtful"}),
        ({"model": "mini"}, {"sure"}),
        ({"model": "maxi"}, set()),
        ({"stale": True}, {"sure", "doubtful", "broken"}),
        ({"status": "accepted", "seen_from": "2026-01-02"}, {"sure"}),
        ({"limit": 2}, {"doubtful", "broken"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_selection_finds_the_documents_that_have_all_properties(
    database: Database, wanted: dict[str, Any], names: set[str]
) -> None:
    fill(database)
    selection = Selection.model_validate(wanted)
    terms: dict[str, Any] = {"rerun": Rerun.ALL, "pipeline_digest": "today", "chunk_size": 9}
    assert record_selected(database, "run", selection, **terms) == len(names)
    assert record_selected(database, "run", Selection(), **terms) == (len(names) or len(NAMES)), "a batch is made once"
    with database.read() as connection:
        member = tables.run_documents.c
        members = set(connection.execute(select(member.document_id).where(member.run_id == "run")).scalars())
    assert members == {id_of(name) for name in names or NAMES}


def test_the_newest_documents_come_first(database: Database) -> None:
    fill(database)
    record_selected(database, "run", Selection(), rerun=Rerun.ALL, pipeline_digest="today", chunk_size=2)
    chunks = [set(chunk_document_ids(database, "run", number)) for number in (1, 2)]
    assert chunks == [{id_of("broken"), id_of("doubtful")}, {id_of("sure"), id_of("old")}]


def test_a_selection_in_words_and_one_that_no_document_can_match() -> None:
    assert str(Selection()) == "all documents"
    wanted = Selection(document_type="invoice", stale=True, seen_from=JANUARY)
    assert str(wanted) == "type invoice, seen from 2026-01-01T00:00:00Z, stale"
    with pytest.raises(ValidationError, match=r"at least 0\.5 and below 0\.5"):
        Selection(confidence_from=0.5, confidence_below=0.5)
