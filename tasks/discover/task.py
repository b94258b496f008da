"""The Prefect tasks that make a run's batch: from sources, or from documents in the database."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import progress
from blocks.database.pipeline import documents
from blocks.records import Backfill, Batch, Stage
from tasks.discover.batch import record_sources
from tasks.runs.run import Run


@task(name="discover", task_run_name="discover", cache_policy=NO_CACHE, persist_result=False)
def discover(run: Run, batch: Batch) -> State[int]:
    """List the sources, record their documents, and cut them into chunks. Returns the number of documents."""
    found = record_sources(run, batch)
    return Completed(message=f"documents: {found}", data=found)


@task(name="select", task_run_name="select", cache_policy=NO_CACHE, persist_result=False)
def select(run: Run, backfill: Backfill) -> State[int]:
    """Select known documents as the run's batch. Returns their number."""
    found = documents.record_known(
        run.database,
        run.run_id,
        document_type=backfill.document_type,
        status=backfill.status,
        limit=backfill.limit,
        rerun=run.context.rerun,
        reopen=run.context.reopen,
        reclassified=backfill.reclassified,
        pipeline_digest=run.pipeline_digest,
        chunk_size=backfill.chunk_size or run.settings.chunk_size,
    )
    progress.report(run.run_id, Stage.DISCOVER, found)
    return Completed(message=f"documents: {found}", data=found)
