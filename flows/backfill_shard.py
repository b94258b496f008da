"""Computes one shard of a planned backfill."""

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.backfill.shards import in_its_place, working_shard
from tasks.backfill.task import load_backfill, select_shard
from tasks.flow_run.task import ends_in_one_line, run_name, shown_in_prefect, this_run
from tasks.recover.task import close_dead_runs, tried_again_after_outages
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import open_run
from tasks.stages import PIPELINE


@flow(name="backfill-shard", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def backfill_shard(backfill_id: str, shard: int) -> State[RunReport]:
    """Compute the documents of a shard, exactly as the backfill's plan says. `winnow backfill run` starts it.

    Args:
        backfill_id: The backfill, by its id. Its plan says what is computed, and what it may cost.
        shard: The number of the shard, from 1.
    """
    backfill = load_backfill(backfill_id)
    plan, terms = backfill.plan, backfill.plan.terms
    asked = this_run(terms)
    with (
        tried_again_after_outages(),
        in_its_place(backfill),
        open_run(asked, plan.selection, PIPELINE) as run,
        working_shard(run, backfill, shard),
        shown_in_prefect(run, plan.selection),
    ):
        close_dead_runs(run.database)
        select_shard(run, backfill, shard)
        process_chunks(run)
        return closing_state(run, report(run))
