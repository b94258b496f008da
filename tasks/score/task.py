"""The Prefect task of the score stage, and what joins the stage to the database and the gateway."""

from functools import partial

from blocks.database.pipeline import documents
from blocks.database.pipeline.last_scorings import DatabaseLastScorings
from blocks.files.page_images import draw_pages
from blocks.records import Stage
from tasks.runs.chunk import Chunk, StageCounts
from tasks.runs.run import Run
from tasks.runs.task import stage_task, work_stage
from tasks.score.models import DatabaseModels
from tasks.score.stage import ScoreRules, ScoreStage


def open_score(run: Run) -> ScoreStage:
    """The score stage of a run. It opens the gateway of this process with the first document that needs it."""
    settings, database = run.settings, run.database
    fetch_part = partial(documents.part_content, database)
    return ScoreStage(
        run.types,
        DatabaseModels(run),
        run.run_id,
        ScoreRules(run.context.models, settings.budget_per_document_usd, settings.outage_wait_limit_s),
        load_last=DatabaseLastScorings(database).load,
        draw=lambda document, pages: draw_pages(document, pages, settings, fetch_part),
    )


@stage_task
def score(run: Run, chunk: Chunk) -> StageCounts:
    """Bring one chunk's readings and rubric scores up to date."""
    return work_stage(run, chunk, run.works[Stage.SCORE])
