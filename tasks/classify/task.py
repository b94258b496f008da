"""The Prefect task of the classify stage."""

from blocks.records import Stage
from tasks.runs.chunk import Chunk, StageCounts
from tasks.runs.run import Run
from tasks.runs.task import stage_task, work_stage


@stage_task
def classify(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's document types up to date."""
    return work_stage(run, chunk, run.works[Stage.CLASSIFY])
