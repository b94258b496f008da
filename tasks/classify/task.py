"""The Prefect task of the classify stage."""

from blocks.records import Stage
from tasks.classify.stage import ClassifyStage
from tasks.runs.chunk import Chunk, StageCounts, run_stage
from tasks.runs.run import Run
from tasks.runs.task import stage_task


def open_classify(run: Run) -> ClassifyStage:
    """The classify stage of a run."""
    return ClassifyStage(run.types)


@stage_task
def classify(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's document types up to date."""
    return run_stage(run.database, run.context, run.works[Stage.CLASSIFY], chunk.document_ids)
