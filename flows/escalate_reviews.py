"""Tells people about review items that wait too long: at half of it, when they are due, and again later."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.database.review.notices import Raised
from blocks.settings import load_settings
from tasks.escalate.task import closing_state, raise_levels, send_messages
from tasks.flow_run.task import ends_in_one_line, run_name


@flow(name="escalate-reviews", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def escalate_reviews() -> State[Raised]:
    """Remind of review items that have had half of their time, escalate those that are due, and send the messages."""
    settings = load_settings()
    database = connect(settings)
    raised = raise_levels(database, settings)
    return closing_state(raised, send_messages(database, settings))
