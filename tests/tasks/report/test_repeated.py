"""Which documents are named for an expectation of uniqueness that they break."""

import pytest

from blocks.database.engine import Database
from blocks.database.results.repeated import Group
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from tasks.report import repeated
from tasks.report.repeated import Repeated
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding

RUN = RunContext(run_id="r")


def unique(columns: list[str], type_: str = "expect_compound_columns_to_be_unique") -> DocumentType:
    key = "column_list" if "compound" in type_.lower() else "column"
    expectation = Expectation(
        name="unique", type=type_, kwargs={key: list(columns) if key == "column_list" else columns[0]}
    )
    fields = {
        "number": DocumentField(type=FieldType.TEXT),
        "status": DocumentField(type=FieldType.TEXT),
        "lines": DocumentField(type=FieldType.LIST),
    }
    return DocumentType(name="bill", title="Bill", fields=fields, expectations=(expectation,))


@pytest.mark.parametrize(
    ("document_type", "success", "asked"),
    [
        (unique(["number", "status"]), False, [["number", "field_status"]]),
        (unique(["number"], "ExpectColumnValuesToBeUnique"), False, [["number"]]),
        (unique(["number", "status"]), True, []),
        (unique(["number", "lines"]), False, []),
        (unique(["number", "nonsense"]), False, []),
        (unique(["number"], "ExpectColumnValuesToNotBeNull"), False, []),
    ],
)
def test_documents_that_break_an_expectation_of_uniqueness_are_named(
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    document_type: DocumentType,
    success: bool,
    asked: list[list[str]],
) -> None:
    calls: list[list[str]] = []

    def repeated_results(
        database: Database, run_id: str, name: str, columns: list[str], max_groups: int, max_named: int
    ) -> list[Group]:
        assert (database, run_id, name) == (sqlite_database, "r", "bill")
        assert (max_groups, max_named) == (repeated.MAX_REPEATED, repeated.MAX_NAMED)
        calls.append(columns)
        return [Group(7, ("/a", "/b"))]

    monkeypatch.setattr(repeated, "repeated_results", repeated_results)
    finding = TypeFinding(document_type="bill", name="unique", success=success, observed="2 of 3")
    found = repeated.repeated_documents(sqlite_database, RUN, {"bill": document_type}, (finding,))
    assert calls == asked
    assert found == tuple(Repeated(document_type="bill", name="unique", documents=7, uris=("/a", "/b")) for _ in asked)
