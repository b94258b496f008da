"""The Prefect task that ends a run: expectations about all results of a type, the artifact, the end of its row."""

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.database.pipeline import runs
from tasks.report.repeated import repeated_documents
from tasks.report.report import RunReport, as_markdown, build_report
from tasks.report.type_expectations import type_findings
from tasks.runs.run import Run


@task(name="report", task_run_name="{run.name} · report", cache_policy=NO_CACHE, persist_result=False)
def report(run: Run) -> RunReport:
    """Count, check expectations, end the run's row and write the artifact."""
    findings = type_findings(run.database, run.context, run.types)
    repeated = repeated_documents(run.database, run.context, run.types, findings)
    result = build_report(run.database, run.context, findings, repeated)
    name, message = result.closing(run.settings.allowed_failure_share)
    runs.finish_run(run.database, run.run_id, name, message)
    try:
        create_markdown_artifact(as_markdown(result, run.context, run.settings), key="winnow-run", description=message)
    except httpx.TransportError as error:  # the database has the report; only Prefect's page lacks it
        get_run_logger().warning("the artifact could not be written: %s", error)
    return result


def closing_state(run: Run, result: RunReport) -> State[RunReport]:
    """The flow's final state, from the run's counts."""
    name, message = result.closing(run.settings.allowed_failure_share)
    if name == "Failed":
        return Failed(message=message, data=result)
    return Completed(name=name, message=message, data=result)
