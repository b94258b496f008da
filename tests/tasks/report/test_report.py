"""What a run says of itself when it is over."""

import dataclasses
from decimal import Decimal

import pytest

from blocks.database.engine import Database, now
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs, stage_outputs
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.ledger import ModelCall, Settlement
from blocks.records import CACHE_HIT, Outcome, Rerun, Retry, RunCounts, Stage, TypeFinding
from blocks.settings import Settings
from tasks.report.repeated import Repeated
from tasks.report.report import RunReport, as_markdown, build_report
from tasks.runs.chunk import RunContext
from tests.database_fixtures import add_documents, worker
from tests.doubles.scripted_stages import failing, id_of

RUN = RunContext(run_id="r", name="letters", rerun=Rerun.STALE)


def finding(name: str, severity: str, *, success: bool = False) -> TypeFinding:
    return TypeFinding.model_validate(
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
    assert report(RunCounts(documents=1, accepted=1)).closing(0.5) == ("Completed", "1 document: 1 accepted")
    assert report(RunCounts()).closing(0.5) == ("Completed", "0 documents: nothing to do")


def test_failures_up_to_the_allowed_share_are_errors_and_more_fail_the_run() -> None:
    half, more = RunCounts(documents=4, accepted=2, failed=2), RunCounts(documents=4, accepted=1, failed=3)
    assert report(half).closing(0.5) == ("CompletedWithErrors", "4 documents: 2 accepted, 2 failed")
    name, message = report(more).closing(0.5)
    assert name == "Failed"
    assert message.endswith("; more than the allowed 50% failed")
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


ARTIFACT = r"""# letters

9 documents: 1 accepted, 2 in review, 1 failed, 5 skipped; broken expectations: unique

| document type | accepted | in review | rejected | failed | skipped |
| --- | --- | --- | --- | --- | --- |
| letter | 0 | 0 | 0 | 1 | 0 |
| receipt | 1 | 2 | 0 | 0 | 5 |

| failure | documents |
| --- | --- |
| corrupt | 1 |

| waits for the next run | documents |
| --- | --- |
| ocr_unavailable | 2 |

| type | expectation | finding | observed |
| --- | --- | --- | --- |
| receipt | unique | fail | 3 \| 4 |
| receipt | sum | kept | 3 \| 4 |

0 model calls, 0.0000 USD, and up to 0.2500 unconfirmed; 7 answers from the cache.

**2 documents wait for a person**: `winnow review list`, or the view `review_queue`.

Failures: `winnow failures --run r`."""


def test_the_artifact_shows_types_failures_what_waits_and_findings() -> None:
    full = report(
        RunCounts(documents=9, accepted=1, in_review=2, failed=1, skipped=5),
        by_type={"receipt": {"accepted": 1, "in_review": 2, "skipped": 5}, "letter": {"failed": 1}},
        failure_kinds={"corrupt": 1},
        waiting={"ocr_unavailable": 2},
        findings=(finding("unique", "fail"), finding("sum", "warn", success=True)),
        unconfirmed_usd=Decimal("0.25"),
        cache_hits=7,
    )
    assert as_markdown(full, RUN, Settings()) == ARTIFACT


def test_a_line_break_in_an_observed_value_does_not_end_its_row() -> None:
    broken = finding("unique", "fail").model_copy(update={"observed": "3\n4"})
    assert "| receipt | unique | fail | 3 4 |" in as_markdown(report(findings=(broken,)), RUN, Settings()).splitlines()


def test_the_artifact_says_more_than_the_allowed_share_only_beyond_the_setting() -> None:
    half = report(RunCounts(documents=2, accepted=1, failed=1))
    strict, lenient = Settings(allowed_failure_share=0.2), Settings(allowed_failure_share=0.5)
    assert "; more than the allowed 20% failed" in as_markdown(half, RUN, strict)
    assert "more than the allowed" not in as_markdown(half, RUN, lenient)


def test_the_artifact_names_what_was_sent_again_and_counts_duplicates() -> None:
    again = Repeated(document_type="invoice", name="invoice_is_unique", uris=("/in/a.pdf", "/in/b.pdf"))
    lines = as_markdown(report(repeated=(again,), duplicate_files=3), RUN, Settings()).splitlines()
    assert "| invoice | invoice_is_unique | /in/a.pdf, /in/b.pdf |" in lines
    assert "3 more files have the bytes of another one, and are one document with it." in lines


def test_the_artifact_leaves_out_tables_without_rows() -> None:
    assert "|" not in as_markdown(report(), RUN, Settings())


def test_a_report_is_read_from_the_rows_of_its_run(sqlite_database: Database) -> None:
    add_documents(sqlite_database, *"abcd")
    add_documents(sqlite_database, "e", run_id="run-2")
    waiting = Outcome(id_of("b"), b"{}", failing(Stage.EXTRACT, Retry.NEXT_RUN, "ocr_unavailable"))
    prints = {id_of("b"): "f"}
    stage_outputs.begin_attempts(sqlite_database, Stage.EXTRACT, worker("run-1"), prints)
    stage_outputs.write_outcomes(sqlite_database, Stage.EXTRACT, worker("run-1"), [waiting], prints)
    with sqlite_database.write() as connection:
        failed = [FailedDocument(id_of("a"), failing(Stage.EXTRACT, Retry.NEVER, "corrupt"))]
        record_failures(sqlite_database, connection, "run-1", failed, now())
        ended = {"a": "failed", "b": "in_review", "c": "accepted"}
        runs.set_outcomes(connection, "run-1", {id_of(name): outcome for name, outcome in ended.items()})
    call = ModelCall(document_id="c", model="gpt", model_version="1", call_key="k", outcome="ok", cost_usd=Decimal(2))
    hit = dataclasses.replace(call, call_key="k2", outcome=CACHE_HIT, cost_usd=Decimal(0))
    cut = dataclasses.replace(call, call_key="k3", outcome="timeout", cost_usd=Decimal(0), unconfirmed_usd=Decimal(3))
    of_run_2 = dataclasses.replace(call, call_key="k4")
    settled = [*(Settlement("run-1", row) for row in (call, hit, cut)), Settlement("run-2", of_run_2)]
    DatabaseLedger(sqlite_database).exchange(settled, ())
    findings = (finding("unique", "warn"),)
    again = (Repeated(document_type="invoice", name="unique", uris=("/in/a", "/in/c")),)
    assert build_report(sqlite_database, RunContext(run_id="run-1"), findings, again) == RunReport(
        counts=RunCounts(documents=3, accepted=1, in_review=1, failed=1),
        missing=1,
        by_type={"unknown": {"accepted": 1, "failed": 1, "in_review": 1}},
        failure_kinds={"corrupt": 1},
        findings=findings,
        model_calls=2,
        cost_usd=Decimal(2),
        unconfirmed_usd=Decimal(3),
        cache_hits=1,
        waiting={"ocr_unavailable": 1},
        repeated=again,
    )
