"""From a plan to shards: a backfill begins where the plan's ground is as it was, and each shard is an ordinary run."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from blocks.backfill.errors import GroundMoved, WorkerDiffers, WrongState
from blocks.backfill.plan import Plan
from blocks.database.beside import copy_documents, open_beside
from blocks.database.engine import Database, now
from blocks.database.models.budgets import join_budget
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState
from blocks.database.pipeline.selected import record_shard
from blocks.gateway.registry.registry import RegistryState, registry_state
from tasks.backfill.plan import ground_of, plan_with_documents
from tasks.runs.chunk import stopped_when
from tasks.runs.prepare import handed_over, prepared_run
from tasks.runs.run import Run

CHECK_STATE_EVERY_S = 2.0


def backfill_id_of(plan: Plan, *, is_dry_run: bool = False) -> str:
    """The id of the backfill that runs a plan, or of its dry run."""
    return hashlib.sha256(f"dry run of {plan.plan_id}".encode()).hexdigest() if is_dry_run else plan.plan_id


def place_of(database: Database, backfill: Backfill) -> Database:
    """Where a backfill has its shards and writes its outputs: a dry run beside the main database."""
    return open_beside(database, backfill.backfill_id) if backfill.is_dry_run else database


@contextmanager
def in_its_place(backfill: Backfill) -> Iterator[None]:
    """Within the block, a run that is opened computes a dry run beside the main database."""
    if not backfill.is_dry_run:
        yield
        return
    prepared = prepared_run(None, backfill.plan.terms.models)
    beside = open_beside(prepared.database, backfill.backfill_id)
    with handed_over(replace(prepared, database=beside, ledger=prepared.database)):
        yield


def begin_backfill(
    run: Run, registry: RegistryState, plan: Plan, *, shard_size: int, is_dry_run: bool = False
) -> Backfill:
    """The backfill of a plan, or its dry run: a new one, or the one that was begun and goes on.

    Raises `GroundMoved` where anything that the plan stands on has changed; of a backfill that has begun, the rows are
    those that it changes itself. Raises `WrongState` for one that is over.
    """
    backfill_id = backfill_id_of(plan, is_dry_run=is_dry_run)
    state = backfills.state_of(run.database, backfill_id)
    begun = Backfill(backfill_id, plan, BackfillState.RUNNING, is_dry_run, now(), None)
    place = place_of(run.database, begun)
    if state is None:
        today, document_ids = plan_with_documents(run, registry, plan.selection, plan.terms)
        check_ground(plan, plan.ground.moved(today.ground))
        if is_dry_run:
            copy_documents(run.database, place, document_ids)
            backfills.begin(place, begun, document_ids, shard_size=shard_size)
        backfills.begin(run.database, begun, () if is_dry_run else document_ids, shard_size=shard_size)
    else:
        check_ground(plan, plan.ground.moved(ground_of(run, registry, ""), with_rows=False))
        if state not in {BackfillState.RUNNING, BackfillState.STOPPED, BackfillState.CANCELLED}:
            raise WrongState(backfill_id, state, "make a new plan with winnow backfill plan")
        backfills.set_state(run.database, backfill_id, BackfillState.RUNNING)
    for shard in backfills.shards_of(place, backfill_id):
        if shard.has_failed:
            backfills.next_attempt(place, backfill_id, shard)
    return backfills.find_backfill(run.database, backfill_id)


def check_ground(plan: Plan, moved: tuple[str, ...]) -> None:
    """Raise `GroundMoved` if anything has moved since the plan was made."""
    if moved:
        raise GroundMoved(moved, plan.made_at)


@contextmanager
def working_shard(run: Run, backfill: Backfill, shard: int) -> Iterator[None]:
    """Within the block, the run works a shard: within the backfill's budget, and until that is cancelled.

    Raises `WorkerDiffers` where this worker's types, settings or models are not those of the plan, and `WrongState`
    where the backfill is not running.
    """
    if backfill.state is not BackfillState.RUNNING:
        raise WrongState(backfill.backfill_id, backfill.state, "start it again with winnow backfill run")
    registry = DatabaseRegistry(run.ledger, registry_state).load()
    backfills.set_run(run.database, backfill.backfill_id, shard, run.run_id)
    if differing := backfill.plan.ground.moved(ground_of(run, registry, ""), with_rows=False):
        raise WorkerDiffers(socket.gethostname(), backfill.backfill_id, differing)
    join_budget(run.ledger, run.run_id, backfill.backfill_id, backfill.plan.terms.budget_usd)

    def is_cancelled() -> bool:
        return backfills.state_of(run.ledger, backfill.backfill_id) is BackfillState.CANCELLED

    with stopped_when(run.run_id, is_cancelled, CHECK_STATE_EVERY_S):
        yield


def take_shard(run: Run, backfill: Backfill, shard: int) -> int:
    """Make the documents of a shard the run's batch; returns their number."""
    return record_shard(
        run.database,
        run.run_id,
        backfill.backfill_id,
        shard,
        rerun=run.context.rerun,
        reopen=run.context.reopen,
        pipeline_digest=run.pipeline_digest,
        chunk_size=run.settings.chunk_size,
    )
