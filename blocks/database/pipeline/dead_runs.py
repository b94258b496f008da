"""Closes runs whose workers are dead: the rows of their ends, and the leases that hold their claims.

A backfill that runs has a lease too, of the process that has its shards worked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, delete, exists, or_, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.backfills import BackfillState
from blocks.database.pipeline.leases import is_dead
from blocks.database.tables import backfills, runs, workers

CRASHED = "Crashed"
"""The state of a run whose workers died, in `runs.state` as in Prefect."""


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run that was closed, and why."""

    run_id: str
    name: str
    message: str


@survives_outages
def close_dead_runs(database: Database) -> tuple[DeadRun, ...]:
    """Close the leases of dead workers, and the runs that have no other worker. Returns these runs.

    Backfills whose process has died are written as stopped. A run that goes on later, because it was only stopped,
    finds its lease closed and can write nothing more.
    """
    with database.read() as connection:
        time = database_time(connection)
        dead = [row for row in connection.execute(_WORKERS).all() if is_dead(row, time)]
        without_process = (_WITHOUT_WORKER, _ABANDONED)
        if not dead and all(connection.execute(query.limit(1)).first() is None for query in without_process):
            return ()
    with database.write() as connection:
        time = database_time(connection)
        # A heartbeat may have come since; a process that has ended has none.
        ids = {"b_ids": [row.worker_id for row in dead], "b_time": time}
        ended = {"b_ended": [row.worker_id for row in dead if row.expires_at > time]}
        connection.execute(_CLOSE_LEASES, ids | ended)
        connection.execute(_STOP_BACKFILLS, {"b_time": time})
        closed = connection.execute(_WITHOUT_WORKER).all()
        beats = {
            row.run_id: f"its last heartbeat came at {_shown(row.beat_at)} from process {row.pid} on {row.host}"
            for row in sorted(dead, key=lambda row: row.beat_at)
        }
        found = tuple(
            DeadRun(row.run_id, row.name, f"the run is dead: {beats.get(row.run_id, 'no process works for it')}")
            for row in closed
        )
        if found:
            rows = [{"b_run_id": run.run_id, "b_message": run.message, "b_time": time} for run in found]
            connection.execute(_CLOSE_RUNS, rows)
    return found


@survives_outages
def ended_runs(database: Database, run_ids: Collection[str], *, long_ago: bool = False) -> tuple[DeadRun, ...]:
    """Those of these runs that have an end here and no worker; for at least a lease, if they did not crash.

    With `long_ago`, for at least a lease in any case. A process gives up its lease before it tells Prefect its end.
    """
    if not run_ids:
        return ()
    with database.read() as connection:
        a_lease_ago = database_time(connection) - timedelta(seconds=database.lease_s)
        is_late = runs.c.finished_at < a_lease_ago
        is_due = is_late if long_ago else or_(runs.c.state == CRASHED, is_late)
        rows = connection.execute(_ENDED.where(is_due), {"ids": run_ids}).all()
    late = "the process died before it could tell Prefect that the run had ended"
    return tuple(
        DeadRun(row.run_id, row.name, row.message if row.state == CRASHED else f"{late} as {row.state}: {row.message}")
        for row in rows
    )


def find_dead_runs(database: Database) -> tuple[str, ...]:
    """The names of runs that have no live worker and say that they go on. Nothing is written."""
    with database.read() as connection:
        time = database_time(connection)
        rows = connection.execute(_UNFINISHED).all()
    alive = {row.run_id for row in rows if row.expires_at is not None and not is_dead(row, time)}
    return tuple({row.run_id: row.name for row in rows if row.run_id not in alive}.values())


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


_WORKERS = select(
    workers.c.worker_id,
    workers.c.process,
    workers.c.expires_at,
    workers.c.run_id,
    workers.c.beat_at,
    workers.c.host,
    workers.c.pid,
)

# A single statement reads both tables: a run writes its lease before its row.
_UNFINISHED = (
    select(runs.c.run_id, runs.c.name, workers.c.process, workers.c.expires_at)
    .outerjoin_from(runs, workers, workers.c.run_id == runs.c.run_id)
    .where(runs.c.state.is_(None))
    .order_by(runs.c.started_at)
)

_WITHOUT_WORKER = select(runs.c.run_id, runs.c.name).where(
    runs.c.state.is_(None), ~exists().where(workers.c.run_id == runs.c.run_id)
)

_IS_ABANDONED = and_(
    backfills.c.state == BackfillState.RUNNING, ~exists().where(workers.c.run_id == backfills.c.backfill_id)
)

_ABANDONED = select(backfills.c.backfill_id).where(_IS_ABANDONED)

_STOP_BACKFILLS = (
    update(backfills).where(_IS_ABANDONED).values(state=BackfillState.STOPPED, ended_at=bindparam("b_time"))
)

_CLOSE_LEASES = delete(workers).where(
    in_list(workers.c.worker_id, "b_ids"),
    or_(workers.c.expires_at <= bindparam("b_time"), in_list(workers.c.worker_id, "b_ended")),
)

_CLOSE_RUNS = (
    update(runs)
    .where(runs.c.run_id == bindparam("b_run_id"), runs.c.state.is_(None))
    .values(state=CRASHED, message=bindparam("b_message"), finished_at=bindparam("b_time"))
)

_ENDED = select(runs.c.run_id, runs.c.name, runs.c.state, runs.c.message).where(
    in_list(runs.c.run_id, "ids"),
    ~exists().where(workers.c.run_id == runs.c.run_id),
)
