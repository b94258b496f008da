"""The Prefect task of the store stage."""

from tasks.runs.chunk import Chunk, StageCounts
from tasks.runs.run import Run
from tasks.runs.task import stage_task
from tasks.store.store import store_chunk


@stage_task
def store(run: Run, chunk: Chunk) -> StageCounts:
    """Write one chunk's results, review items and failures."""
    return store_chunk(
        run.database,
        run.context.worker,
        chunk.document_ids,
        run.pipeline_digest,
        run.types,
        reopen=run.context.reopen,
        taken_ns=chunk.taken_ns,
    )
