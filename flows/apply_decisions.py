"""Applies decisions that people inserted into `review_decisions` by SQL."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.database.review.inbox import Answered
from blocks.settings import load_settings
from tasks.decide import task
from tasks.flow_run.task import ends_in_one_line, run_name


@flow(name="apply-decisions", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def apply_decisions() -> State[Answered]:
    """Apply every new decision in the order of insertion, and write on each row what came of it."""
    settings = load_settings()
    return task.closing_state(task.apply_decisions(connect(settings), settings))
