"""Looks at every inbox, and starts a run for each with documents that have arrived."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.arrive import task
from tasks.flow_run.task import ends_in_one_line, run_name


@flow(name="poll-inboxes", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def poll_inboxes() -> State[int]:
    """List every inbox block once; files that are as they were at the poll before have arrived, and get a run."""
    return task.poll_inboxes(connect(load_settings()))
