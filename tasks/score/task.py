"""The Prefect task of the score stage: it joins the gateway to the database, which keeps models, money and replies."""

from decimal import Decimal
from functools import lru_cache

from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.database.pipeline import documents
from blocks.database.pipeline.last_scorings import DatabaseLastScorings
from blocks.document_types.loader import load_document_types
from blocks.files.page_images import draw_pages
from blocks.gateway.gateway import Gateway, RunTerms
from blocks.settings import Settings, load_settings
from tasks.runs.chunk import Chunk, RunContext, StageCounts, run_stage
from tasks.runs.models import open_gateway
from tasks.runs.task import chunk_state, stage_task
from tasks.score.stage import ScoreRules, ScoreStage


def score_stage(settings: Settings, run: RunContext) -> ScoreStage:
    """The score stage of a run in this process: one for all its chunks."""
    types = load_document_types(settings.document_types_dir)
    versions = tuple(one.version for one in types.values())
    gateway = open_gateway(connect(settings))
    return _stage(settings, gateway, run.run_id, run.models, run.budget_usd, run.use_cache, versions)


@lru_cache(maxsize=4)
def _stage(
    settings: Settings,
    gateway: Gateway,
    run_id: str,
    models: tuple[str, ...],
    budget_usd: Decimal | None,
    use_cache: bool,
    versions: tuple[str, ...],
) -> ScoreStage:
    database = connect(settings)

    def fetch_part(document_id: str) -> bytes:
        return documents.part_content(database, document_id)

    return ScoreStage(
        load_document_types(settings.document_types_dir),
        gateway.for_run(_terms(settings, budget_usd, use_cache)),
        run_id,
        ScoreRules(models, settings.budget_per_document_usd, settings.model_outage_patience_s),
        last=DatabaseLastScorings(database),
        draw=lambda document, pages: draw_pages(document, pages, settings, fetch_part),
    )


def _terms(settings: Settings, budget_usd: Decimal | None, use_cache: bool) -> RunTerms:
    """On what terms a run asks the models of this process."""
    return RunTerms(
        run_usd=settings.budget_per_run_usd if budget_usd is None else budget_usd,
        day_usd=settings.budget_per_day_usd,
        reads_cache=use_cache,
        keeps_texts=settings.keep_prompts,
    )


@stage_task
def score(run: RunContext, chunk: Chunk) -> State[StageCounts]:
    """Bring one chunk's readings and rubric scores up to date."""
    settings = load_settings()
    return chunk_state(run_stage(connect(settings), run, score_stage(settings, run), chunk.document_ids))
