"""What a run says of itself when it is over."""

import dataclasses
from datetime import timedelta
from decimal import Decimal

from blocks.database.engine import Database, now
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs, stage_outputs
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.ledger import ModelCall, Settlement
from blocks.records import CACHE_HIT, Outcome, Rerun, Retry, RunCounts, Stage
from tasks.report.repeated import Repeated
from tasks.report.report import ModelUse, RunReport, build_report
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding
from tests.database_fixtures import add_documents, dead_worker, worker
from tests.doubles.scripted_stages import failing, id_of
from tests.run_reports import run_report


def finding(name: str, severity: str, *, success: bool = False) -> TypeFinding:
    return TypeFinding.model_validate(
        {"document_type": "receipt", "name": name, "success": success, "observed": "3 | 4", "severity": severity}
    )


def test_a_run_without_failures_is_completed_with_its_counts() -> None:
    counts = RunCounts(documents=5, accepted=2, in_review=3)
    assert run_report(counts).closing(0.5) == ("Completed", "5 documents: 2 accepted, 3 in review")
    assert run_report(RunCounts(documents=1, accepted=1)).closing(0.5) == ("Completed", "1 document: 1 accepted")
    assert run_report(RunCounts()).closing(0.5) == ("Completed", "0 documents: nothing to do")


def test_failures_up_to_the_allowed_share_are_errors_and_more_fail_the_run() -> None:
    half, more = RunCounts(documents=4, accepted=2, failed=2), RunCounts(documents=4, accepted=1, failed=3)
    assert run_report(half).closing(0.5) == ("CompletedWithErrors", "4 documents: 2 accepted, 2 failed")
    name, message = run_report(more).closing(0.5)
    assert name == "Failed"
    assert message.endswith("; more than the allowed 50% failed")
    assert run_report(more).closing(0.75)[0] == "CompletedWithErrors"


def test_documents_that_ended_in_no_state_fail_the_run() -> None:
    name, message = run_report(missing=1).closing(1.0)
    assert name == "Failed"
    assert "1 ended in no state, so the counts do not add up" in message


def test_broken_expectations_of_severity_fail_fail_the_run_and_warnings_do_not() -> None:
    assert run_report(findings=(finding("unique", "warn"), finding("sum", "fail", success=True))).closing(1.0)[0] == (
        "Completed"
    )
    broken = (finding("unique", "fail"), finding("share", "warn"), finding("sum", "fail"))
    name, message = run_report(findings=broken).closing(1.0)
    assert name == "Failed"
    assert message.endswith("; broken expectations: unique, sum")
    assert run_report(RunCounts(documents=2, accepted=1, failed=1), findings=broken).closing(1.0)[0] == "Failed"


def test_a_report_is_read_from_the_rows_of_its_run(sqlite_database: Database) -> None:
    add_documents(sqlite_database, *"abcd")
    add_documents(sqlite_database, "e", run_id="run-2")
    waiting = Outcome(id_of("b"), b"{}", failing(Stage.EXTRACT, Retry.NEXT_RUN, "ocr_unavailable"))
    prints = {id_of("b"): "f"}
    stage_outputs.begin_attempts(sqlite_database, Stage.EXTRACT, dead_worker(sqlite_database, "run-1"), prints)
    stage_outputs.write_outcomes(sqlite_database, Stage.EXTRACT, worker("run-1"), [waiting], prints)
    with sqlite_database.write() as connection:
        failed = [FailedDocument(id_of("a"), failing(Stage.EXTRACT, Retry.NEVER, "corrupt"))]
        record_failures(sqlite_database, connection, "run-1", failed, now())
        ended = {"a": "failed", "b": "in_review", "c": "accepted"}
        runs.set_outcomes(connection, "run-1", {id_of(name): outcome for name, outcome in ended.items()})
    call = ModelCall(
        document_id="c",
        model="gpt",
        model_version="1",
        call_key="k",
        outcome="ok",
        cost_usd=Decimal(2),
        input_tokens=100,
        output_tokens=5,
    )
    hit = dataclasses.replace(call, call_key="k2", outcome=CACHE_HIT, cost_usd=Decimal(0))
    cut = dataclasses.replace(call, call_key="k3", outcome="timeout", cost_usd=Decimal(0), unconfirmed_usd=Decimal(3))
    of_run_2 = dataclasses.replace(call, call_key="k4")
    settled = [*(Settlement("run-1", row) for row in (call, hit, cut)), Settlement("run-2", of_run_2)]
    DatabaseLedger(sqlite_database).exchange(settled, ())
    findings = (finding("unique", "warn"),)
    again = (Repeated(document_type="invoice", name="unique", documents=2, uris=("/in/a", "/in/c")),)
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
        models={"gpt": ModelUse(calls=2, input_tokens=200, output_tokens=10, cost_usd=Decimal(2))},
    )


def test_failed_again_does_not_fail_a_run_that_tries_failures_again(sqlite_database: Database) -> None:
    runs.start_run(sqlite_database, "run-1", "letters", settings={}, types={}, source="/in")
    add_documents(sqlite_database, *"abc")
    began_at = now()
    with sqlite_database.write() as connection:
        for name, first_at in (("a", began_at - timedelta(days=1)), ("b", began_at - timedelta(days=1)), ("c", now())):
            failed = FailedDocument(id_of(name), failing(Stage.EXTRACT, Retry.NEVER, "corrupt"))
            record_failures(sqlite_database, connection, "run-1", [failed], first_at)
        runs.set_outcomes(connection, "run-1", {id_of(name): "failed" for name in "abc"})
    again = build_report(sqlite_database, RunContext(run_id="run-1", rerun=Rerun.FAILED), ())
    assert again.failed_before == {"unknown": 2}
    assert again.closing(0.5) == ("CompletedWithErrors", "3 documents: 3 failed")
    assert again.closing(0.3)[0] == "Failed"
    plain = build_report(sqlite_database, RunContext(run_id="run-1"), ())
    assert plain.closing(0.5)[0] == "Failed"
