"""The main flow: sources in; results, review items and failures out."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.backfill.plan import Terms
from blocks.records import Batch, Rerun
from tasks.discover.task import discover
from tasks.flow_run.form import AcceptError, BudgetUsd, ChunkSize, DocumentTypeName, Limit, Workers
from tasks.flow_run.task import ends_in_one_line, run_name, shown_in_prefect, this_run
from tasks.recover.task import close_dead_runs, tried_again_after_outages
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import open_run
from tasks.share.task import pool_of, shared
from tasks.stages import PIPELINE


@flow(name="process-documents", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def process_documents(
    sources: tuple[str, ...],
    document_type: DocumentTypeName | None = None,
    rerun: Rerun = Rerun.STALE,
    limit: Limit | None = None,
    rows_column: str | None = None,
    chunk_size: ChunkSize | None = None,
    models: tuple[str, ...] = (),
    budget_usd: BudgetUsd | None = None,
    use_cache: bool = True,
    accept_error: AcceptError | None = None,
    workers: Workers | None = None,
) -> State[RunReport]:
    """Read, classify, score, validate and store every document of the sources.

    Args:
        sources: Files, folders, globs or URLs, one per line. A file without a change is not computed again.
        document_type: The type of every document, where you know it. Empty: each document is classified, at no cost.
        rerun: Which documents to compute. "stale": those without an output under today's types and settings, "never":
            those without any result, "failed": stale ones and failures. "all" also asks models again about documents
            that are up to date, and pays for answers that are not stored.
        limit: Process at most this many files. A trial of 20 shows what all of them may cost.
        rows_column: The text column of csv and jsonl files. Each row is then a document.
        chunk_size: Documents per task run; empty: WINNOW_CHUNK_SIZE. It changes no result and no cost.
        models: Names of models to ask, in order, instead of each type's route; `winnow models list` has them. Each
            document may then cost a call. Empty: the type's route; the built-in reader costs nothing.
        budget_usd: The most that this run may spend on models, in USD; empty: WINNOW_BUDGET_PER_RUN_USD. Documents
            that the budget does not reach go to review. 0: no model is asked.
        use_cache: Whether stored replies of models may answer, at no cost. Off: every question is paid for again.
        accept_error: Accept rows from the confidence on above which labels prove at most this share of wrong ones, such
            as 0.05. While nothing is proven, all rows go to review. Empty: what the types promise, or their accept_at.
        workers: Further workers that join this run: a number of them, or "pool": as many as are online.
            They change no result and no budget. Empty: this run works alone.
    """
    batch = Batch(
        sources=sources, document_type=document_type, rows_column=rows_column, limit=limit, chunk_size=chunk_size
    )
    asked = this_run(
        Terms(rerun=rerun, models=models, budget_usd=budget_usd, use_cache=use_cache, accept_error=accept_error)
    )
    with (
        tried_again_after_outages(),
        pool_of(workers) as pool,
        open_run(asked, batch, PIPELINE) as run,
        shown_in_prefect(run, batch),
    ):
        close_dead_runs(run.database)
        discover(run, batch)
        with shared(run, pool):
            process_chunks(run)
        return closing_state(run, report(run))
