"""Which results are current, which of them a list shows, and in which order."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.results.results import NewResult, current_results, list_results, write_results
from blocks.errors import DocumentUnknown
from blocks.records import Evidence, Rerun, Status, Validation
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import found, id_of

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def result(
    name: str,
    fingerprint: str = "f",
    *,
    status: Status = Status.ACCEPTED,
    document_type: str = "receipt",
    total: str = "9.00",
    provisional: bool = False,
    is_current: bool = True,
) -> NewResult:
    verdict = Validation(
        document_type=document_type,
        status=status,
        confidence=0.75,
        reasons=("low_confidence:total",),
        score=1.5,
        fields={"total": total},
        confidences={"total": 0.75},
        evidence={"total": (Evidence(page=1, quote=total),)},
        priority=1,
        due_minutes=5,
    )
    return NewResult(id_of(name), fingerprint, verdict, provisional, is_current)


def write(database: Database, *new: NewResult, run_id: str = "run-1", at: datetime = AT) -> None:
    with database.write() as connection:
        write_results(database, connection, run_id, new, at)


def decide(database: Database, name: str) -> None:
    """A person's decision on the current result of a document."""
    row = tables.results.c
    decided = update(tables.results).where(row.document_id == id_of(name), row.is_current).values(decided_by="ada")
    with database.write() as connection:
        connection.execute(decided)


def rows(database: Database, name: str) -> dict[str, Any]:
    """A document's results by fingerprint: total, whether it is current, and the run that wrote it."""
    row = tables.results.c
    query = select(row.fingerprint, row.fields, row.is_current, row.run_id).where(row.document_id == id_of(name))
    with database.read() as connection:
        found_rows = connection.execute(query).all()
    return {fingerprint: (fields["total"], current, run_id) for fingerprint, fields, current, run_id in found_rows}


def listed(database: Database, **filters: Any) -> list[str]:
    return [row["uri"] for row in list_results(database, **filters)]


