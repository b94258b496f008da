"""The Prefect task of the classify stage."""

from functools import lru_cache

from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.document_types.loader import load_document_types
from blocks.settings import Settings, load_settings
from tasks.classify.stage import ClassifyStage
from tasks.runs.chunk import Chunk, RunContext, StageCounts, run_stage
from tasks.runs.task import chunk_state, stage_task


def classify_stage(settings: Settings) -> ClassifyStage:
    """This process's classify stage, for the document types as they stand."""
    types = load_document_types(settings.document_types_dir)
    return _stage(settings, tuple(one.version for one in types.values()))


@lru_cache(maxsize=4)
def _stage(settings: Settings, versions: tuple[str, ...]) -> ClassifyStage:
    return ClassifyStage(load_document_types(settings.document_types_dir))


@stage_task
def classify(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Bring one chunk's document types up to date."""
    settings = load_settings()
    return chunk_state(run_stage(connect(settings), run, classify_stage(settings), chunk.document_ids))
