"""Closes runs whose processes are dead: the next run would do so too, but it may wait for their place."""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.flow_run.task import ends_in_one_line, run_name
from tasks.recover import task


@flow(name="close-dead-runs", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def close_dead_runs() -> State[int]:
    """Close every run whose processes are dead, in the database and in Prefect, with a state that says so."""
    return task.closed_state(task.close_dead_runs(connect(load_settings())))
