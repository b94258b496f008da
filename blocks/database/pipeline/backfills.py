"""Rows of backfills: their plans, the shards with their runs, and the documents of each shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, func, insert, select, update

from blocks.backfill.errors import BackfillUnknown
from blocks.backfill.plan import Plan
from blocks.database.engine import Database, now
from blocks.database.first_letters import begins_with
from blocks.database.outages import survives_outages
from blocks.database.pipeline.leases import live_workers_of
from blocks.database.tables import backfill_documents, backfill_shards, backfills, failures, run_documents, runs

INSERT_AT_ONCE = 5_000
COMPLETED = ("Completed", "CompletedWithErrors")
"""States of runs that have done their work."""


class BackfillState(StrEnum):
    """running: begun and not ended. stopped: ended before all shards were done; the same command goes on with it.
    So is one whose process has died, once somebody notices: `state_today`, and `close_dead_runs`.

    computed: a dry run that is over. promoted, discarded: what became of it.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    DONE = "done"
    COMPUTED = "computed"
    PROMOTED = "promoted"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill that was begun."""

    backfill_id: str
    plan: Plan
    state: BackfillState
    is_dry_run: bool
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shard:
    """A slice of a backfill's documents. `run_id` is its newest run, `run_state` None while that has no end.

    `message` says how the run ended.

    `attempt` counts from 1 and is part of the key under which a deployment's run is asked for.
    """

    shard: int
    documents: int
    attempt: int
    run_id: str | None
    run_state: str | None
    message: str | None

    @property
    def is_done(self) -> bool:
        """Whether a run has done its work."""
        return self.run_state in COMPLETED

    @property
    def has_failed(self) -> bool:
        """Whether its newest run ended without its work."""
        return self.run_state is not None and not self.is_done


@survives_outages
def begin(database: Database, begun: Backfill, document_ids: Sequence[str], *, shard_size: int) -> None:
    """Write a backfill with its shards, in the order of the documents. To repeat it changes nothing."""
    backfill_id, plan = begun.backfill_id, begun.plan
    row: dict[str, object] = {
        "backfill_id": backfill_id,
        "plan": plan.model_dump(mode="json", exclude={"sample"}),  # a sample has values, which an erasure must reach
        "state": BackfillState.RUNNING,
    }
    row |= {"is_dry_run": begun.is_dry_run, "started_at": begun.started_at, "ended_at": None}
    with database.write() as connection:
        written = connection.execute(database.insert(backfills).on_conflict_do_nothing(), [row])
        if not written.rowcount:
            return
        for start in range(0, len(document_ids), INSERT_AT_ONCE):
            members = enumerate(document_ids[start : start + INSERT_AT_ONCE], start)
            connection.execute(
                insert(backfill_documents),
                [
                    {"backfill_id": backfill_id, "document_id": id_, "shard": index // shard_size + 1}
                    for index, id_ in members
                ],
            )
        shards = (
            select(backfill_documents.c.backfill_id, backfill_documents.c.shard, func.count(), 1)
            .where(backfill_documents.c.backfill_id == backfill_id)
            .group_by(backfill_documents.c.backfill_id, backfill_documents.c.shard)
        )
        connection.execute(
            insert(backfill_shards).from_select(["backfill_id", "shard", "documents", "attempt"], shards)
        )


def find_backfill(database: Database, letters: str | None) -> Backfill:
    """The backfill whose id begins so; the newest without letters. Raises `BackfillUnknown`."""
    newest_first = select(backfills).order_by(backfills.c.started_at.desc())
    begins_so = begins_with(backfills.c.backfill_id, letters or "")
    with database.read() as connection:
        found = connection.execute(newest_first.where(begins_so).limit(2)).mappings().all()
        if not found or (letters and len(found) > 1):
            newest = newest_first.with_only_columns(backfills.c.backfill_id).limit(3)
            raise BackfillUnknown(letters or "", connection.execute(newest).scalars().all())
    values = dict(found[0])
    return Backfill(**values | {"plan": Plan.model_validate(values["plan"]), "state": BackfillState(values["state"])})


@survives_outages
def state_of(database: Database, backfill_id: str) -> BackfillState | None:
    """The state of a backfill; None for one that was never begun."""
    query = select(backfills.c.state).where(backfills.c.backfill_id == backfill_id)
    with database.read() as connection:
        state = connection.execute(query).scalar_one_or_none()
    return None if state is None else BackfillState(state)


@survives_outages
def set_state(database: Database, backfill_id: str, state: BackfillState) -> None:
    """Write the state of a backfill, and when it ended."""
    ended_at = None if state is BackfillState.RUNNING else now()
    written = update(backfills).where(backfills.c.backfill_id == backfill_id).values(state=state, ended_at=ended_at)
    with database.write() as connection:
        connection.execute(written)


@survives_outages
def state_today(database: Database, backfill: Backfill) -> BackfillState:
    """Its state as it is: one that runs by its row, and whose process has died, has stopped.

    The process that has its shards worked holds a lease under the backfill's id.
    """
    if backfill.state is not BackfillState.RUNNING:
        return backfill.state
    with database.read() as connection:
        is_alive = bool(live_workers_of(connection, backfill.backfill_id))
    return BackfillState.RUNNING if is_alive else BackfillState.STOPPED


@survives_outages
def stop(database: Database, backfill_id: str) -> None:
    """Write that a backfill that was running has stopped before its end."""
    is_running = and_(backfills.c.backfill_id == backfill_id, backfills.c.state == BackfillState.RUNNING)
    with database.write() as connection:
        connection.execute(update(backfills).where(is_running).values(state=BackfillState.STOPPED, ended_at=now()))


@survives_outages
def shards_of(database: Database, backfill_id: str) -> list[Shard]:
    """The shards of a backfill in their order, with the states of their newest runs."""
    shard = backfill_shards.c
    query = (
        select(shard.shard, shard.documents, shard.attempt, shard.run_id, runs.c.state, runs.c.message)
        .select_from(backfill_shards.outerjoin(runs, runs.c.run_id == shard.run_id))
        .where(shard.backfill_id == backfill_id)
        .order_by(shard.shard)
    )
    with database.read() as connection:
        return [Shard(*row) for row in connection.execute(query)]


@survives_outages
def document_ids_of(database: Database, backfill_id: str) -> list[str]:
    """The documents of a backfill, shard by shard."""
    member = backfill_documents.c
    query = (
        select(member.document_id).where(member.backfill_id == backfill_id).order_by(member.shard, member.document_id)
    )
    with database.read() as connection:
        return list(connection.execute(query).scalars())


@survives_outages
def set_run(database: Database, backfill_id: str, shard: int, run_id: str) -> None:
    """Write which run works a shard now."""
    _update_shard(database, backfill_id, shard, run_id=run_id)


@survives_outages
def next_attempt(database: Database, backfill_id: str, shard: Shard) -> None:
    """Count another attempt at a shard whose run ended without its work."""
    _update_shard(database, backfill_id, shard.shard, attempt=shard.attempt + 1, run_id=None)


@survives_outages
def outcomes_of(database: Database, backfill_id: str) -> dict[str, int]:
    """How many documents of the shards' newest runs ended how: {outcome: number}."""
    member, shard = run_documents.c, backfill_shards.c
    query = (
        select(member.outcome, func.count())
        .join(backfill_shards, and_(shard.run_id == member.run_id, shard.backfill_id == backfill_id))
        .where(member.outcome.is_not(None))
        .group_by(member.outcome)
        .order_by(member.outcome)
    )
    with database.read() as connection:
        return {str(outcome): number for outcome, number in connection.execute(query)}


@survives_outages
def failure_kinds_of(database: Database, backfill_id: str) -> dict[str, int]:
    """How many documents of the shards' runs failed with each kind, the most frequent first."""
    shard, number = backfill_shards.c, func.count(failures.c.document_id.distinct())
    query = (
        select(failures.c.kind, number)
        .join(backfill_shards, and_(shard.run_id == failures.c.run_id, shard.backfill_id == backfill_id))
        .where(failures.c.resolved_at.is_(None))
        .group_by(failures.c.kind)
        .order_by(number.desc(), failures.c.kind)
    )
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def _update_shard(database: Database, backfill_id: str, number: int, **values: object) -> None:
    shard = backfill_shards.c
    with database.write() as connection:
        connection.execute(
            update(backfill_shards).where(shard.backfill_id == backfill_id, shard.shard == number).values(**values)
        )
