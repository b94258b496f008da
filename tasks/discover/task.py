"""The Prefect tasks that make a run's batch: from sources, or from documents in the database."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import progress
from blocks.backfill.selection import Selection
from blocks.database.pipeline.selected import record_selected
from blocks.records import Batch, Stage
from tasks.discover.batch import record_sources
from tasks.runs.run import Run


@task(name="discover", task_run_name="discover", cache_policy=NO_CACHE, persist_result=False)
def discover(run: Run, batch: Batch) -> State[int]:
    """List the sources, record their documents, and cut them into chunks. Returns the number of documents."""
    found = record_sources(run, batch)
    return Completed(message=f"documents: {found}", data=found)


@task(name="select", task_run_name="select", cache_policy=NO_CACHE, persist_result=False)
def select(run: Run, selection: Selection, chunk_size: int | None = None) -> State[int]:
    """Make the known documents of a selection the run's batch. Returns their number."""
    found = record_selected(
        run.database,
        run.run_id,
        selection,
        rerun=run.context.rerun,
        reopen=run.context.reopen,
        pipeline_digest=run.pipeline_digest,
        chunk_size=chunk_size or run.settings.chunk_size,
    )
    progress.report(run.run_id, Stage.DISCOVER, found)
    return Completed(message=f"documents: {found}", data=found)
