"""Processes known documents again under today's types and settings."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.backfill.plan import Terms
from blocks.backfill.selection import Selection
from blocks.records import Rerun
from tasks.discover.task import select
from tasks.flow_run.form import AcceptError, BudgetUsd, ChunkSize, Documents, Workers
from tasks.flow_run.task import ends_in_one_line, run_name, shown_in_prefect, this_run
from tasks.recover.task import close_dead_runs, tried_again_after_outages
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import open_run
from tasks.share.task import pool_of, shared
from tasks.stages import PIPELINE

ALL = Selection()


@flow(name="backfill", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def backfill(
    selection: Documents = ALL,
    rerun: Rerun = Rerun.STALE,
    chunk_size: ChunkSize | None = None,
    models: tuple[str, ...] = (),
    budget_usd: BudgetUsd | None = None,
    use_cache: bool = True,
    accept_error: AcceptError | None = None,
    reopen: bool = False,
    relearn: bool = False,
    workers: Workers | None = None,
) -> State[RunReport]:
    """Compute known documents again, from the first stage on that is stale.

    Args:
        selection: Which documents.
        rerun: Which documents to compute. "stale": those without an output under today's types and settings. "all" also
            asks models again about documents that are up to date, and pays for answers that are not stored.
        chunk_size: Documents per task run.
        models: Names of models to ask, in order, instead of each type's route. The fallback, the built-in reader, costs
            nothing.
        budget_usd: What the run may spend on models, in USD; by default WINNOW_BUDGET_PER_RUN_USD.
        use_cache: Whether stored replies of models may answer, at no cost.
        accept_error: Accept rows from the confidence on above which labels prove at most this share of wrong ones, such
            as 0.05. While nothing is proven, all rows go to review. Empty: what the types promise, or their accept_at.
        reopen: Replace the decisions of people by today's results, and put the documents into the review queue again.
        relearn: Read documents again by what was learnt from people's decisions since they were read.
        workers: Further workers that join this run: a number of them, or "pool": as many as are online.
            They change no result and no budget. Empty: this run works alone.
    """
    asked = this_run(
        Terms(
            rerun=rerun,
            models=models,
            budget_usd=budget_usd,
            use_cache=use_cache,
            reopen=reopen,
            relearn=relearn,
            accept_error=accept_error,
        )
    )
    with (
        tried_again_after_outages(),
        pool_of(workers) as pool,
        open_run(asked, selection, PIPELINE) as run,
        shown_in_prefect(run, selection),
    ):
        close_dead_runs(run.database)
        select(run, selection, chunk_size)
        with shared(run, pool):
            process_chunks(run)
        return closing_state(run, report(run))
