"""The Prefect task of the validate stage."""

from blocks.records import Stage
from tasks.runs.chunk import Chunk, StageCounts, run_stage
from tasks.runs.run import Run
from tasks.runs.task import stage_task
from tasks.validate.stage import ValidateStage


def open_validate(run: Run) -> ValidateStage:
    """The validate stage of a run."""
    return ValidateStage(run.types)


@stage_task
def validate(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's verdicts up to date."""
    return run_stage(run.database, run.context, run.works[Stage.VALIDATE], chunk.document_ids)
