"""Known documents once more: those of a type, of a status, or all, under today's types and settings."""

from typing import Annotated, Literal

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.records import Backfill, Rerun
from tasks.discover.task import select
from tasks.pipeline import process_chunks
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.run import open_run
from tasks.task import run_name


@flow(name="backfill", flow_run_name=run_name, persist_result=False)
def backfill(
    document_type: Annotated[str | None, Field(description="only documents of this type")] = None,
    status: Annotated[
        Literal["accepted", "in_review", "rejected", "failed"] | None, Field(description="only these")
    ] = None,
    rerun: Annotated[Rerun, Field(description="which documents are computed")] = Rerun.STALE,
    limit: Annotated[int | None, Field(ge=1, description="take so many documents at most")] = None,
    chunk_size: Annotated[int | None, Field(ge=1, le=10_000, description="documents per task run")] = None,
) -> State[RunReport]:
    """Compute known documents again, from the stage on that is stale."""
    selection = Backfill(document_type=document_type, status=status, limit=limit, chunk_size=chunk_size)
    with open_run(runtime.flow_run.id, runtime.flow_run.name, selection, rerun) as run:
        select(run, selection)
        process_chunks(run)
        return closing_state(report(run))
