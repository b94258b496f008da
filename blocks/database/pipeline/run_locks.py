"""Run locks: the proof that a run lives. A lock ends with its process, however the process ends.

On SQLite each run locks a file beside the database; the system releases the lock when the process ends. On PostgreSQL
each run holds an advisory lock in a session of its own; the server releases the lock soon after the session has ended.
"""

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from blocks.database.engine import Database, cause_of
from blocks.errors import DatabaseUnreachable

CHECK_EVERY_S = 5.0
"""A run checks its session this often. For so long after a lost session, other runs may believe that it is dead."""

log = logging.getLogger(__name__)


@contextmanager
def hold_run_lock(database: Database, run_id: str) -> Iterator[None]:
    """Hold the run's lock until the block or the process ends. Several processes may hold the lock of one run.

    Raises `DatabaseUnreachable`.
    """
    if database.is_sqlite:
        path = _file(database, run_id)
        try:
            descriptor = _lock_file(path)
        except OSError as error:
            raise DatabaseUnreachable(database.safe_url, f"{path} cannot be locked ({error.strerror})") from error
        try:
            yield
        finally:
            _release_file(path, descriptor)
        return
    session = _Session(database, run_id)
    try:
        yield
    finally:
        session.end()


def live_runs(database: Database, run_ids: Collection[str], connection: Connection | None = None) -> set[str]:
    """The runs among `run_ids` whose lock a process holds. An open `connection` is used where there is one."""
    candidates = {run_id for run_id in run_ids if run_id}
    if not candidates:
        return set()
    if database.is_sqlite:
        return {run_id for run_id in candidates if _is_locked(_file(database, run_id))}
    if connection is None:
        with database.read() as opened:
            locked = set(opened.execute(_LOCKED).scalars())
    else:
        locked = set(connection.execute(_LOCKED).scalars())
    return {run_id for run_id in candidates if _key(run_id) in locked}


def _file(database: Database, run_id: str) -> Path:
    path = Path(str(database.engine.url.database)).resolve()
    return path.with_name(f"{path.name}.runs") / quote(run_id, safe=" ")


def _lock_file(path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # removed between opening and locking


def _release_file(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path, descriptor)
    except BlockingIOError:
        pass  # another process holds this lock or checks it, and will remove the file
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path, descriptor)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path, descriptor: int) -> None:
    """Remove the file that `descriptor` has locked exclusively, unless another file has its name by now."""
    if _is_at(path, descriptor):
        with suppress(PermissionError):  # another user's file; without a lock it keeps no run alive
            path.unlink()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class _Session:
    """Holds a run's lock in a PostgreSQL session, and in a new session when that is lost."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database, self._run_id, self._key = database, run_id, _key(run_id)
        try:
            self._connection: Connection | None = self._connect_and_lock()
        except SQLAlchemyError as error:
            raise DatabaseUnreachable(database.safe_url, cause_of(error)) from error
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="run lock", daemon=True)
        self._keeper.start()

    def end(self) -> None:
        """Release the lock at once. The server would do so too, but only a moment after the session has ended."""
        self._ended.set()
        self._keeper.join()
        if self._connection is None:
            return
        with suppress(SQLAlchemyError):  # a lost session has no lock
            self._connection.execute(text("SELECT pg_advisory_unlock_shared(:key)"), {"key": self._key})
        _close(self._connection)

    def _connect_and_lock(self) -> Connection:
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # so that closing it ends the session; the pool would keep it
        try:
            # The server notices after a minute that a host is gone; the system's default is two hours.
            for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
                connection.execute(text(f"SET {setting}"))
            connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": self._key})
        except SQLAlchemyError:
            _close(connection)
            raise
        return connection

    def _keep(self) -> None:
        while not self._ended.wait(CHECK_EVERY_S):
            if self._connection is not None:
                try:
                    self._connection.execute(text("SELECT 1"))
                except SQLAlchemyError as error:
                    log.warning("the lock of run %s was lost (%s): taking it again", self._run_id, cause_of(error))
                    _close(self._connection)
                    self._connection = None
            if self._connection is None:
                with suppress(SQLAlchemyError):  # the server is away; the next check tries again
                    self._connection = self._connect_and_lock()


def _close(connection: Connection) -> None:
    with suppress(SQLAlchemyError):  # closing rolls back, which a broken connection cannot
        connection.close()


def _key(run_id: str) -> int:
    """The advisory lock's number, of 64 bits."""
    digest = hashlib.sha256(f"winnow run {run_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_LOCKED = text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
