"""The Prefect task of the extract stage."""

from functools import cache

from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.database.pipeline import documents
from blocks.settings import Settings, load_settings
from tasks.extract.stage import ExtractStage
from tasks.runs.chunk import Chunk, RunContext, StageCounts, run_stage
from tasks.runs.task import chunk_state, stage_task


@cache
def extract_stage(settings: Settings) -> ExtractStage:
    """This process's extract stage, with its parsing and OCR processes."""
    database = connect(settings)
    return ExtractStage(settings, fetch_part=lambda part: documents.part_content(database, part.document_id))


@stage_task
def extract(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Bring one chunk's pages up to date."""
    settings = load_settings()
    return chunk_state(run_stage(connect(settings), run, extract_stage(settings), chunk.document_ids))
