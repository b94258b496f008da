"""One pooled engine per process and address, and transactions that behave alike on SQLite and PostgreSQL.

On SQLite a writer begins with ``BEGIN IMMEDIATE``: a transaction that reads first and writes later cannot then fail
half-way because another transaction wrote in between. Writers of a process queue at a lock, which needs no polling;
those of other processes wait for SQLite's busy timeout. All writers of a process share a connection: SQLite drops what
a connection has in memory whenever another one has written.
"""

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from blocks.database.column_types import storable
from blocks.database.schema import current_revision, head_revision, upgrade
from blocks.database.tables import database_identity
from blocks.errors import DatabaseUnreachable, DiskFull, RunError
from blocks.secret_url import SecretUrl

BUSY_TIMEOUT_S = 60.0
OUTAGE_WAIT_S = 180.0
LEASE_S = 60.0
SQLITE_CACHE_KIB = 32 * 1024
"""Memory of the writing connection for pages. The keys of a chunk are on more pages than fit into the default, 2 MB."""
SQLITE_CHECKPOINT_PAGES = 8_000
"""32 MB, eight times the default: a page that each stage of a chunk changes goes into the database file once."""
SERVER_STATES = ("08", "25P03", "40", "53", "55P03", "57", "58")
"""Prefixes of SQLSTATEs that concern the server's state, so that the same statement may succeed later.

In this order: connection, a session that was idle within a transaction for too long, rollback by the server
(serialization, deadlock), resources (no free connection), a lock not granted, an operator's intervention, a system
error. Other errors that psycopg calls `OperationalError` (54, a program limit; 55000) recur each time. Source:
"PostgreSQL Error Codes", appendix A of its documentation.
"""
MAX_SESSION_NAME = 63  # PostgreSQL cuts longer names off
POSTGRES_DISK_FULL = "53100"
SQLITE_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""Errors of SQLite that pass: another process has the file locked. Others need a person."""

REFUSED_FOR_GOOD = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|is not permitted to log in"
    r"|permission denied for database|no such (?:database|user)|(?:database|role|user) \S+ does not exist"
)
"""What a server, or pgbouncer, tells one whose address is wrong. psycopg has no SQLSTATE where it could not connect."""

_open: dict[tuple[int, str], "Database"] = {}  # by process id too: a child must not use its parent's connections
_at_head: set[tuple[int, str]] = set()
_opening = threading.Lock()


def default_url(folder: Path | None = None) -> str:
    """The address of the default SQLite database of a working folder, by default of the current folder."""
    return f"sqlite:///{(folder or Path.cwd()) / '.winnow' / 'winnow.db'}"


class DatabaseMissing(DatabaseUnreachable):
    """A command that only reads found no database."""

    def __init__(self, place: str) -> None:
        RunError.__init__(self, f"no database at {place}: winnow run makes it")


@dataclass(frozen=True, slots=True, eq=False)
class Database:
    """An open database and its address.

    `outage_wait_s` bounds how long functions that survive outages wait for it. `lease_s` is how long leases of this
    process last without a heartbeat. `writer` is `engine`, but for SQLite, where it has a single connection.
    """

    engine: Engine
    writer: Engine
    url: SecretUrl
    is_sqlite: bool
    outage_wait_s: float = OUTAGE_WAIT_S
    lease_s: float = LEASE_S
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._typed(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that only reads, and in which every statement sees the database as the first one did."""
        with self._typed(), self.engine.connect() as connection:
            if not self.is_sqlite:  # where a reader has its snapshot anyway
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; rolled back when the block raises. Not to be nested."""
        turn = self._writing if self.is_sqlite else nullcontext()
        with self._typed(), turn, self.writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT; the two dialects' classes share no typed ancestor with those methods."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            if _is_disk_full(error):
                raise DiskFull(str(self.url), cause_of(error)) from error
            if _is_of_the_statement(error):
                raise
            raise DatabaseUnreachable(str(self.url), cause_of(error), may_pass=_may_pass(error)) from error
        except NoFreeConnection as error:
            raise DatabaseUnreachable(str(self.url), cause_of(error), may_pass=True) from error


def open_database(
    url: str | SecretUrl, create: bool = True, *, outage_wait_s: float = OUTAGE_WAIT_S, lease_s: float = LEASE_S
) -> Database:
    """The database at `url`. A process opens it once, and checks its schema until it finds the newest revision.

    With `create`, a database that is not there is made, and an older revision is upgraded. Without, nothing is changed.
    Raises `DatabaseUnreachable` for a database that is missing, down, damaged or may not be written, and
    `DatabaseNewer` for a revision that this Winnow does not know.
    """
    address = _address(url if isinstance(url, str) else url.get_secret_value())
    key = (os.getpid(), address.render_as_string(hide_password=False))
    with _opening:
        if key in _at_head:
            return _open[key]
        database = _open.get(key) or _connect(address, create, outage_wait_s, lease_s)
        revision = current_revision(database)
        if create and revision != head_revision():
            revision = upgrade(database)
        elif revision is None:
            raise DatabaseMissing(str(database.url))
        _open[key] = database
        if revision == head_revision():
            _at_head.add(key)
    return database


def close_database(database: Database) -> None:
    """Close every connection of the pool and forget it; the next `open_database` opens the address anew."""
    with _opening:
        for key in [key for key, opened in _open.items() if opened is database]:
            del _open[key]
            _at_head.discard(key)
    database.engine.dispose()
    database.writer.dispose()


def check_write(database: Database) -> None:
    """Write something that changes nothing. Raises what a database raises that is down, locked, full or read-only."""
    with database.write() as connection:
        connection.execute(update(database_identity).values(database_id=database_identity.c.database_id))


def database_id(database: Database) -> str:
    """The id that a database got when it was made; the same for every address that leads to it."""
    with database.read() as connection:
        return str(connection.execute(select(database_identity.c.database_id)).scalar_one())


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # which may quote the password
        shown = url.rpartition("@")[2].partition("?")[0]
        raise DatabaseUnreachable(shown, "this is not an SQLAlchemy address") from None
    if address.host and "@" in address.host:
        raise DatabaseUnreachable(str(_as_secret(address)), "write an @ in its password as %40")
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise DatabaseUnreachable(
            str(_as_secret(address)), "only sqlite:///<path> and postgresql+psycopg://… are supported"
        )
    if address.get_backend_name() == "sqlite" and address.database in {None, "", ":memory:"}:
        raise DatabaseUnreachable(str(_as_secret(address)), "a database in memory cannot be shared; give a path")
    return address


def _as_secret(address: URL) -> SecretUrl:
    return SecretUrl(address.render_as_string(hide_password=False))


def _connect(address: URL, create: bool, outage_wait_s: float, lease_s: float) -> Database:
    is_sqlite = address.get_backend_name() == "sqlite"
    url = _as_secret(address)
    if is_sqlite:
        _prepare_folder(Path(str(address.database)), str(url), create)
    options: dict[str, Any] = {
        "connect_args": {"timeout": BUSY_TIMEOUT_S} if is_sqlite else {"connect_timeout": 10},
        "json_serializer": stored_json,
        "hide_parameters": True,  # an error's text must not hold the text of documents
        "pool_pre_ping": not is_sqlite,
    }
    try:
        engine = writer = create_engine(address, pool_size=10, max_overflow=30, **options)
        if is_sqlite:
            writer = create_engine(address, pool_size=1, max_overflow=0, **options)
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(writer, "connect", _configure_sqlite)
            event.listen(writer, "connect", _configure_sqlite_writer)
            event.listen(engine, "begin", partial(_begin_sqlite, "BEGIN"))
            event.listen(writer, "begin", partial(_begin_sqlite, "BEGIN IMMEDIATE"))
        else:
            event.listen(engine, "connect", partial(_configure_postgres, lease_s))
        with engine.connect():
            pass
    except (DBAPIError, NoSuchModuleError) as error:
        may_pass = isinstance(error, DBAPIError) and _may_pass(error)
        raise DatabaseUnreachable(str(url), cause_of(error), may_pass=may_pass) from error
    return Database(engine, writer, url, is_sqlite, outage_wait_s, lease_s)


def _prepare_folder(path: Path, shown_url: str, create: bool) -> None:
    if path.exists():
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise DatabaseUnreachable(shown_url, "the file or its folder may not be written")
        return
    if not create:
        raise DatabaseMissing(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # for its owner: it will hold texts of documents
    except OSError as error:
        raise DatabaseUnreachable(shown_url, f"its folder cannot be made ({error.strerror})") from error


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    # Asking first: switching to WAL needs the file alone, even when it is in WAL already.
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # Otherwise a statement that changes many rows first copies each page to a file, to undo the statement alone.
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _configure_sqlite_writer(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size={-SQLITE_CACHE_KIB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}")
    cursor.close()


def _configure_postgres(lease_s: float, connection: Any, _record: object) -> None:
    # A process that was stopped within a transaction would keep its locks for ever: the server ends its session.
    connection.execute(f"SET idle_in_transaction_session_timeout = {round(lease_s * 1_000)}")
    # By this name, others end the sessions of a worker whose lease has expired.
    name = f"winnow {os.getpid()}@{socket.gethostname()}"[:MAX_SESSION_NAME]
    connection.execute("SELECT set_config('application_name', %s, false)", (name,))
    connection.commit()


def _begin_sqlite(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)


def _is_of_the_statement(error: DBAPIError) -> bool:
    """Whether the statement itself is wrong, so that it fails at each attempt."""
    if getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
        return True  # SQLite's code for a wrong statement
    state = getattr(error.orig, "sqlstate", None)  # None without a connection
    return state is not None and not state.startswith(SERVER_STATES)


def _is_disk_full(error: DBAPIError) -> bool:
    return (
        getattr(error.orig, "sqlite_errorname", None) == "SQLITE_FULL"
        or getattr(error.orig, "sqlstate", None) == POSTGRES_DISK_FULL
    )


def _may_pass(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed in a moment: a server restarts, or another process has the file."""
    if getattr(error.orig, "sqlstate", None) is None and REFUSED_FOR_GOOD.search(str(error.orig)):
        return False
    sqlite_error = getattr(error.orig, "sqlite_errorname", None)
    return sqlite_error is None or str(sqlite_error).startswith(SQLITE_LOCKED)


def cause_of(error: Exception) -> str:
    """What the database or its driver reports, on a single line."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())


def stored_json(value: object) -> str:
    """The JSON text that JSON columns get: without NUL and lone surrogates, which no database takes."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # PostgreSQL keeps an escaped NUL in a JSON column and then fails every query that looks into it.
    if "\\u0000" in written or not written.isascii():
        written = json.dumps(_storable_json(value), ensure_ascii=False, separators=(",", ":"))
    return written


def as_stored(value: object) -> Any:
    """A JSON value as a JSON column gives it back."""
    return json.loads(stored_json(value))


def _storable_json(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_json(item) for item in value]
    return value
