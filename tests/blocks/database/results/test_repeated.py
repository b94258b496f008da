"""Documents with equal values: named where one of them is of the run."""

import pytest

from blocks.database.engine import Database
from blocks.database.results.repeated import Group, repeated_results
from blocks.database.results.results import write_results
from blocks.database.results.views import create_views
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Status
from tests.blocks.database.results.test_results import AT, result
from tests.database_fixtures import add_documents

TYPE = DocumentType(name="receipt", title="Receipt", fields={"total": DocumentField(type=FieldType.MONEY)})


@pytest.fixture
def results(database: Database) -> Database:
    """a, b and e are equal but e is rejected; c differs; d has no total and f is of another type."""
    create_views(database, {"receipt": TYPE})
    add_documents(database, "a", "c", "d", "e", "f", run_id="earlier")
    add_documents(database, "b", run_id="later")
    rows = [
        result("a"),
        result("b"),
        result("c", total="8.00"),
        result("d", total=""),
        result("e", status=Status.REJECTED),
        result("f", document_type="invoice"),
    ]
    with database.write() as connection:
        write_results(database, connection, "later", rows, AT)
    return database


def test_documents_with_equal_values_are_named_once_by_their_places(results: Database) -> None:
    assert repeated_results(results, "later", "receipt", ["total"], 5, 9) == [Group(2, ("/in/a", "/in/b"))]
    assert repeated_results(results, "earlier", "receipt", ["total"], 5, 9) == [Group(2, ("/in/a", "/in/b"))]


def test_documents_of_other_runs_are_not_named(results: Database) -> None:
    assert repeated_results(results, "never", "receipt", ["total"], 5, 9) == []


def test_all_columns_must_be_equal(results: Database) -> None:
    assert repeated_results(results, "later", "receipt", ["total", "document_id"], 5, 9) == []


def test_no_more_groups_than_asked_for(results: Database) -> None:
    assert repeated_results(results, "later", "receipt", ["total"], 0, 9) == []


def test_no_more_documents_of_a_group_than_asked_for_and_those_of_the_run_first(results: Database) -> None:
    assert repeated_results(results, "later", "receipt", ["total"], 5, 1) == [Group(2, ("/in/b",))]
    assert repeated_results(results, "earlier", "receipt", ["total"], 5, 1) == [Group(2, ("/in/a",))]
