"""Failures: what a list shows, what replaces a failure, and what closes it."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.failures import (
    FailedDocument,
    list_failures,
    record_failures,
    resolve_failures,
    resolve_unread,
)
from blocks.records import Rerun, Retry, Stage
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import failing, found, id_of

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def fail(
    database: Database,
    *names: str,
    stage: Stage = Stage.EXTRACT,
    kind: str = "corrupt",
    retry: Retry = Retry.NEVER,
    attempts: int = 1,
    run_id: str = "run-1",
    at: datetime = AT,
) -> None:
    failed = [FailedDocument(id_of(name), failing(stage, retry, kind), attempts) for name in names]
    with database.write() as connection:
        record_failures(database, connection, run_id, failed, at)


def resolve(database: Database, still_failing: dict[str, str | None], at: datetime = LATER) -> None:
    with database.write() as connection:
        resolve_failures(connection, {id_of(name): stage for name, stage in still_failing.items()}, at)


def read(database: Database, *uris: str, at: datetime = LATER) -> None:
    with database.write() as connection:
        resolve_unread(connection, uris, at)


def row(database: Database, name: str, stage: Stage = Stage.EXTRACT) -> dict[str, Any]:
    failure = tables.failures.c
    query = select(tables.failures).where(failure.document_id == id_of(name), failure.stage == stage.value)
    with database.read() as connection:
        return dict(connection.execute(query).mappings().one())


def still_open(database: Database, run_id: str | None = None) -> list[tuple[str, str]]:
    return [(item["uri"].removeprefix("/in/"), item["stage"]) for item in list_failures(database, run_id=run_id)]


def test_a_row_of_the_list_says_what_to_do(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a", kind="encrypted", retry=Retry.NEXT_RUN, attempts=3)
    assert list_failures(database) == [
        {
            "document_id": id_of("a"),
            "uri": "/in/a",
            "stage": "extract",
            "kind": "encrypted",
            "message": "encrypted on purpose",
            "attempts": 3,
            "retry": "next_run",
        }
    ]


def test_the_latest_failure_comes_first_and_those_of_one_moment_by_id(database: Database) -> None:
    names = ["a", "b", "c", "d", "e"]
    add_documents(database, *names)
    fail(database, "a", at=LATER)
    fail(database, "e", "d", "c", "b")
    ids = [item["document_id"] for item in list_failures(database)]
    paged = list_failures(database, limit=1)
    while page := list_failures(database, limit=1, after=paged[-1]["document_id"]):
        paged += page
    assert [item["document_id"] for item in paged] == ids
    assert ids == [id_of("a"), *sorted(id_of(name) for name in "bcde")]


def test_a_page_of_the_list_goes_on_behind_a_document_that_also_failed_long_ago(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    fail(database, "c", stage=Stage.EXTRACT, at=AT - timedelta(days=1))
    resolve(database, {"c": None})
    fail(database, "c", stage=Stage.SCORE, at=LATER)
    fail(database, "a", "b")
    behind = [item["document_id"] for item in list_failures(database, after=id_of("c"))]
    assert behind == sorted((id_of("a"), id_of("b")))
    resolve(database, {"c": None})
    assert [item["document_id"] for item in list_failures(database, after=id_of("c"))] == behind, "resolved since"


def test_a_run_lists_the_failures_of_its_documents_whoever_wrote_them(database: Database) -> None:
    add_documents(database, "a", "b", run_id="run-1")
    fail(database, "a", "b", run_id="run-1")
    add_documents(database, "b", "c", run_id="run-2")
    fail(database, "c", run_id="run-2", at=LATER)
    assert still_open(database, run_id="run-2") == [("c", "extract"), ("b", "extract")]
    assert sorted(still_open(database, run_id="run-1")) == [("a", "extract"), ("b", "extract")]
    assert still_open(database, run_id="run-3") == []


def test_a_failure_replaces_the_one_of_its_stage_and_keeps_its_first_time(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a", kind="corrupt", attempts=2)
    fail(database, "a", kind="encrypted", retry=Retry.NOW, attempts=1, run_id="run-2", at=LATER)
    (item,) = list_failures(database)
    assert (item["kind"], item["message"], item["retry"], item["attempts"]) == (
        "encrypted",
        "encrypted on purpose",
        "now",
        1,
    )
    kept = row(database, "a")
    assert (kept["first_at"], kept["last_at"], kept["run_id"]) == (AT, LATER, "run-2")


def test_each_stage_has_a_failure_of_its_own(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a", stage=Stage.EXTRACT)
    fail(database, "a", stage=Stage.SCORE, at=LATER)
    assert still_open(database) == [("a", "score"), ("a", "extract")]


def test_a_failure_that_comes_again_is_open_again(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a")
    resolve(database, {"a": None})
    assert still_open(database) == []
    assert row(database, "a")["resolved_at"] == LATER
    fail(database, "a", at=LATER)
    assert still_open(database) == [("a", "extract")]
    again = row(database, "a")
    assert (again["resolved_at"], again["first_at"]) == (None, LATER), "it is as old as it has been open"


def test_failures_of_discover_count_the_runs_that_met_them(database: Database) -> None:
    add_documents(database, "a")
    for run_id, expected in (("run-1", 1), ("run-1", 1), ("run-2", 2), ("run-3", 3), ("run-3", 3)):
        fail(database, "a", stage=Stage.DISCOVER, run_id=run_id)
        assert row(database, "a", Stage.DISCOVER)["attempts"] == expected
    fail(database, "a", stage=Stage.EXTRACT, attempts=2)
    fail(database, "a", stage=Stage.EXTRACT, attempts=2, run_id="run-2")
    assert row(database, "a")["attempts"] == 2, "other stages say how often they tried"


def test_no_failures_write_nothing(database: Database) -> None:
    fail(database)
    assert list_failures(database) == []


def test_what_passes_closes_every_failure_of_the_document_and_no_other(database: Database) -> None:
    add_documents(database, "a", "b")
    for stage in (Stage.EXTRACT, Stage.SCORE):
        fail(database, "a", "b", stage=stage)
    resolve(database, {"a": None})
    assert sorted(still_open(database)) == [("b", "extract"), ("b", "score")]


def test_what_still_fails_keeps_the_failure_of_that_stage(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    for stage in (Stage.EXTRACT, Stage.SCORE):
        fail(database, "a", "b", "c", stage=stage)
    resolve(database, {"a": "extract", "b": "score", "c": None})
    assert sorted(still_open(database)) == [("a", "extract"), ("b", "score")]


def test_a_closed_failure_keeps_the_time_of_its_closing(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a")
    resolve(database, {"a": None}, at=LATER)
    resolve(database, {"a": None}, at=LATER + timedelta(hours=1))
    assert row(database, "a")["resolved_at"] == LATER


def test_resolving_nothing_closes_nothing(database: Database) -> None:
    add_documents(database, "a")
    fail(database, "a")
    resolve(database, {})
    read(database)
    assert still_open(database) == [("a", "extract")]


def test_what_can_be_read_closes_the_failure_of_discover_at_that_place(database: Database) -> None:
    add_documents(database, "a", "b")
    fail(database, "a", "b", stage=Stage.DISCOVER)
    fail(database, "a", stage=Stage.EXTRACT)
    read(database, "/in/a", "/in/none")
    assert sorted(still_open(database)) == [("a", "extract"), ("b", "discover")]
    assert row(database, "a", Stage.DISCOVER)["resolved_at"] == LATER


def test_a_failure_of_this_very_moment_stays_open(database: Database) -> None:
    """The place was read, and what stood there is empty: the same batch records both."""
    add_documents(database, "a", "b")
    fail(database, "a", stage=Stage.DISCOVER, at=AT)
    fail(database, "b", stage=Stage.DISCOVER, at=LATER)
    read(database, "/in/a", "/in/b", at=LATER)
    assert still_open(database) == [("b", "discover")]


def test_a_file_that_takes_the_place_of_an_unreadable_one_closes_its_failure(database: Database) -> None:
    add_documents(database, "locked")
    fail(database, "locked", stage=Stage.DISCOVER)
    replaced = dataclasses.replace(found("letter"), uri="/in/locked")
    record_batch(database, "run-2", [replaced], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=9)
    assert still_open(database) == []


@pytest.mark.parametrize("odd", ["/in/caf\udce9", "/in/nul\x00"])
def test_a_place_that_no_database_takes_as_it_is_is_found_again(database: Database, odd: str) -> None:
    there = dataclasses.replace(found("odd"), uri=odd)
    record_batch(database, "run-1", [there], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=9)
    fail(database, "odd", stage=Stage.DISCOVER)
    read(database, odd)
    assert still_open(database) == []
