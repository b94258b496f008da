import dataclasses

import pytest
from sqlalchemy import select, update

from blocks.backfill.selection import Selection
from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.pipeline import documents
from blocks.database.pipeline.documents import Recorded, record_batch
from blocks.database.pipeline.failures import FailedDocument, list_failures, record_failures
from blocks.database.pipeline.selected import record_selected
from blocks.database.results.results import NewResult, write_results
from blocks.database.tables import run_documents
from blocks.records import DiscoveredDocument, Rerun, ResultStatus, Retry, Stage, Status, Validation
from tests.database_fixtures import query_plan
from tests.doubles.scripted_stages import failing, found, id_of


def record(
    database: Database,
    run_id: str,
    *batch: DiscoveredDocument,
    rerun: Rerun = Rerun.STALE,
    given_type: str | None = None,
    digest: str = "pipeline",
) -> Recorded:
    return record_batch(
        database, run_id, batch, given_type=given_type, rerun=rerun, pipeline_digest=digest, chunk_size=2
    )


def settle(database: Database, **statuses: str) -> None:
    with database.write() as connection:
        documents.settle(connection, "pipeline", {id_of(name): status for name, status in statuses.items()})


def outcomes(database: Database, run_id: str) -> dict[str, str | None]:
    query = select(run_documents.c.document_id, run_documents.c.outcome).where(run_documents.c.run_id == run_id)
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def test_chunks_fill_up_over_batches_and_a_document_is_a_member_once(database: Database) -> None:
    assert record(database, "run", found("a"), found("b"), found("c"), found("a")).members == 3
    assert record(database, "run", found("c"), found("d"), found("e")).members == 2
    assert documents.chunk_count(database, "run") == 3
    chunks = [documents.chunk_document_ids(database, "run", number) for number in (1, 2, 3)]
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert {id_ for chunk in chunks for id_ in chunk} == {id_of(name) for name in "abcde"}
    assert documents.chunk_count(database, "another run") == 0


def test_a_chunk_is_found_by_its_number_without_reading_the_other_members(sqlite_database: Database) -> None:
    plan = query_plan(sqlite_database, "run_documents", lambda: documents.chunk_document_ids(sqlite_database, "run", 1))
    assert plan == ["SEARCH run_documents USING INDEX ix_run_documents_run_id_chunk (run_id=? AND chunk=?)"]


@pytest.mark.parametrize(
    ("rerun", "expected"),
    [
        (Rerun.STALE, {"good": "skipped", "bad": "failed", "new": None}),
        (Rerun.FAILED, {"good": "skipped", "bad": None, "new": None}),
        (Rerun.ALL, {"good": None, "bad": None, "new": None}),
        (Rerun.NEVER, {"good": None, "bad": "failed", "new": None}),  # settled, but the result is gone
    ],
)
def test_settled_documents_have_their_outcome_at_once(
    database: Database, rerun: Rerun, expected: dict[str, str | None]
) -> None:
    record(database, "first", found("good"), found("bad"))
    settle(database, good="accepted", bad="failed")
    record(database, "second", found("good"), found("bad"), found("new"), rerun=rerun)
    assert outcomes(database, "second") == {id_of(name): outcome for name, outcome in expected.items()}
    known = record_selected(
        database,
        "third",
        Selection(),
        rerun=rerun,
        pipeline_digest="pipeline",
        chunk_size=2,
    )
    assert known == 3
    assert outcomes(database, "third") == outcomes(database, "second")
    assert documents.chunk_count(database, "third") == documents.chunk_count(database, "second")


def test_another_pipeline_settles_nothing(database: Database) -> None:
    record(database, "first", found("good"))
    settle(database, good="accepted")
    assert record(database, "second", found("good"), digest="another") == Recorded(members=1)


def test_a_declared_type_unsettles_only_where_it_is_another(database: Database) -> None:
    record(database, "first", found("a"), given_type="receipt")
    settle(database, a="accepted")
    assert record(database, "second", found("a"), given_type="receipt").skipped == 1
    assert record(database, "third", found("a")).skipped == 1, "a type once declared stays"
    assert record(database, "fourth", found("a"), given_type="invoice").skipped == 0


def test_no_run_gives_another_type_to_a_document_whose_type_a_person_decided(database: Database) -> None:
    record(database, "first", found("a"), found("b"), given_type="receipt")
    settle(database, a="accepted", b="accepted")
    with database.write() as connection:
        of_document = tables.documents.c.document_id == id_of("a")
        connection.execute(update(tables.documents).where(of_document).values(is_type_decided=True))
    assert record(database, "second", found("a"), found("b"), given_type="invoice").skipped == 1
    with database.read() as connection:
        given = select(tables.documents.c.document_id, tables.documents.c.given_type)
        types = dict(connection.execute(given).tuples().all())
    assert types == {id_of("a"): "receipt", id_of("b"): "invoice"}


def test_a_container_is_known_but_no_member(database: Database) -> None:
    row = DiscoveredDocument(id_of("row"), "/in/table#row:1", "text/plain", 3, id_of("table"), "row:1", b"one")
    assert record(database, "run", found("table", is_member=False), row).members == 1
    assert documents.chunk_document_ids(database, "run", 1) == (id_of("row"),)
    assert documents.part_content(database, id_of("row")) == b"one"
    assert documents.part_contents(database, [id_of("row"), id_of("table")]) == {id_of("row"): b"one"}
    with pytest.raises(KeyError):
        documents.part_content(database, id_of("table"))
    known = record_selected(
        database,
        "again",
        Selection(),
        rerun=Rerun.STALE,
        pipeline_digest="pipeline",
        chunk_size=2,
    )
    assert known == 1


