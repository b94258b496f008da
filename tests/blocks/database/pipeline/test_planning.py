"""What a plan reads of the ledger: sent calls of a type's documents, by document, and how many did without."""

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update

from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.pipeline.planning import calls_of_type
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of


def call(key: int, name: str, **values: Any) -> dict[str, Any]:
    counts = ("step", "attempt", "input_characters", "output_characters", "latency_ms")
    row: dict[str, Any] = {
        "run_id": "run-1",
        "document_id": id_of(name),
        "model": "mini",
        "model_version": "v",
        "outcome": "ok",
    }
    row |= {"request_digest": "d", "call_key": str(key), "cost_usd": Decimal("0.25"), "called_at": now()}
    row |= {"input_tokens": 100, "output_tokens": 10, "lane": "run", "unconfirmed_usd": Decimal(0)}
    return dict.fromkeys(counts, 1) | row | values


def test_calls_by_document(database: Database) -> None:
    add_documents(database, "asked", "twice", "without", "invoice", "skipped", "away", "killed")
    nothing = {"cost_usd": Decimal(0), "input_tokens": 0, "output_tokens": 0}
    calls = [
        call(1, "asked"),
        call(2, "twice"),
        call(3, "twice", outcome="timed_out", cost_usd=Decimal(0), unconfirmed_usd=Decimal("0.5")),
        call(4, "invoice"),
        call(5, "asked", outcome="cache_hit"),
        call(6, "asked", outcome="open"),
        call(7, "asked", model="maxi"),
        call(8, "asked", lane="test"),
        call(9, "asked", outcome="lost", cost_usd=Decimal(0), unconfirmed_usd=Decimal(9)),
        call(10, "away", outcome="unavailable", **nothing),
        call(11, "killed", outcome="lost", unconfirmed_usd=Decimal(9), **nothing),
        call(12, "away", outcome="unavailable", run_id="run-2", **nothing),
    ]
    document, member = tables.documents.c, tables.run_documents.c
    with database.write() as connection:
        connection.execute(insert(tables.model_calls), calls)
        connection.execute(update(tables.documents).values(document_type="note"))
        connection.execute(
            update(tables.documents).where(document.document_id == id_of("invoice")).values(document_type="invoice")
        )
        connection.execute(update(tables.run_documents).values(outcome="accepted"))
        connection.execute(
            update(tables.run_documents).where(member.document_id == id_of("skipped")).values(outcome="skipped")
        )
    with database.read() as connection:
        found = calls_of_type(connection, "note", {"mini"})
        assert calls_of_type(connection, "receipt", {"mini"}).calls == ()
    assert sorted(zip(found.calls, found.costs_usd, strict=True)) == [(1, Decimal("0.25")), (2, Decimal("0.75"))]
    assert found.without_calls == 1  # those that waited for a model, or whose worker died, were not free
    assert set(found.tokens) == {(100, 10)}
