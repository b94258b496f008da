"""Closes runs whose processes are dead: the next run would do so too, but it may wait for their place.

It runs every five minutes, so it also looks for active schedules that make no runs.
"""

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.flow_run.task import ends_in_one_line, run_name
from tasks.recover import task
from tasks.schedules.task import report_silent_schedules


@flow(name="close-dead-runs", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def close_dead_runs() -> State[int]:
    """Close every run whose processes are dead, in the database and in Prefect, with a state that says so."""
    closed = task.close_dead_runs(connect(load_settings()))
    report_silent_schedules()
    return task.closed_state(closed)
