"""The Prefect task of the extract stage."""

from functools import partial

from blocks.database.pipeline import documents
from blocks.records import Stage
from tasks.extract.stage import ExtractStage
from tasks.runs.chunk import Chunk, StageCounts, raise_if_stopped
from tasks.runs.run import Run
from tasks.runs.task import stage_task, work_stage


def open_extract(run: Run) -> ExtractStage:
    """The extract stage of a run, with the parsing and OCR processes of this process."""
    return ExtractStage(
        run.settings,
        fetch_part=partial(documents.part_content, run.database),
        raise_if_stopped=partial(raise_if_stopped, run.run_id),
        fetch_parts=partial(documents.part_contents, run.database),
    )


@stage_task
def extract(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's pages up to date."""
    return work_stage(run, chunk, run.works[Stage.EXTRACT])
