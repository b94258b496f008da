"""The Prefect task that ends a run: expectations about all results of a type, the artifacts, the end of its row."""

from collections.abc import Callable

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from blocks.database.pipeline import runs
from blocks.database.pipeline.failures import list_failures
from blocks.database.story.figures import count_figures
from blocks.database.story.records import RunFigures
from blocks.errors import RunInterrupted
from tasks.report.artifacts import MAX_FAILURES_SHOWN, as_markdown, failures_command, failures_table
from tasks.report.repeated import repeated_documents
from tasks.report.report import RunFailed, RunReport, build_report
from tasks.report.signals import Signal, signals
from tasks.report.type_expectations import type_findings
from tasks.runs.run import Run


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, persist_result=False)
def report(run: Run) -> RunReport:
    """Count, check expectations, end the run's row and write the artifacts."""
    findings = type_findings(run.database, run.context, run.types)
    repeated = repeated_documents(run.database, run.context, run.types, findings)
    result = build_report(run.database, run.context, findings, repeated)
    name, message = result.closing(run.settings.allowed_failure_share)
    figures = count_figures(run.database, run.run_id, result.by_type, result.waiting)
    runs.finish_run(run.database, run.run_id, name, message, figures.model_dump(mode="json"))
    _for_people("the artifacts", lambda: _write_artifacts(run, result, figures))
    _for_people("what is not as usual", lambda: _send_signals(run, result))
    return result


def _for_people(what: str, show: Callable[[], None]) -> None:
    """Show something about a run whose end is written: what goes wrong here must not make a failure of its work."""
    try:
        show()
    except RunInterrupted:
        raise
    except httpx.HTTPError as error:  # the database has the report; only Prefect's pages lack it
        get_run_logger().warning("Prefect did not take %s of the run: %s", what, error)
    except Exception:  # noqa: BLE001 - a defect of ours, logged with its stack
        get_run_logger().exception("a defect: %s of the run could not be shown; the run itself is done", what)


def _write_artifacts(run: Run, result: RunReport, figures: RunFigures) -> None:
    page = as_markdown(result, run.context, run.settings, figures)
    create_markdown_artifact(page, key="winnow-run", description=result.closing(run.settings.allowed_failure_share)[1])
    if result.counts.failed:
        _show_failures(run, result)


def closing_state(run: Run, result: RunReport) -> State[RunReport]:
    """The flow's final state, from the run's counts. A failed state carries the report in a `RunFailed`."""
    name, message = result.closing(run.settings.allowed_failure_share)
    if name == "Failed":
        return Failed(message=message, data=RunFailed(message, result))
    return Completed(name=name, message=message, data=result)


def _send_signals(run: Run, result: RunReport) -> None:
    for signal in signals(run.database, run.run_id, result):
        _send(run, signal)


def _send(run: Run, signal: Signal) -> None:
    """Send a signal as an event, which deployments/automations/ matches, and write it to the run's log."""
    get_run_logger().warning("%s", signal.message)
    emit_event(
        f"winnow.run.{signal.name}",
        {"prefect.resource.id": signal.resource, "winnow.run.id": run.run_id},
        payload={"subject": signal.subject, "message": signal.message},
    )


def _show_failures(run: Run, result: RunReport) -> None:
    """Name the documents that failed, the latest ones where there are many."""
    rows = failures_table(list_failures(run.database, run_id=run.run_id, limit=MAX_FAILURES_SHOWN))
    of = f" of {result.counts.failed}" if result.counts.failed > len(rows) else ""
    description = f"failures: {len(rows)}{of}; all: `{failures_command(run.run_id)}`"
    create_table_artifact(rows, key="winnow-failures", description=description)
