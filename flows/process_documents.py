"""The main flow: sources in; results, review items and failures out."""

from decimal import Decimal
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.records import Batch, Rerun
from tasks.discover.task import discover
from tasks.flow_run.task import ends_in_one_line, run_name, shown_in_prefect, this_run
from tasks.recover.task import close_dead_runs, tried_again_after_outages
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import open_run
from tasks.stages import PIPELINE


@flow(name="process-documents", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def process_documents(
    sources: tuple[str, ...],
    document_type: str | None = None,
    rerun: Rerun = Rerun.STALE,
    limit: Annotated[int, Field(ge=1)] | None = None,
    rows_column: str | None = None,
    chunk_size: Annotated[int, Field(ge=1, le=10_000)] | None = None,
    models: tuple[str, ...] = (),
    budget_usd: Annotated[Decimal, Field(ge=0)] | None = None,
    use_cache: bool = True,
) -> State[RunReport]:
    """Read, classify, score, validate and store every document of the sources.

    Args:
        sources: Files, folders, globs or URLs.
        document_type: The type of every document, where you know it; otherwise each is classified.
        rerun: Which documents to compute. "stale": those without an output under today's types and settings.
        limit: Process at most this many files.
        rows_column: The text column of csv and jsonl files; each row is then a document.
        chunk_size: Documents per task run.
        models: Names of models to ask, in order, instead of each type's route; the built-in reader is the fallback.
        budget_usd: What the run may spend on models, in USD; by default WINNOW_BUDGET_PER_RUN_USD.
        use_cache: Whether stored replies of models may answer.
    """
    batch = Batch(
        sources=sources, document_type=document_type, rows_column=rows_column, limit=limit, chunk_size=chunk_size
    )
    asked = this_run(rerun, models, budget_usd, use_cache)
    with (
        tried_again_after_outages(),
        open_run(asked, batch, PIPELINE) as run,
        shown_in_prefect(run, batch),
    ):
        close_dead_runs(run.database)
        discover(run, batch)
        process_chunks(run)
        return closing_state(run, report(run))
