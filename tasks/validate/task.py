"""The Prefect task of the validate stage."""

from blocks.records import Stage
from tasks.runs.chunk import Chunk, StageCounts
from tasks.runs.run import Run
from tasks.runs.task import stage_task, work_stage


@stage_task
def validate(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's verdicts up to date."""
    return work_stage(run, chunk, run.works[Stage.VALIDATE])
