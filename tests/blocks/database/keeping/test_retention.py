"""Retention deletes what is old and replaced, and nothing that counts, is shown or was decided."""

import os
import sqlite3
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from blocks.backfill.selection import Selection
from blocks.database.engine import Database, now
from blocks.database.keeping import retention
from blocks.database.keeping.retention import Retention, expired_rows, retain, selected_ids
from blocks.database.keeping.sizes import table_sizes, vacuum
from blocks.database.pipeline.run_chunks import publish_chunks
from blocks.database.tables import documents, model_calls, results, run_documents, runs, stage_outputs
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import AT, open_item


def outputs(database: Database, *rows: dict[str, Any]) -> None:
    own = {"document_id": id_of("a"), "stage": "score", "state": "done", "is_current": False, "run_id": "run-1"}
    own |= {"attempts": 1, "solo_attempts": 0, "updated_at": AT, "worker_id": ""}
    with database.write() as connection:
        for number, row in enumerate(rows):
            connection.execute(insert(stage_outputs), own | {"fingerprint": f"f{number}"} | row)


def fingerprints(database: Database) -> list[str]:
    with database.read() as connection:
        query = select(stage_outputs.c.fingerprint).order_by(stage_outputs.c.fingerprint)
        return list(connection.execute(query).scalars())


def test_old_outputs_go_unless_they_are_current_or_in_work(database: Database) -> None:
    add_documents(database, "a")
    outputs(database, {}, {"is_current": True}, {"state": "started"}, {"updated_at": now()})
    wanted = Retention(outputs_days=1)
    assert expired_rows(database, wanted) == {"stage_outputs": 1}
    assert retain(database, wanted) == {"stage_outputs": 1}
    assert fingerprints(database) == ["f1", "f2", "f3"]
    assert retain(database, wanted) == {}, "it is deleted once"


def test_results_that_count_are_shown_or_decided_stay(database: Database) -> None:
    add_documents(database, "a")
    for fingerprint in ("old", "shown"):
        open_item(database, "a", fingerprint=fingerprint)
    with database.write() as connection:
        connection.execute(update(results).values(is_current=False, created_at=AT))
        decided = select(results).where(results.c.fingerprint == "old")
        row = dict(connection.execute(decided).mappings().one())
        connection.execute(insert(results), row | {"fingerprint": "decided", "decided_by": "ann"})
        connection.execute(insert(results), row | {"fingerprint": "current", "is_current": True})
    assert retain(database, Retention(outputs_days=1)) == {"results": 1}
    with database.read() as connection:
        assert set(connection.execute(select(results.c.fingerprint)).scalars()) == {"shown", "decided", "current"}


def test_members_of_ended_runs_go_and_the_runs_stay(database: Database) -> None:
    add_documents(database, "a", run_id="run-1")
    add_documents(database, "a", run_id="run-2")
    row = {"name": "n", "source": "s", "settings": {}, "document_types": {}, "started_at": AT}
    with database.write() as connection:
        for run_id, finished_at in (("run-1", AT), ("run-2", None)):
            connection.execute(insert(runs), row | {"run_id": run_id, "finished_at": finished_at})
    for run_id in ("run-1", "run-2"):
        publish_chunks(database, run_id)
    assert retain(database, Retention(members_days=1)) == {"run_documents": 1, "run_chunks": 1}
    with database.read() as connection:
        assert connection.execute(select(run_documents.c.run_id)).scalars().all() == ["run-2"]
        assert connection.execute(select(func.count()).select_from(runs)).scalar_one() == 2


def test_an_age_of_none_keeps_everything(database: Database) -> None:
    add_documents(database, "a")
    outputs(database, {})
    assert retain(database, Retention()) == {}
    assert fingerprints(database) == ["f0"]


def test_calls_go_in_several_transactions(database: Database) -> None:
    numbers = ("step", "attempt", "input_characters", "output_characters", "input_tokens", "output_tokens")
    call: dict[str, Any] = {"model": "m", "model_version": "m", "request_digest": "d", "cost_usd": 1, "latency_ms": 1}
    call |= dict.fromkeys(numbers, 1) | {"outcome": "ok", "called_at": AT, "run_id": "run-1", "document_id": "a"}
    with database.write() as connection:
        connection.execute(insert(model_calls), [call | {"call_key": f"k{number}"} for number in range(4_500)])
        connection.execute(insert(model_calls), call | {"call_key": "open", "outcome": "open"})
    steps: list[int] = []
    assert retain(database, Retention(calls_days=1), steps.append) == {"model_calls": 4_500}
    assert [step for step in steps if step] == [2_000, 2_000, 500]


def test_small_batches_read_no_more_than_large_ones(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that stay, in front of those that go, are passed once and not once for each batch."""
    add_documents(sqlite_database, "a")
    steps = Counter[int]()
    for batch in (1_000, 50):
        outputs(sqlite_database, *({"is_current": True, "fingerprint": f"c{number:04}"} for number in range(2_000)))
        outputs(sqlite_database, *({"fingerprint": f"f{number:04}"} for number in range(1_000)))
        with sqlite_database.read() as connection:  # the pool has this connection for all that follows
            driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_progress_handler(partial(steps.update, [batch]), 1_000)
        monkeypatch.setattr(retention, "BATCH", batch)
        assert retain(sqlite_database, Retention(outputs_days=1)) == {"stage_outputs": 1_000}
        driver.set_progress_handler(None, 0)
        with sqlite_database.write() as connection:
            connection.execute(delete(stage_outputs))
    assert steps[50] < 2 * steps[1_000], steps


def test_a_selection_finds_what_is_to_be_erased(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    with database.write() as connection:
        old = documents.c.document_id.in_([id_of("a"), id_of("b")])
        connection.execute(update(documents).where(old).values(first_seen_at=AT))
        gone = documents.c.document_id == id_of("b")
        connection.execute(update(documents).where(gone).values(erased_at=AT))
    assert selected_ids(database, Selection(seen_before=AT + timedelta(days=1))) == (id_of("a"),)


def test_sizes_know_every_table_and_vacuum_gives_room_back(database: Database) -> None:
    add_documents(database, "a")
    outputs(database, *({"payload": os.urandom(100_000)} for _ in range(50)))
    before = table_sizes(database)
    largest = before.tables[0]
    assert (largest.table, largest.rows, before.documents) == ("stage_outputs", 50, 1)
    assert largest.size_bytes > 1_000_000
    retain(database, Retention(outputs_days=1))
    vacuum(database)
    after = table_sizes(database)
    assert after.size_bytes < before.size_bytes - 1_000_000
