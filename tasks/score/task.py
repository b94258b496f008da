"""The Prefect task of the score stage: it hands the database's ledger to the gateway."""

from functools import lru_cache

from prefect.client.schemas.objects import State

from blocks.database.block import connect
from blocks.database.ledger import DatabaseLedger
from blocks.document_type_files import load_document_types
from blocks.settings import Settings, load_settings
from tasks.chunk import Chunk, RunContext, StageCounts, run_stage
from tasks.score.stage import ScoreStage
from tasks.task import chunk_state, stage_task


def score_stage(settings: Settings, run_id: str) -> ScoreStage:
    """The score stage of a run of this process, whose calls go to the database's ledger under the run's id."""
    types = load_document_types(settings.document_types_dir)
    return _stage(settings, run_id, tuple(one.version for one in types.values()))


@lru_cache(maxsize=4)
def _stage(settings: Settings, run_id: str, versions: tuple[str, ...]) -> ScoreStage:
    types = load_document_types(settings.document_types_dir)
    return ScoreStage(types, DatabaseLedger(connect(settings)), run_id)


@stage_task
def score(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Bring one chunk's readings and rubric scores up to date."""
    settings = load_settings()
    return chunk_state(run_stage(connect(settings), run, score_stage(settings, run.run_id), chunk.document_ids))
