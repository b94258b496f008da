"""The Prefect task that ends a run: expectations about the whole, the artifact, the run's last row."""

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.database.address import connect
from blocks.database.pipeline import runs
from blocks.document_types.loader import load_document_types
from blocks.settings import load_settings
from tasks.report.report import RunReport, as_markdown, build_report
from tasks.report.whole import whole_findings
from tasks.runs.chunk import RunContext


@task(name="report", task_run_name="{run.name} · report", cache_policy=NO_CACHE, persist_result=False)
def report(run: RunContext) -> RunReport:
    """Count, check the whole, write the artifact and the run's last row."""
    settings = load_settings()
    database = connect(settings)
    findings = whole_findings(database, run, load_document_types(settings.document_types_dir))
    result = build_report(database, run, findings)
    name, message = result.closing(settings.allowed_failure_share)
    runs.finish_run(database, run.run_id, name, message)
    try:
        create_markdown_artifact(as_markdown(result, run, settings), key="winnow-run", description=message)
    except httpx.TransportError as error:  # the run's truth is in the database; a server that is gone cannot show it
        get_run_logger().warning("the artifact could not be written: %s", error)
    return result


def closing_state(result: RunReport) -> State[RunReport]:
    """The flow's final state, which says the truth."""
    name, message = result.closing(load_settings().allowed_failure_share)
    if name == "Failed":
        return Failed(message=message, data=result)
    return Completed(name=name, message=message, data=result)
