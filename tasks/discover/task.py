"""The Prefect tasks that make a run's batch: from sources, or from the documents that the database knows."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks import progress
from blocks.database.address import connect
from blocks.database.pipeline import documents
from blocks.records import Backfill, Batch, Stage
from blocks.settings import load_settings
from tasks.discover.batch import record_sources
from tasks.runs.chunk import RunContext


@task(name="discover", task_run_name="{run.name} · discover", cache_policy=NO_CACHE, persist_result=False)
def discover(run: RunContext, batch: Batch) -> State[int]:
    """List the sources, record what is there, and cut it into chunks. Returns how many documents there are."""
    settings = load_settings()
    found = record_sources(connect(settings), run, batch, settings)
    return Completed(message=f"{found} documents", data=found)


@task(name="select", task_run_name="{run.name} · select", cache_policy=NO_CACHE, persist_result=False)
def select(run: RunContext, backfill: Backfill) -> State[int]:
    """Take known documents, filtered, as the run's batch. Returns how many there are."""
    settings = load_settings()
    found = documents.record_known(
        connect(settings),
        run.run_id,
        document_type=backfill.document_type,
        status=backfill.status,
        limit=backfill.limit,
        rerun=run.rerun,
        pipeline_digest=run.pipeline_digest,
        chunk_size=backfill.chunk_size or settings.chunk_size,
    )
    progress.report(run.run_id, Stage.DISCOVER, found)
    return Completed(message=f"{found} documents", data=found)
