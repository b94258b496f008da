"""Whose expectations about the whole are checked at the end of a run."""

import pytest

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.document_types.schema import DocumentType, Expectation
from tasks.report import whole
from tasks.runs.chunk import RunContext

RUN = RunContext(run_id="r")


def of_severity(name: str, severity: str | None) -> DocumentType:
    expectations = () if severity is None else (_expectation(severity),)
    return DocumentType(name=name, title=name, fields={}, expectations=expectations)


def _expectation(severity: str) -> Expectation:
    return Expectation.model_validate(
        {"name": "rows", "type": "expect_table_row_count_to_be_between", "kwargs": {}, "severity": severity}
    )


TYPES = {
    name: of_severity(name, severity)
    for name, severity in {"decisive": "fail", "lenient": "warn", "plain": None, "absent": "fail"}.items()
}


@pytest.mark.parametrize(
    ("written", "checked"),
    [
        (set(), ["results_decisive"]),
        ({"lenient"}, ["results_decisive", "results_lenient"]),
        ({"decisive", "gone"}, ["results_decisive"]),
    ],
)
def test_a_type_is_checked_where_the_run_wrote_to_it_or_where_it_may_fail_the_run(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, written: set[str], checked: list[str]
) -> None:
    members = {"decisive": {"skipped": 3}, "lenient": {"skipped": 1}, "plain": {"skipped": 1}, "gone": {"skipped": 1}}
    views: list[str] = []

    def check(_url: object, view: str, _type: object) -> tuple[()]:
        views.append(view)
        return ()

    monkeypatch.setattr(runs, "counts_by_type", lambda *_: members)
    monkeypatch.setattr(runs, "types_written", lambda *_: written)
    monkeypatch.setattr(whole, "check_whole", check)
    assert whole.whole_findings(sqlite_database, RUN, TYPES) == ()
    assert views == checked
