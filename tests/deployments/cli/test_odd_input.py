"""Input that nobody means, on an empty database: a line that says what is wrong, never a stack and never a lie."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from blocks.backfill.selection import Selection
from blocks.database.engine import Database, now
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.review.tables import review_days
from blocks.errors import UsageError
from deployments.cli.report import report
from tests.winnow_command import winnow

WEEK = "2026-11-01..2026-11-08"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"since": f"{now() + timedelta(days=2):%Y-%m-%d}"}, "is in the future"),
        ({"since": "7 days"}, "is no time; give 7d"),
        ({"compare": ("2026-11-08..2026-11-01", WEEK)}, "it ends before it begins"),
        ({"compare": (WEEK, "2026-11-01..9999-12-31")}, "or years from now"),
        ({"compare": (WEEK, "7d")}, "'7d' is no period"),
    ],
)
def test_a_period_that_cannot_be_is_refused(sqlite_database: Database, options: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        report(**options, database=sqlite_database.url)  # type: ignore[arg-type]  # one option or the other


def test_periods_without_a_run_are_compared_in_a_sentence(
    sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    report(compare=(WEEK, "2026-11-09..2026-11-10"), database=sqlite_database.url)
    assert capsys.readouterr().out == "no run read documents in either period\n"


def test_a_report_over_two_centuries_counts_and_keeps_no_day_before_the_first_event(
    sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    report(since="9999w", database=sqlite_database.url)
    assert capsys.readouterr().out.startswith("0 runs from 18")
    with sqlite_database.read() as connection:
        assert connection.execute(select(func.count()).select_from(review_days)).scalar_one() == 0


def test_letters_that_begin_two_versions_are_refused(sqlite_database: Database) -> None:
    """Types are named by the first letters of their versions, and two may share them."""
    start_run(sqlite_database, "run-1", "run-1", settings={}, types={}, source="/in")
    versions = {"invoice": "abcd1111", "receipt": "abcd2222"}
    types = [{"document_type": name, "version": version, "by_status": {}} for name, version in versions.items()]
    finish_run(sqlite_database, "run-1", "Completed", "", {"documents": 0, "types": types})
    with pytest.raises(UsageError, match="'abcd' begins more than one version: invoice abcd1111, receipt abcd2222"):
        report(compare=("abcd", "abcd1111"), database=sqlite_database.url)
    report(compare=("abcd1111", "abcd2222"), database=sqlite_database.url)


def test_times_between_which_nothing_can_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="no time is from 2030-01-01 00:00 on and before 2020-01-01 00:00"):
        Selection.model_validate({"seen_from": "2030-01-01T00:00:00", "seen_before": "2020-01-01T00:00:00"})


@pytest.mark.parametrize(
    "arguments",
    [
        "retain --outputs-days inf",
        "retain --calls-days 1e30",
        "models calls --limit 99999999999999999999",
        "runs --limit 99999999999999999999",
        "review stats --days 99999999999",
    ],
)
def test_a_number_without_measure_is_refused(arguments: str, sqlite_database: Database, tmp_path: Path) -> None:
    done = winnow(*arguments.split(), cwd=tmp_path, WINNOW_DATABASE_URL=sqlite_database.url.get_secret_value())
    assert done.returncode == 2
    assert "should be less than or equal to" in done.stderr