def test_a_row_of_the_list_has_all_that_a_reader_needs(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a"))
    assert list_results(database) == [
        {
            "document_id": id_of("a"),
            "uri": "/in/a",
            "uris": ["/in/a"],
            "document_type": "receipt",
            "status": "accepted",
            "confidence": 0.75,
            "score": 1.5,
            "reasons": ["low_confidence:total"],
            "fields": {"total": "9.00"},
        }
    ]


def test_a_verdict_is_kept_with_its_evidence_and_its_run(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a", provisional=True), run_id="run-7", at=AT)
    with database.read() as connection:
        row = connection.execute(select(tables.results)).mappings().one()
    assert row["confidences"] == {"total": 0.75}
    assert row["evidence"] == {"total": [{"page": 1, "quote": "9.00", "box": None}]}
    assert (row["run_id"], row["created_at"], row["provisional"], row["decided_by"]) == ("run-7", AT, True, None)


def test_results_are_listed_by_place_whatever_the_order_of_writing(database: Database) -> None:
    add_documents(database, "c", "a", "b")
    write(database, result("b"), result("c"))
    write(database, result("a"))
    assert listed(database) == ["/in/a", "/in/b", "/in/c"]


def test_documents_that_share_a_place_are_listed_by_id(database: Database) -> None:
    """A file that was replaced: both contents were seen at the same place."""
    batch = [dataclasses.replace(found(name), uri="/in/same") for name in "abcdef"]
    record_batch(database, "run-1", batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    write(database, *(result(name) for name in "fbdaec"))
    ids = [row["document_id"] for row in list_results(database)]
    assert ids == sorted(id_of(name) for name in "abcdef")


def test_a_document_seen_at_two_places_has_one_row_under_the_latest(database: Database) -> None:
    add_documents(database, "a", "b")
    copy = dataclasses.replace(found("a"), uri="/in/z-copy")
    record_batch(database, "run-2", [copy], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    write(database, result("a"), result("b"))
    listing = [(row["uri"], row["uris"]) for row in list_results(database)]
    assert listing == [("/in/b", ["/in/b"]), ("/in/z-copy", ["/in/z-copy", "/in/a"])]


def test_a_result_without_a_known_place_is_listed_first(database: Database) -> None:
    add_documents(database, "a", "b")
    write(database, result("a"), result("b"))
    with database.write() as connection:
        connection.execute(tables.sources.delete().where(tables.sources.c.document_id == id_of("b")))
    assert [(row["uri"], row["uris"]) for row in list_results(database)] == [("", [""]), ("/in/a", ["/in/a"])]


def test_filters_hold_together(database: Database) -> None:
    add_documents(database, "a", "b", "c", "d")
    write(
        database,
        result("a"),
        result("b", status=Status.REJECTED),
        result("c", document_type="invoice"),
        result("d", document_type="invoice", status=Status.IN_REVIEW),
    )
    assert listed(database, document_type="invoice") == ["/in/c", "/in/d"]
    assert listed(database, status="accepted") == ["/in/a", "/in/c"]
    assert listed(database, status=Status.IN_REVIEW) == ["/in/d"]
    assert listed(database, document_type="invoice", status="accepted") == ["/in/c"]
    assert listed(database, document_type="letter") == listed(database, status="failed") == []


def test_a_run_lists_what_it_found_unchanged_and_nothing_of_others(database: Database) -> None:
    add_documents(database, "a", "b", run_id="run-1")
    write(database, result("a"), result("b"), run_id="run-1")
    add_documents(database, "b", "c", run_id="run-2")
    write(database, result("c"), run_id="run-2")
    assert listed(database, run_id="run-1") == ["/in/a", "/in/b"]
    assert listed(database, run_id="run-2") == ["/in/b", "/in/c"]
    assert listed(database, run_id="run-3") == []


def test_a_new_fingerprint_replaces_the_current_result_and_keeps_the_earlier(database: Database) -> None:
    add_documents(database, "a", "b")
    write(database, result("a", "old", total="1.00"), result("b", "old"))
    write(database, result("a", "new", total="2.00"), run_id="run-2")
    assert rows(database, "a") == {"old": ("1.00", False, "run-1"), "new": ("2.00", True, "run-2")}
    assert rows(database, "b") == {"old": ("9.00", True, "run-1")}, "another document's result stays current"
    assert [row["fields"]["total"] for row in list_results(database)] == ["2.00", "9.00"]


def test_the_same_fingerprint_replaces_the_row(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a", provisional=True, total="1.00"))
    later = AT + timedelta(hours=1)
    write(database, result("a", total="2.00", status=Status.REJECTED), run_id="run-2", at=later)
    assert rows(database, "a") == {"f": ("2.00", True, "run-2")}
    with database.read() as connection:
        current = current_results(connection, [id_of("a")])[id_of("a")]
    assert (current.status, current.provisional, current.created_at) == ("rejected", False, later)


def test_an_earlier_fingerprint_becomes_current_again(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a", "old", total="1.00"))
    write(database, result("a", "new", total="2.00"))
    write(database, result("a", "old", total="1.00"), run_id="run-3")
    assert rows(database, "a") == {"old": ("1.00", True, "run-3"), "new": ("2.00", False, "run-1")}


def test_a_result_that_is_not_to_be_current_leaves_the_current_one(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a", "old"))
    write(database, result("a", "new", total="2.00", is_current=False))
    assert rows(database, "a") == {"old": ("9.00", True, "run-1"), "new": ("2.00", False, "run-1")}


def test_what_a_person_decided_stays_as_it_is(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a", "decided", total="1.00"))
    decide(database, "a")
    write(database, result("a", "decided", total="2.00"), run_id="run-2")
    assert rows(database, "a") == {"decided": ("1.00", True, "run-1")}
    write(database, result("a", "new", total="3.00", is_current=False), run_id="run-2")
    assert rows(database, "a")["decided"] == ("1.00", True, "run-1")
    with database.read() as connection:
        assert current_results(connection, [id_of("a")])[id_of("a")].decided_by == "ada"


def test_writing_nothing_changes_nothing(database: Database) -> None:
    add_documents(database, "a")
    write(database, result("a"))
    write(database)
    assert rows(database, "a") == {"f": ("9.00", True, "run-1")}


def test_current_results_are_those_of_the_documents_asked_for(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    write(database, result("a", "old"), result("b"))
    write(database, result("a", "new", status=Status.REJECTED, provisional=True), run_id="run-2")
    with database.read() as connection:
        current = current_results(connection, [id_of("a"), id_of("c")])
        assert current_results(connection, []) == {}
    assert list(current) == [id_of("a")]
    found_result = current[id_of("a")]
    assert (found_result.fingerprint, found_result.status, found_result.run_id) == ("new", "rejected", "run-2")
    assert (found_result.provisional, found_result.decided_by, found_result.created_at) == (True, None, AT)


@pytest.mark.parametrize(
    ("status", "is_current", "needs_review"),
    [
        (Status.IN_REVIEW, True, True),
        (Status.IN_REVIEW, False, False),
        (Status.ACCEPTED, True, False),
        (Status.REJECTED, True, False),
    ],
)
def test_only_a_current_result_in_review_needs_a_person(status: Status, is_current: bool, needs_review: bool) -> None:
    assert result("a", status=status, is_current=is_current).needs_review is needs_review


def test_a_result_keeps_null_where_there_is_no_score(database: Database) -> None:
    add_documents(database, "a")
    new = result("a")
    without = new.validation.model_copy(update={"score": None, "fields": {"total": None}})
    write(database, dataclasses.replace(new, validation=without))
    (row,) = list_results(database)
    assert (row["score"], row["fields"]) == (None, {"total": None})


def test_two_members_rows_of_one_document_are_one_result(database: Database) -> None:
    """Many runs may have had the document."""
    for run_id in ("run-1", "run-2", "run-3"):
        add_documents(database, "a", run_id=run_id)
    write(database, result("a"))
    with database.write() as connection:
        outcome = {"run_id": "run-4", "document_id": id_of("a"), "chunk": None, "outcome": "skipped"}
        connection.execute(insert(tables.run_documents), outcome)
    assert listed(database) == listed(database, run_id="run-4") == ["/in/a"]


def test_pages_of_results_follow_each_other(database: Database) -> None:
    add_documents(database, "a", "B", "c")
    write(database, *(result(name) for name in "aBc"))
    complete = [row["document_id"] for row in list_results(database)]
    assert complete == [id_of(name) for name in "Bac"]
    assert [row["document_id"] for row in list_results(database, limit=2)] == complete[:2]
    assert [row["document_id"] for row in list_results(database, limit=2, after=complete[1])] == complete[2:]
    with pytest.raises(DocumentUnknown):
        list_results(database, after="nowhere")
