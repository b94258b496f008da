"""The Prefect task of the score stage: it hands the database's ledger to the gateway."""

from prefect.client.schemas.objects import State

from blocks.database.block import connect
from blocks.database.ledger import DatabaseLedger
from blocks.document_type_files import load_document_types
from blocks.settings import load_settings
from tasks.chunk import Chunk, RunContext, StageCounts, run_stage
from tasks.score.stage import ScoreStage
from tasks.task import chunk_state, stage_task


@stage_task
def score(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Bring one chunk's readings and rubric scores up to date."""
    settings = load_settings()
    database = connect(settings)
    stage = ScoreStage(load_document_types(settings.document_types_dir), DatabaseLedger(database), run.run_id)
    return chunk_state(run_stage(database, run, stage, chunk.document_ids))