def test_an_unreadable_file_fails_until_it_can_be_read(database: Database) -> None:
    unreadable = failing(Stage.DISCOVER, Retry.NEXT_RUN, "unreadable_source")
    locked = dataclasses.replace(found("locked", failure=unreadable), uri="/in/letter")
    for run_id in ("first", "second"):
        assert record(database, run_id, locked) == Recorded(members=1, failed=1)
    (failure,) = list_failures(database)
    assert (failure["uri"], failure["kind"], failure["attempts"]) == ("/in/letter", "unreadable_source", 2)
    assert outcomes(database, "second") == {id_of("locked"): "failed"}
    record(database, "third", dataclasses.replace(found("letter"), uri="/in/letter"))
    assert list_failures(database) == []


def test_an_unlisted_folder_fails_until_something_is_found_in_it(database: Database) -> None:
    unlisted = failing(Stage.DISCOVER, Retry.NEXT_RUN, "unreadable_source")
    folder = dataclasses.replace(found("folder", failure=unlisted), uri="/in/folder")
    record(database, "first", folder, dataclasses.replace(found("a"), uri="/in/a"))
    assert [failure["uri"] for failure in list_failures(database)] == ["/in/folder"]
    record(database, "second", dataclasses.replace(found("b"), uri="/in/folder/sub/b"))
    assert list_failures(database) == []


def test_the_same_bytes_at_two_places_are_one_document(database: Database) -> None:
    empty = found("a", failure=failing(Stage.DISCOVER, Retry.NEVER, "empty"))
    record(database, "run", empty, dataclasses.replace(empty, uri="/elsewhere/copy"))
    assert outcomes(database, "run") == {id_of("a"): "failed"}
    (failure,) = list_failures(database)
    assert failure["uri"] == "/elsewhere/copy"


def test_text_that_no_database_takes_is_kept_readable(database: Database) -> None:
    odd = dataclasses.replace(found("odd"), uri="/in/caf\udce9 \x00")
    odd = dataclasses.replace(odd, failure=failing(Stage.DISCOVER, Retry.NEVER, "empty"))
    record(database, "run", odd)
    assert list_failures(database)[0]["uri"] == "/in/caf\\udce9 \\x00"


def test_a_table_that_was_taken_apart_is_a_document_once_it_is_asked_for_as_one(database: Database) -> None:
    record(database, "rows", found("a", is_member=False))
    record(database, "whole", found("a"))
    with database.read() as connection:
        assert connection.execute(select(tables.documents.c.is_container)).scalar_one() is False


@pytest.mark.parametrize(
    ("stage", "outcome"), [(Stage.DISCOVER, "failed"), (Stage.EXTRACT, None)], ids=["unreadable", "failed later"]
)
@pytest.mark.parametrize("rerun", [Rerun.ALL, Rerun.FAILED])
def test_of_known_documents_only_an_unreadable_one_stays_failed(
    database: Database, rerun: Rerun, stage: Stage, outcome: str | None
) -> None:
    record(database, "first", found("a"))
    with database.write() as connection:
        failed = [FailedDocument(id_of("a"), failing(stage, Retry.NEVER))]
        record_failures(database, connection, "first", failed, now())
    record_selected(
        database,
        "second",
        Selection(status="failed"),
        rerun=rerun,
        pipeline_digest="pipeline",
        chunk_size=2,
    )
    assert outcomes(database, "second") == {id_of("a"): outcome}


@pytest.mark.parametrize(("status", "members"), [(None, {"failed", "unfinished"}), ("failed", {"failed"})])
def test_failures_and_what_an_ended_run_left_undone_are_tried_again_without_a_status(
    database: Database, status: ResultStatus | None, members: set[str]
) -> None:
    """As docs/deployment.md says of the automation that starts a backfill."""
    record(database, "crashed", found("failed"), found("unfinished"), found("accepted"))
    settle(database, accepted="accepted")
    with database.write() as connection:
        failed = [FailedDocument(id_of("failed"), failing(Stage.EXTRACT, Retry.NEVER))]
        record_failures(database, connection, "crashed", failed, now())
    record_selected(
        database,
        "second",
        Selection(status=status),
        rerun=Rerun.FAILED,
        pipeline_digest="pipeline",
        chunk_size=2,
    )
    queued = {id_ for id_, outcome in outcomes(database, "second").items() if outcome is None}
    assert queued == {id_of(name) for name in members}


@pytest.mark.parametrize(("reopen", "outcome"), [(False, "skipped"), (True, None)])
def test_a_settled_document_that_a_person_decided_is_computed_again_to_be_reopened(
    database: Database, reopen: bool, outcome: str | None
) -> None:
    record(database, "first", found("decided"), found("accepted"))
    settle(database, decided="accepted", accepted="accepted")
    verdict = Validation(document_type="receipt", status=Status.ACCEPTED, confidence=1.0)
    with database.write() as connection:
        new = [NewResult(id_of(name), "f", verdict, provisional=False) for name in ("decided", "accepted")]
        write_results(database, connection, "first", new, now())
        by_person = update(tables.results).where(tables.results.c.document_id == id_of("decided"))
        connection.execute(by_person.values(decided_by="ann"))
    record_selected(
        database,
        "second",
        Selection(),
        rerun=Rerun.STALE,
        pipeline_digest="pipeline",
        chunk_size=2,
        reopen=reopen,
    )
    assert outcomes(database, "second") == {id_of("decided"): outcome, id_of("accepted"): "skipped"}
