"""The Prefect task of the store stage."""

from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.runs.chunk import Chunk, RunContext, StageCounts
from tasks.runs.task import chunk_state, stage_task
from tasks.store.store import store_chunk


@stage_task
def store(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Write one chunk's results, review items and failures."""
    database = connect(load_settings())
    return chunk_state(store_chunk(database, run.run_id, chunk.document_ids, run.pipeline_digest))
