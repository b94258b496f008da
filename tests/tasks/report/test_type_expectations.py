"""Which types' expectations about all results are checked at the end of a run."""

import pytest

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.document_types.schema import DocumentType, Expectation
from tasks.report import type_expectations
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding

RUN = RunContext(run_id="r")


def of_severity(name: str, severity: str | None) -> DocumentType:
    expectations = () if severity is None else (_expectation(severity),)
    return DocumentType(name=name, title=name, fields={}, expectations=expectations)


def _expectation(severity: str) -> Expectation:
    return Expectation.model_validate(
        {"name": "rows", "type": "expect_table_row_count_to_be_between", "kwargs": {}, "severity": severity}
    )


def finding_of(document_type: DocumentType) -> TypeFinding:
    return TypeFinding(document_type=document_type.name, name="rows", success=True, observed="3", severity="warn")


TYPES = {
    name: of_severity(name, severity)
    for name, severity in {"decisive": "fail", "lenient": "warn", "plain": None, "absent": "fail"}.items()
}


@pytest.mark.parametrize(
    ("written", "checked"),
    [
        (set(), ["decisive"]),
        ({"lenient"}, ["decisive", "lenient"]),
        ({"decisive", "gone"}, ["decisive"]),
    ],
)
def test_a_type_is_checked_where_the_run_wrote_to_it_or_where_it_may_fail_the_run(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, written: set[str], checked: list[str]
) -> None:
    members = {"decisive": {"skipped": 3}, "lenient": {"skipped": 1}, "plain": {"skipped": 1}, "gone": {"skipped": 1}}
    calls: list[tuple[str, str, DocumentType]] = []

    def check(url: str, view: str, document_type: DocumentType) -> tuple[TypeFinding]:
        calls.append((url, view, document_type))
        return (finding_of(document_type),)

    def counts_by_type(database: Database, run_id: str) -> dict[str, dict[str, int]]:
        assert (database, run_id) == (sqlite_database, "r")
        return members

    def types_written(database: Database, run_id: str) -> set[str]:
        assert (database, run_id) == (sqlite_database, "r")
        return written

    monkeypatch.setattr(runs, "counts_by_type", counts_by_type)
    monkeypatch.setattr(runs, "types_written", types_written)
    monkeypatch.setattr(type_expectations, "check_results", check)
    types = [TYPES[name] for name in checked]
    assert type_expectations.type_findings(sqlite_database, RUN, TYPES) == tuple(map(finding_of, types))
    assert calls == [(sqlite_database.url.get_secret_value(), f"results_{kind.name}", kind) for kind in types]
