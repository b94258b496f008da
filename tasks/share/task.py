"""Asks Prefect for further workers of a run, and calls off those that have not begun when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect import get_client, get_run_logger, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed

from blocks import progress
from blocks.database.pipeline import run_chunks
from blocks.errors import PrefectUnreachable
from tasks.flow_run.form import Workers
from tasks.flow_run.task import run_tag
from tasks.runs.errors import NotDeployed
from tasks.runs.run import Run

DEPLOYMENT = "work-chunks/joined"


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """The work pool whose workers run the deployment, and how many `runs` of it a shared run asks for."""

    name: str
    deployment_id: UUID
    runs: int


@contextmanager
def pool_of(workers: Workers | None) -> Iterator[WorkerPool | None]:
    """The pool with the workers that a run is to be shared with, so many, or `pool`: as many as are online.

    None for a run that is not to be shared. Raises `NotDeployed` and `PrefectUnreachable`.
    """
    yield None if workers is None else _find_pool(workers)


def _find_pool(workers: Workers) -> WorkerPool:
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
            if deployment.work_pool_name is None:
                raise NotDeployed(f"the deployment {DEPLOYMENT} has no work pool")
            name = deployment.work_pool_name
            online = len(client.read_workers_for_work_pool(name, worker_filter=_ONLINE))
        except ObjectNotFound as missing:
            raise NotDeployed(f"Prefect has no deployment {DEPLOYMENT}, or not its work pool") from missing
        except httpx.HTTPError as error:
            raise PrefectUnreachable(str(client.api_url), str(error)) from error
    return WorkerPool(name, deployment.id, online if workers == "pool" else workers)


@contextmanager
def shared(run: Run, pool: WorkerPool | None) -> Iterator[None]:
    """Within the block, further workers may join the run. Those that have not begun at its end are called off.

    Without any the run goes on alone: it never waits for a worker to come.
    """
    asked: list[UUID] = []
    with get_client(sync_client=True) as client:
        try:
            if pool is not None:
                _ask(client, run, pool, asked)
            yield
        finally:
            _call_off(client, asked)


def _ask(client: SyncPrefectClient, run: Run, pool: WorkerPool, asked: list[UUID]) -> None:
    """Ask for runs of the deployment. A run that is tried again asks anew; one attempt asks for each only once."""
    log = get_run_logger()
    attempt = runtime.flow_run.run_count
    try:
        for number in range(1, pool.runs + 1):
            flow_run = client.create_flow_run_from_deployment(
                pool.deployment_id,
                parameters={"run_id": run.run_id},
                name=f"{run.name}, worker {number}",
                tags=[run_tag(run.run_id)],
                idempotency_key=f"{run.run_id}:{attempt}:{number}",
            )
            asked.append(flow_run.id)
    except httpx.HTTPError as error:
        log.warning("Prefect could not be asked for further workers, and the run goes on without: %s", error)
    log.info("%d further workers were asked for in the pool %s", len(asked), pool.name)
    if run.database.is_sqlite:
        log.info("the database is a file: only workers of this machine can join, with WINNOW_DATABASE_URL set to it")
    progress.publish(progress.Shared(run.run_id, len(asked), pool.name))


def _call_off(client: SyncPrefectClient, asked: list[UUID]) -> None:
    """Cancel those that have not begun. Those that have begun find the end of the run in the database."""
    for id_ in asked:
        try:
            state = client.read_flow_run(id_).state
            if state is not None and (state.is_scheduled() or state.is_pending()):
                client.set_flow_run_state(id_, Cancelled(message="the run had ended before it began"), force=True)
        except ObjectNotFound:  # somebody deleted it meanwhile
            continue
        except httpx.HTTPError as error:
            get_run_logger().warning("a run that has not begun could not be cancelled: %s", error)


def worked_state(run: Run) -> State[int]:
    """The final state of a run that worked chunks of another one, with what it did."""
    shares = run_chunks.shares_of(run.database, run.run_id)
    ours = [share for share in shares if share.worker_id == run.context.worker_id]
    chunks, documents = sum(share.chunks for share in ours), sum(share.documents for share in ours)
    return Completed(message=f"{documents} documents in {chunks} chunks of run {run.name}", data=documents)


_ONLINE = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
