"""What a run's end tells of, against rows of earlier runs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import JSON, insert, update

from blocks.database.engine import Database
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.results import earlier_runs
from blocks.database.results.earlier_runs import Share
from blocks.database.results.results import NewResult, write_results
from blocks.database.story.records import RunFigures, TypeFigures
from blocks.database.tables import failures, model_calls, run_documents, runs
from blocks.records import RunCounts, Status, Validation
from tasks.report.report import ModelUse, RunReport
from tasks.report.signals import jumped, signals
from tests.database_fixtures import add_documents

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_a_share_jumps_where_chance_does_not_explain_it() -> None:
    usual = {"invoice": Share(10, 1000), "receipt": Share(300, 1000)}
    assert dict(jumped({"invoice": {"failed": 3, "accepted": 97}}, usual, "failed")) == {}
    assert dict(jumped({"invoice": {"failed": 12, "accepted": 88}}, usual, "failed")) == {"invoice": Share(12, 100)}
    assert dict(jumped({"receipt": {"failed": 38, "accepted": 62}}, usual, "failed")) == {}
    assert dict(jumped({"receipt": {"failed": 60, "accepted": 40}}, usual, "failed")) == {"receipt": Share(60, 100)}


def test_skipped_documents_hide_no_jump_and_a_new_type_has_no_usual_share() -> None:
    counts = {"failed": 10, "accepted": 10, "skipped": 10_000}
    assert dict(jumped({"invoice": counts}, {"invoice": Share(0, 500)}, "failed")) == {"invoice": Share(10, 20)}
    assert dict(jumped({"invoice": counts}, {}, "failed")) == {}
    assert dict(jumped({"invoice": {"failed": 2, "accepted": 0}}, {"invoice": Share(0, 500)}, "failed")) == {}


def test_files_that_cannot_be_read_have_no_type_and_are_a_share_of_all_documents() -> None:
    usual = {"invoice": Share(0, 500), "unknown": Share(5, 505)}
    unread = {"unknown": Share(5, 25)}
    assert dict(jumped({"unknown": {"failed": 5}, "invoice": {"accepted": 20}}, usual, "failed")) == unread
    assert dict(jumped({"unknown": {"failed": 5}, "invoice": {"accepted": 600}}, usual, "failed")) == {}


def test_earlier_runs_say_what_is_usual_and_a_jump_names_the_kind(database: Database) -> None:
    for number, failed in ((1, 1), (2, 0), (3, 8)):
        _run(database, f"run-{number}", number, {"accepted": 20 - failed, "failed": failed + 2, "skipped": 9}, again=2)
        names = [f"{number}-{each}" for each in range(20)]
        ids = add_documents(database, *names, run_id=f"run-{number}")
        with database.write() as connection:
            connection.execute(
                update(run_documents).where(run_documents.c.run_id == f"run-{number}").values(outcome="accepted")
            )
            connection.execute(
                update(run_documents).where(run_documents.c.document_id.in_(ids[:failed])).values(outcome="failed")
            )
            for document_id in ids[:failed]:
                connection.execute(insert(failures), _failure(document_id, f"run-{number}", day=number))
    assert earlier_runs.earlier_runs(database, "run-3") == ("run-2", "run-1")
    assert earlier_runs.shares(database, ("run-1", "run-2"), "failed") == {"unknown": Share(1, 40)}
    [signal] = signals(database, "run-3", _report({"unknown": {"accepted": 12, "failed": 8}}))
    assert (signal.name, signal.resource) == ("failure-share", "winnow.type.unknown")
    assert signal.message == "unknown type: 40% of 20 documents failed, usually 2%, most with encrypted"


def test_documents_that_failed_before_and_fail_again_are_no_jump(database: Database) -> None:
    for number in range(1, 4):
        _run(database, f"run-{number}", number, {"accepted": 20})
        add_documents(database, *(f"{number}-{each}" for each in range(5)), run_id=f"run-{number}")
        known = add_documents(database, *"abcdefgh", run_id=f"run-{number}")
        with database.write() as connection:
            failed = run_documents.c.document_id.in_(known)
            connection.execute(update(run_documents).where(failed).values(outcome="failed"))
            if number == 1:
                connection.execute(insert(failures), [_failure(id_, "run-1", day=1) for id_ in known])
    assert earlier_runs.commonest_failure(database, "run-3", "unknown") is None
    report = _report({"unknown": {"accepted": 5, "failed": 8}})
    assert [signal.name for signal in signals(database, "run-3", report)] == ["failure-share"]
    known_failures = {"failed_before": {"unknown": 8}}
    assert list(signals(database, "run-3", report.model_copy(update=known_failures))) == []


def test_a_run_that_failed_before_it_had_figures_is_none_of_the_usual_ones(database: Database) -> None:
    _run(database, "run-1", 1, {"failed": 1, "accepted": 9})
    start_run(database, "run-2", "run-2", settings={}, types={}, source="/missing")
    finish_run(database, "run-2", "Failed", "/missing does not exist")
    _run(database, "run-3", 3)
    with database.write() as connection:  # as older versions wrote it
        connection.execute(update(runs).where(runs.c.run_id == "run-3").values(figures=JSON.NULL))
    assert earlier_runs.shares(database, ["run-1", "run-2", "run-3"], "failed") == {"unknown": Share(1, 10)}
    began = datetime.now(UTC) + timedelta(days=1)
    with database.write() as connection:
        row = {"run_id": "run-4", "name": "", "source": "", "settings": {}, "document_types": {}, "started_at": began}
        connection.execute(insert(runs), row)
    assert list(signals(database, "run-4", _report({"unknown": {"accepted": 10}}))) == []


def test_a_type_whose_documents_suddenly_go_to_review_is_named_with_the_reason(database: Database) -> None:
    for number, waiting in ((1, 2), (2, 18)):
        run_id = f"run-{number}"
        _run(database, run_id, number, {"in_review": waiting, "accepted": 20 - waiting})
        ids = add_documents(database, *(f"{number}-{each}" for each in range(20)), run_id=run_id)
        verdicts = [
            Validation(document_type="unknown", status=status, confidence=0.9, reasons=reasons)
            for status, reasons in [(Status.IN_REVIEW, ("missing:vat_id",))] * waiting
            + [(Status.ACCEPTED, ())] * (20 - waiting)
        ]
        with database.write() as connection:
            rows = [NewResult(id_, "f", verdict, False) for id_, verdict in zip(ids, verdicts, strict=True)]
            write_results(database, connection, run_id, rows, NOW)
            for id_, verdict in zip(ids, verdicts, strict=True):
                member = (run_documents.c.run_id == run_id) & (run_documents.c.document_id == id_)
                connection.execute(update(run_documents).where(member).values(outcome=verdict.status))
    report = _report({"unknown": {"accepted": 2, "in_review": 18}})
    [signal] = signals(database, "run-2", report)
    assert signal.name == "review-share"
    assert signal.message == "unknown type: 90% of 20 documents went to review, usually 10%, most with missing:vat_id"
    assert list(signals(database, "run-2", report.model_copy(update={"waiting": {"model_unavailable": 18}}))) == []


def test_a_circuit_that_is_open_at_the_end_is_told_of(sqlite_database: Database) -> None:
    _run(sqlite_database, "run-1", 1)
    DatabaseCircuitStates(sqlite_database, lambda *report: report).open("gpt-x", "HTTP 503", 30)
    [signal] = signals(sqlite_database, "run-1", _report({"receipt": {"accepted": 1}}))
    assert signal.message == "the circuit of gpt-x is open at the end of the run: HTTP 503"


def test_spend_and_latency_are_compared_with_those_of_earlier_runs(sqlite_database: Database) -> None:
    for number in range(1, 8):
        _run(sqlite_database, f"run-{number}", number)
        is_last = number == 7
        calls = [
            _call(f"run-{number}", each, Decimal("0.09" if is_last else "0.02"), 9_000 if is_last else 1_000)
            for each in range(25)
        ]
        with sqlite_database.write() as connection:
            connection.execute(insert(model_calls), calls)
    use = ModelUse(calls=25, input_tokens=250, output_tokens=250, cost_usd=Decimal(1))
    report = _report({"receipt": {"accepted": 25}}).model_copy(update={"model_calls": 25, "models": {"gpt-x": use}})
    found = {signal.name: signal.message for signal in signals(sqlite_database, "run-7", report)}
    assert found == {
        "spend": "models cost 0.0900 USD per document that they were asked about, usually 0.0200",
        "latency": "95 % of the answers of gpt-x took up to 9.0 s, usually 1.0 s",
    }
    assert list(signals(sqlite_database, "run-6", report)) == []


def _run(database: Database, run_id: str, day: int, by_status: dict[str, int] | None = None, again: int = 0) -> None:
    """A run that ended, with figures of documents without a type; `again` of them had failed before."""
    of_type = TypeFigures(document_type="unknown", by_status=by_status or {}, failed_before=again)
    figures = RunFigures(types=(of_type,)).model_dump(mode="json")
    began = NOW + timedelta(days=day)
    row = {"run_id": run_id, "name": run_id, "source": "", "settings": {}, "document_types": {}, "started_at": began}
    with database.write() as connection:
        connection.execute(insert(runs), row | {"finished_at": began, "state": "Completed", "figures": figures})


def _failure(document_id: str, run_id: str, day: int) -> dict[str, object]:
    at = NOW + timedelta(days=day)
    row = {"document_id": document_id, "stage": "extract", "kind": "encrypted", "message": "", "attempts": 1}
    return row | {"retry": "never", "run_id": run_id, "first_at": at, "last_at": at}


def _call(run_id: str, document: int, cost_usd: Decimal, latency_ms: int) -> dict[str, object]:
    texts = {"model": "gpt-x", "model_version": "1", "request_digest": "d", "outcome": "ok"}
    numbers = dict.fromkeys(("step", "attempt", "input_characters", "output_characters"), 1)
    tokens = {"input_tokens": 10, "output_tokens": 10, "cost_usd": cost_usd, "latency_ms": latency_ms}
    key = {"run_id": run_id, "document_id": str(document), "called_at": NOW, "call_key": f"{run_id}-{document}"}
    return texts | numbers | tokens | key


def _report(by_type: dict[str, dict[str, int]]) -> RunReport:
    counts: dict[str, int] = {}
    for of_type in by_type.values():
        for outcome, number in of_type.items():
            counts[outcome] = counts.get(outcome, 0) + number
    return RunReport(
        counts=RunCounts.model_validate(counts | {"documents": sum(counts.values())}),
        missing=0,
        by_type=by_type,
        failure_kinds={},
        findings=(),
        model_calls=0,
        cost_usd=Decimal(0),
    )
