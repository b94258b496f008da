"""Which runs are alive: a run holds a lock that ends with its process, whatever becomes of that.

On SQLite it is the lock of a file per run, beside the database; the system gives it back when the process ends. On
PostgreSQL it is an advisory lock of a session of its own, which the server gives back when the session ends.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from blocks.database.engine import Database
from blocks.errors import DatabaseUnreachable

LOOK_EVERY_S = 5.0
"""How often a run looks whether its session still stands, and so how long it may pass for dead after losing it."""


@contextmanager
def hold_run(database: Database, run_id: str) -> Iterator[None]:
    """Count as a live run until the block or the process ends. More than one process may hold the same run.

    Raises `DatabaseUnreachable`.
    """
    if database.is_sqlite:
        path = _file(database, run_id)
        try:
            descriptor = _hold_file(path)
        except OSError as error:
            raise DatabaseUnreachable(database.safe_url, f"{path} cannot be locked ({error.strerror})") from error
        try:
            yield
        finally:
            _give_up_file(path, descriptor)
        return
    session = _Session(database, run_id)
    try:
        yield
    finally:
        session.end()


def live_runs(database: Database, run_ids: Collection[str], connection: Connection | None = None) -> set[str]:
    """Those of the runs that a living process holds; asked on `connection`, where one is open already."""
    asked = {run_id for run_id in run_ids if run_id}
    if not asked:
        return set()
    if database.is_sqlite:
        return {run_id for run_id in asked if _is_held(_file(database, run_id))}
    if connection is None:
        with database.read() as opened:
            held = set(opened.execute(_HELD).scalars())
    else:
        held = set(connection.execute(_HELD).scalars())
    return {run_id for run_id in asked if _key(run_id) in held}


def _file(database: Database, run_id: str) -> Path:
    path = Path(str(database.engine.url.database)).resolve()
    return path.with_name(f"{path.name}.runs") / quote(run_id, safe=" ")


def _hold_file(path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # removed between opening and locking


def _give_up_file(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path, descriptor)
    except BlockingIOError:
        pass  # another process holds the same run, or looks whether one does, and removes the file
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
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
    """Remove the file that `descriptor` has locked for itself alone, unless a new one has its name by now."""
    if _is_at(path, descriptor):
        with suppress(PermissionError):  # another user's; without a lock it says nothing
            path.unlink()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class _Session:
    """A session of PostgreSQL that holds a run's lock, and another one when that is lost."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database, self._key = database, _key(run_id)
        try:
            self._connection = self._locked()
        except DBAPIError as error:
            cause = " ".join(str(error.orig).split())
            raise DatabaseUnreachable(database.safe_url, cause) from error
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="sign of life", daemon=True)
        self._keeper.start()

    def end(self) -> None:
        """Give the lock back."""
        self._ended.set()
        self._keeper.join()
        self._connection.close()

    def _locked(self) -> Connection:
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # closing it is to end the session, not to give it back to the pool
        try:
            # A host that goes away without a word is missed after a minute; the system's default is two hours.
            for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
                connection.execute(text(f"SET {setting}"))
            connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": self._key})
        except DBAPIError:
            connection.close()
            raise
        return connection

    def _keep(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                self._connection.execute(text("SELECT 1"))
            except DBAPIError:
                with suppress(DBAPIError):  # the server is away; the next look tries again
                    connection = self._locked()
                    self._connection.close()
                    self._connection = connection


def _key(run_id: str) -> int:
    """The advisory lock's number, one of 64 bits."""
    digest = hashlib.sha256(f"winnow run {run_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_HELD = text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
