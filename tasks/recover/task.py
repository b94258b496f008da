"""Closes dead runs in the database and in Prefect, and has Prefect try a run again that an outage ended.

Prefect takes a run for running until somebody says otherwise; until then it keeps its place in the concurrency limit of
its deployment.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRunPolicy, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed

from blocks.database.engine import Database
from blocks.database.pipeline import dead_runs
from blocks.database.pipeline.dead_runs import DeadRun
from blocks.errors import DatabaseUnreachable, PrefectUnreachable
from tasks.flow_run.pages import all_pages

RETRIES, RETRY_DELAY_S = 2, 60
UNENDED = [StateType.RUNNING, StateType.CANCELLING]

log = logging.getLogger(__name__)


def close_dead_runs(database: Database) -> int:
    """Close runs whose processes are dead, in the database and in Prefect. Returns how many.

    In Prefect also runs that have an end in the database: their processes died before they could tell Prefect. Those
    that joined a dead run get a lease's time to tell their own end, since they may have finished its last chunks.
    """
    dead = dead_runs.close_dead_runs(database)
    for run in dead:
        log.warning("run %s (%s) is closed: %s", run.name, run.run_id, run.message)
    try:
        with get_client(sync_client=True) as client:
            flow_runs = _unended(client)
            joined = {id_: run_id for id_, run_id in flow_runs.items() if run_id != str(id_)}
            began = {id_: run_id for id_, run_id in flow_runs.items() if id_ not in joined}
            _close_ended(client, began, dead_runs.ended_runs(database, set(began.values())))
            _close_ended(client, joined, dead_runs.ended_runs(database, set(joined.values()), long_ago=True))
    except httpx.HTTPError as error:  # the next call tries again
        log.warning("Prefect could not be asked to close dead runs: %s", error)
    return len(dead)


def _close_ended(client: SyncPrefectClient, flow_runs: Mapping[UUID, str], ended: Iterable[DeadRun]) -> None:
    messages = {run.run_id: run.message for run in ended}
    for id_, run_id in flow_runs.items():
        if run_id in messages:
            with suppress(ObjectNotFound):  # somebody deleted it meanwhile
                client.set_flow_run_state(id_, Crashed(message=messages[run_id]))


def closed_state(closed: int) -> State[int]:
    """The final state of a flow that closes dead runs."""
    return Completed(message="1 dead run was closed" if closed == 1 else f"{closed} dead runs were closed", data=closed)


@contextmanager
def tried_again_after_outages() -> Iterator[None]:
    """Have Prefect try a deployment's run again, with the same id, if an outage of the database or of Prefect ended it.

    Flows have no retries otherwise: nothing else that ends a run passes by itself.
    """
    try:
        yield
    except (DatabaseUnreachable, PrefectUnreachable) as error:
        if runtime.deployment.id and getattr(error, "may_pass", True):
            _allow_retries()
        raise


def _allow_retries() -> None:
    policy = FlowRunPolicy(retries=RETRIES, retry_delay=RETRY_DELAY_S)
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(runtime.flow_run.id), empirical_policy=policy)
    except httpx.HTTPError as unreachable:
        log.warning("Prefect cannot be asked to try the run again: %s", unreachable)


def _unended(client: SyncPrefectClient) -> dict[UUID, str]:
    """Our flow runs that Prefect takes for running, with the id of the run that each is, or that it has joined."""
    names = ["process-documents", "backfill", "backfill-shard", "take-inbox", "work-chunks"]
    found = all_pages(
        client.read_flow_runs,
        flow_filter=FlowFilter(name=FlowFilterName(any_=names)),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNENDED))),
    )
    return {run.id: str(run.parameters.get("run_id", run.id)) for run in found}
