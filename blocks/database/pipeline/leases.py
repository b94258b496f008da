"""Leases of workers: the proof that a process lives which works for a run, or which has calls of models open.

A lease is a row of `workers`, which its worker renews by a heartbeat. What a worker has claimed counts as long as its
lease lasts, by the database's clock; then others take it over. A worker that was stopped, or cut off from the database,
may go on later: the id of its lease, which no other lease ever has, is the fencing token of all that it writes.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from blocks.database.clock import database_time
from blocks.database.engine import Database, cause_of
from blocks.database.errors import LeaseLost
from blocks.database.in_list import in_list
from blocks.database.outages import wait_out_outages
from blocks.database.pipeline.processes import has_ended, this_process
from blocks.database.tables import workers
from blocks.errors import WinnowError

BEATS_PER_LEASE = 4
BEAT_AGAIN_S = 1.0
"""A heartbeat that failed is tried again after this: others may take over as soon as the database is back."""

log = logging.getLogger(__name__)


class Lease:
    """A worker's lease. `is_lost` when another process closed it, because no heartbeat came in time."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self.is_lost = False


@contextmanager
def hold_lease(
    database: Database,
    run_id: str,
    *,
    worker_id: str | None = None,
    on_lost: Callable[[], None] = lambda: None,
    wait_s: float = 0.0,
) -> Iterator[Lease]:
    """Hold a lease, and renew it, until the block or the process ends; its claims end with it.

    `run_id` is the run that the worker works for, if any. `on_lost` is called, in another thread, if the lease is lost.
    `wait_s`: how long to wait for a database that is away when the lease begins.
    """
    lease = Lease(worker_id or uuid.uuid4().hex)
    wait_out_outages(lambda: _take(database, lease.worker_id, run_id), wait_s)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(database, lease, ended, on_lost), name="heartbeat", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        ended.set()
        beating.join()
        _release(database, lease)


def live_workers(connection: Connection, worker_ids: Collection[str]) -> set[str]:
    """The workers among these whose lease lasts."""
    asked = {worker_id for worker_id in worker_ids if worker_id}
    if not asked:
        return set()
    rows = connection.execute(_WORKERS, {"ids": asked}).all()
    time = database_time(connection)
    return {row.worker_id for row in rows if not is_dead(row, time)}


def live_workers_of(connection: Connection, run_id: str) -> set[str]:
    """The workers of a run whose lease lasts."""
    rows = connection.execute(_WORKERS_OF_RUN, {"run_id": run_id}).all()
    time = database_time(connection)
    return {row.worker_id for row in rows if not is_dead(row, time)}


def is_dead(worker: Row[tuple[str, str, datetime]], time: datetime) -> bool:
    """Whether a row of `workers` is of a worker whose lease has expired, or whose process is known to have ended."""
    return worker.expires_at <= time or has_ended(worker.process)


def check_lease(connection: Connection, worker_id: str) -> None:
    """Keep the lease from being closed by others until the transaction ends. Raises `LeaseLost` if it was closed."""
    if connection.execute(_LOCKED, {"id": worker_id}).first() is None:
        raise LeaseLost


def _take(database: Database, worker_id: str, run_id: str) -> None:
    with database.write() as connection:
        time = database_time(connection)
        connection.execute(delete(workers).where(workers.c.worker_id == worker_id))  # of a try whose answer was lost
        row = {
            "worker_id": worker_id,
            "run_id": run_id,
            "process": this_process(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": time,
            "beat_at": time,
            "expires_at": time + timedelta(seconds=database.lease_s),
        }
        connection.execute(insert(workers), row)


def _beat(database: Database, lease: Lease, ended: threading.Event, on_lost: Callable[[], None]) -> None:
    beat_every_s = database.lease_s / BEATS_PER_LEASE
    pause_s = beat_every_s
    while not ended.wait(pause_s):
        try:
            is_kept = _renew(database, lease.worker_id)
        except (WinnowError, SQLAlchemyError) as error:
            if pause_s == beat_every_s:
                log.warning("the heartbeat of a run cannot be written, and is tried again: %s", cause_of(error))
            pause_s = min(BEAT_AGAIN_S, beat_every_s / 2)
            continue
        pause_s = beat_every_s
        if not is_kept:
            lease.is_lost = True
            on_lost()
            return
        if not database.is_sqlite:
            _end_sessions_of_the_dead(database)


def _renew(database: Database, worker_id: str) -> bool:
    with database.write() as connection:
        time = database_time(connection)
        values = {"b_id": worker_id, "b_time": time, "b_until": time + timedelta(seconds=database.lease_s)}
        return bool(connection.execute(_RENEW, values).rowcount)


def _end_sessions_of_the_dead(database: Database) -> None:
    """In a transaction of its own: PostgreSQL refuses to end another user's session, and the heartbeat must go on."""
    try:
        with database.write() as connection:
            connection.execute(_END_SESSIONS_OF_THE_DEAD)
    except (WinnowError, SQLAlchemyError) as error:
        log.warning("the sessions of dead workers could not be ended: %s", cause_of(error))


def _release(database: Database, lease: Lease) -> None:
    try:
        with database.write() as connection:
            connection.execute(delete(workers).where(workers.c.worker_id == lease.worker_id))
    except WinnowError as error:
        log.warning("a lease could not be released, and expires in %g s: %s", database.lease_s, error)


_WORKERS = select(workers.c.worker_id, workers.c.process, workers.c.expires_at).where(
    in_list(workers.c.worker_id, "ids")
)

_WORKERS_OF_RUN = select(workers.c.worker_id, workers.c.process, workers.c.expires_at).where(
    workers.c.run_id == bindparam("run_id")
)

_LOCKED = (
    select(workers.c.worker_id).where(workers.c.worker_id == bindparam("id")).with_for_update(read=True, key_share=True)
)

_RENEW = (
    update(workers)
    .where(workers.c.worker_id == bindparam("b_id"))
    .values(beat_at=bindparam("b_time"), expires_at=bindparam("b_until"))
)

# A process that was stopped amid a transaction keeps its locks on documents, and others wait for them. The server's own
# timeout does not fire while it awaits the rest of a pipeline of statements, as psycopg sends them.
_END_SESSIONS_OF_THE_DEAD = text(
    "SELECT pg_terminate_backend(session.pid) FROM pg_stat_activity AS session JOIN workers"
    " ON session.application_name = left('winnow ' || workers.pid || '@' || workers.host, 63)"
    " WHERE workers.expires_at <= clock_timestamp() AND session.datname = current_database()"
    " AND session.xact_start < workers.expires_at AND session.pid <> pg_backend_pid()"
)
