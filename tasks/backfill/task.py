"""The shards of a backfill as runs in Prefect: in this process, or as runs of a deployment, a few side by side."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling, Completed

from blocks import progress
from blocks.backfill.errors import BackfillStopped
from blocks.database.address import connect
from blocks.database.engine import Database
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState, Shard
from blocks.errors import DatabaseUnreachable, PrefectUnreachable
from blocks.records import Stage
from blocks.settings import load_settings
from tasks.backfill.shards import place_of, take_shard
from tasks.runs.run import Run

SHARD_DEPLOYMENT = "backfill-shard/shards"
ASK_EVERY_S = 2.0
WAIT_S = 180.0
"""So long a Prefect server that is away or busy is asked again; Prefect's client itself gives up after seconds."""

Answer = TypeVar("Answer")


@task(name="select", task_run_name="select", cache_policy=NO_CACHE, persist_result=False)
def select_shard(run: Run, backfill: Backfill, shard: int) -> State[int]:
    """Make the documents of a shard the run's batch. Returns their number."""
    found = take_shard(run, backfill, shard)
    progress.report(run.run_id, Stage.DISCOVER, found)
    return Completed(message=f"documents: {found}", data=found)


def load_backfill(backfill_id: str) -> Backfill:
    """A backfill of this process's database. Raises `BackfillUnknown`."""
    return backfills.find_backfill(connect(load_settings()), backfill_id)


def has_deployment() -> bool:
    """Whether the Prefect server has the deployment that works shards."""
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(SHARD_DEPLOYMENT)
        except ObjectNotFound:
            return False
    return True


def run_here(database: Database, backfill: Backfill, work_shard: Callable[[Shard], None]) -> None:
    """Work the shards that are left one after the other in this process. Raises `BackfillStopped`."""
    with _ended(database, backfill):
        for shard in _left(database, backfill):
            if not _is_cancelled(database, backfill):
                work_shard(shard)


def run_in_pool(database: Database, backfill: Backfill, side_by_side: int, announce: Callable[[str], None]) -> None:
    """Have a run of the deployment work each shard that is left, so many side by side.

    Raises `BackfillStopped` and `PrefectUnreachable`.

    A run is asked for under the key of backfill, shard and attempt: who asks again gets the same run.
    """
    waiting = _left(database, backfill)
    in_flight: dict[UUID, int] = {}
    with _ended(database, backfill), get_client(sync_client=True) as client:
        deployment_id = answered(client, lambda: client.read_deployment_by_name(SHARD_DEPLOYMENT)).id
        try:
            while waiting or in_flight:
                if _is_cancelled(database, backfill):
                    break
                while waiting and len(in_flight) < side_by_side:
                    shard = waiting.pop(0)
                    in_flight[_ask(client, deployment_id, database, backfill, shard)] = shard.shard
                time.sleep(ASK_EVERY_S)
                for run_id, state in [(run_id, _end_state(client, run_id)) for run_id in in_flight]:
                    if state is not None:
                        ended = f"shard {in_flight.pop(run_id)} has ended{_why(state)}"
                        announce(f"{ended}; {len(waiting)} wait, {len(in_flight)} are under way")
        finally:
            for run_id in in_flight:
                _cancel(client, run_id)


def answered(client: SyncPrefectClient, ask: Callable[[], Answer], wait_s: float = WAIT_S) -> Answer:
    """What the server answers. It is asked again while it is away or busy. Raises `PrefectUnreachable`."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return ask()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            status = error.response.status_code if isinstance(error, PrefectHTTPStatusError) else None
            if status is not None and status < 500:
                raise
            if time.monotonic() > deadline:
                cause = type(error).__name__ if status is None else f"status {status}"
                raise PrefectUnreachable(str(client.api_url), cause) from None
        time.sleep(ASK_EVERY_S)


def _end_state(client: SyncPrefectClient, run_id: UUID) -> State[Any] | None:
    """The state in which a run ended; None while it has not."""
    state = answered(client, lambda: client.read_flow_run(run_id)).state
    return state if state is not None and state.is_final() else None


def _why(state: State[Any]) -> str:
    """How a run ended that did not end well, as the rest of a sentence."""
    return "" if state.is_completed() else f" as {state.name}: {state.message}"


def _cancel(client: SyncPrefectClient, run_id: UUID) -> None:
    """Cancel a run that is under way or has not begun."""
    if _end_state(client, run_id) is None:
        answered(client, lambda: client.set_flow_run_state(run_id, Cancelling()))


def _left(database: Database, backfill: Backfill) -> list[Shard]:
    """The shards whose work is not done."""
    shards = backfills.shards_of(place_of(database, backfill), backfill.backfill_id)
    return [shard for shard in shards if not shard.is_done]


def _is_cancelled(database: Database, backfill: Backfill) -> bool:
    return backfills.state_of(database, backfill.backfill_id) is BackfillState.CANCELLED


@contextmanager
def _ended(database: Database, backfill: Backfill) -> Iterator[None]:
    """Write after the block how the backfill ended: one that nobody waits for any more is not running."""
    try:
        yield
        _end(database, backfill)
    except BaseException:
        with suppress(DatabaseUnreachable):  # the error that ended the block must reach the caller
            backfills.stop(database, backfill.backfill_id)
        raise


def _end(database: Database, backfill: Backfill) -> None:
    """Write that the backfill is over, if it is. Raises `BackfillStopped`."""
    left = _left(database, backfill)
    if _is_cancelled(database, backfill):
        raise BackfillStopped("the backfill was cancelled")
    if left:
        shards = "1 shard has" if len(left) == 1 else f"{len(left)} shards have"
        why = f": {left[0].message}" if left[0].has_failed and left[0].message else ""
        raise BackfillStopped(f"{shards} not ended well, the first of them shard {left[0].shard}{why}")
    ended = BackfillState.COMPUTED if backfill.is_dry_run else BackfillState.DONE
    backfills.set_state(database, backfill.backfill_id, ended)


def _ask(client: SyncPrefectClient, deployment_id: UUID, database: Database, backfill: Backfill, shard: Shard) -> UUID:
    """Ask for a run of the deployment; its id. A run that ended before it could write that it did is asked for anew."""
    for attempt in (shard.attempt, shard.attempt + 1):
        key = f"{backfill.backfill_id}:{shard.shard}:{attempt}"
        ask = partial(
            client.create_flow_run_from_deployment,
            deployment_id,
            parameters={"backfill_id": backfill.backfill_id, "shard": shard.shard},
            name=f"backfill {backfill.backfill_id[:8]} shard {shard.shard}",
            idempotency_key=key,
        )
        flow_run = answered(client, ask)
        if flow_run.state is None or not flow_run.state.is_final():
            break
        backfills.next_attempt(place_of(database, backfill), backfill.backfill_id, shard)
    return flow_run.id
