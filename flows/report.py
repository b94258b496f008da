"""Says what happened lately: per document type and per model, in sentences and tables."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.database.address import connect
from blocks.settings import load_settings
from tasks.flow_run.task import ends_in_one_line, run_name
from tasks.period.period import PeriodReport
from tasks.period.task import closing_period, report_period


@flow(name="report", flow_run_name=run_name, persist_result=False)
@ends_in_one_line
def report(days: Annotated[int, Field(ge=1, le=3660)] = 7) -> State[PeriodReport]:
    """Report on the runs of the last days, in an artifact.

    Args:
        days: How many days back. It reads the database only and costs nothing.
    """
    return closing_period(report_period(connect(load_settings()), days))
