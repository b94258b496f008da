"""What a run says of itself when it is over."""

from decimal import Decimal

import pytest

from blocks.records import Rerun, RunCounts, WholeFinding
from blocks.settings import Settings
from tasks.report.report import RunReport, as_markdown
from tasks.runs.chunk import RunContext

RUN = RunContext(run_id="r", name="letters", rerun=Rerun.STALE)


def finding(name: str, severity: str, *, success: bool = False) -> WholeFinding:
    return WholeFinding.model_validate(
        {"document_type": "receipt", "name": name, "success": success, "observed": "3 | 4", "severity": severity}
    )


def report(counts: RunCounts | None = None, **values: object) -> RunReport:
    usual: dict[str, object] = {
        "counts": counts or RunCounts(documents=4, accepted=4),
        "missing": 0,
        "by_type": {},
        "failure_kinds": {},
        "findings": (),
        "model_calls": 0,
        "cost_usd": Decimal(0),
    }
    return RunReport.model_validate(usual | values)


@pytest.mark.parametrize(("number", "says"), [(0, "0 model calls, "), (1, "\n1 model call, "), (2, "2 model calls, ")])
def test_calls_of_models_are_counted_in_words(number: int, says: str) -> None:
    assert says in as_markdown(report(model_calls=number, cost_usd=Decimal("0.5")), RUN, Settings())


def test_a_run_without_failures_is_completed_with_its_counts() -> None:
    counts = RunCounts(documents=5, accepted=2, in_review=3)
    assert report(counts).closing(0.5) == ("Completed", "5 documents: 2 accepted, 3 in review")
    assert report(RunCounts()).closing(0.5) == ("Completed", "0 documents: nothing to do")


def test_failures_up_to_the_allowed_share_are_errors_and_more_fail_the_run() -> None:
    half, more = RunCounts(documents=4, accepted=2, failed=2), RunCounts(documents=4, accepted=1, failed=3)
    assert report(half).closing(0.5) == ("CompletedWithErrors", "4 documents: 2 accepted, 2 failed")
    name, message = report(more).closing(0.5)
    assert name == "Failed"
    assert message.endswith("; more than the allowed share of 50% failed")
    assert report(more).closing(0.75)[0] == "CompletedWithErrors"


def test_documents_that_ended_in_no_state_fail_the_run() -> None:
    name, message = report(missing=1).closing(1.0)
    assert name == "Failed"
    assert "1 ended in no state, so the counts do not add up" in message


def test_broken_expectations_of_severity_fail_fail_the_run_and_warnings_do_not() -> None:
    assert report(findings=(finding("unique", "warn"), finding("sum", "fail", success=True))).closing(1.0)[0] == (
        "Completed"
    )
    broken = (finding("unique", "fail"), finding("share", "warn"), finding("sum", "fail"))
    name, message = report(findings=broken).closing(1.0)
    assert name == "Failed"
    assert message.endswith("; broken expectations: unique, sum")
    assert report(RunCounts(documents=2, accepted=1, failed=1), findings=broken).closing(1.0)[0] == "Failed"


def test_the_artifact_shows_types_failures_what_waits_and_findings() -> None:
    told = report(
        RunCounts(documents=9, accepted=1, in_review=2, failed=1, skipped=5),
        by_type={"receipt": {"accepted": 1, "in_review": 2, "skipped": 5}, "letter": {"failed": 1}},
        failure_kinds={"corrupt": 1},
        waiting={"ocr_unavailable": 2},
        findings=(finding("unique", "fail"), finding("sum", "warn", success=True)),
        unconfirmed_usd=Decimal("0.25"),
        cache_hits=7,
    )
    text = as_markdown(told, RUN, Settings())
    assert text.startswith("# letters\n\n9 documents: 1 accepted, 2 in review, 1 failed, 5 skipped; broken")
    for line in (
        "| document type | accepted | in review | rejected | failed | skipped |",
        "| receipt | 1 | 2 | 0 | 0 | 5 |",
        "| corrupt | 1 |",
        "| ocr_unavailable | 2 |",
        "| receipt | unique | fail | 3 \\| 4 |",
        "| receipt | sum | kept | 3 \\| 4 |",
        "0 model calls, 0.0000 USD, and up to 0.2500 unconfirmed; 7 answers from the cache.",
        "**2 documents wait for a person**: `winnow review list`, or the view `review_queue`.",
        "Failures: `winnow failures --run r`.",
    ):
        assert line in text.splitlines(), line
    assert text.index("| letter |") < text.index("| receipt | 1 |"), "types are in order"


def test_the_artifact_leaves_out_tables_without_rows() -> None:
    assert "|" not in as_markdown(report(), RUN, Settings())
