"""Takes the files that have arrived in an inbox, each once, and moves them on where the inbox says so."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.backfill.plan import Terms
from tasks.arrive.task import batch_of, fails_once, load_inbox, put_away, take
from tasks.flow_run.task import ends_in_one_line, run_name, shown_in_prefect, this_run
from tasks.recover.task import close_dead_runs, tried_again_after_outages
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import open_run
from tasks.stages import PIPELINE


@flow(name="take-inbox", flow_run_name=run_name, persist_result=False)
@fails_once
@ends_in_one_line
def take_inbox(inbox: str) -> State[RunReport]:
    """Read, classify, score, validate and store the documents that have arrived in an inbox.

    Args:
        inbox: The name of the inbox's block, which says where it is, what arrives there and what a run may spend on
            models, in USD. poll-inboxes starts these runs by itself.
    """
    block = load_inbox(inbox)
    batch = batch_of(block)
    asked = this_run(Terms(budget_usd=block.budget_usd))
    with (
        tried_again_after_outages(),
        open_run(asked, batch, PIPELINE) as run,
        shown_in_prefect(run, batch),
    ):
        close_dead_runs(run.database)
        take(run, batch, inbox)
        process_chunks(run)
        put_away(run, block, inbox)
        return closing_state(run, report(run))
