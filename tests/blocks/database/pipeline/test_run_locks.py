"""Run locks: a run lives as long as a process holds its lock, whatever becomes of the process or of the lock's file."""

import fcntl
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

from blocks.database.engine import Database
from blocks.database.pipeline import run_locks as module
from blocks.database.pipeline.run_locks import hold_run_lock, live_runs
from blocks.errors import DatabaseUnreachable
from tests.database_fixtures import on_server
from tests.winnow_command import wait_until


def lock_files(database: Database) -> list[str]:
    folder = Path(f"{database.engine.url.database}.runs")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_only_runs_that_are_held_live(database: Database) -> None:
    with hold_run_lock(database, "one"), hold_run_lock(database, "two"):
        assert live_runs(database, ["one", "two", "three"]) == {"one", "two"}
        assert live_runs(database, ["three"]) == live_runs(database, []) == set()
    assert live_runs(database, ["one", "two"]) == set()


def test_a_run_without_an_id_never_lives(database: Database) -> None:
    """Rows that were given back name the run ''."""
    with hold_run_lock(database, "one"):
        assert live_runs(database, ["", "one"]) == {"one"}


def test_runs_are_asked_on_an_open_connection_too(database: Database) -> None:
    with hold_run_lock(database, "one"), database.write() as connection:
        assert live_runs(database, ["one", "two"], connection) == {"one"}


def test_a_run_lives_until_the_last_holder_ends(database: Database) -> None:
    with hold_run_lock(database, "one"):
        with hold_run_lock(database, "one"):
            assert live_runs(database, ["one"]) == {"one"}
        assert live_runs(database, ["one"]) == {"one"}
    assert live_runs(database, ["one"]) == set()


def test_a_run_ends_with_an_error_of_its_block(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), hold_run_lock(database, "one"):
        raise ZeroDivisionError
    assert live_runs(database, ["one"]) == set()


def test_a_run_may_be_held_again(database: Database) -> None:
    for _ in range(2):
        with hold_run_lock(database, "one"):
            assert live_runs(database, ["one"]) == {"one"}
        assert live_runs(database, ["one"]) == set()


def test_a_run_that_has_lost_its_session_ends_without_an_error(postgres_database: Database) -> None:
    with hold_run_lock(postgres_database, "one"), postgres_database.write() as connection:
        holders = text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert connection.execute(holders).scalars().all() == [True]


@contextmanager
def away(database: Database, server: str) -> Iterator[Callable[[], int]]:
    """End every session of the database and refuse new ones within the block; yields a count of the refused ones."""
    refused: list[object] = []

    def count(*arguments: object) -> None:
        refused.append(arguments)

    name = database.engine.url.database
    on_server(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    on_server(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    event.listen(database.engine, "do_connect", count)
    try:
        yield lambda: len(refused)
    finally:
        event.remove(database.engine, "do_connect", count)
        on_server(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_run_takes_its_lock_again_when_the_server_was_away_for_several_checks(
    postgres_database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.05)
    with hold_run_lock(postgres_database, "one"), caplog.at_level(logging.WARNING):
        with away(postgres_database, postgres_url) as refused:
            wait_until(lambda: refused() >= 3, timeout_s=20)
        wait_until(lambda: live_runs(postgres_database, ["one"]) == {"one"}, timeout_s=20)
    wait_until(lambda: live_runs(postgres_database, ["one"]) == set(), timeout_s=20)
    (warning,) = [record for record in caplog.records if record.name == module.__name__]
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith("the lock of run one was lost (")
    assert warning.getMessage().endswith("): taking it again")


def test_a_run_that_ends_while_the_server_is_away_ends_without_an_error(
    postgres_database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.05)
    lock = hold_run_lock(postgres_database, "one")
    lock.__enter__()
    with away(postgres_database, postgres_url) as refused:
        wait_until(lambda: refused() >= 1, timeout_s=20)
        lock.__exit__(None, None, None)
    assert live_runs(postgres_database, ["one"]) == set()


def test_a_pool_without_a_free_connection_is_an_unreachable_database(postgres_database: Database) -> None:
    engine = create_engine(postgres_database.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    full = Database(engine, postgres_database.url, postgres_database.safe_url, is_sqlite=False)
    with engine.connect(), pytest.raises(DatabaseUnreachable, match="QueuePool"), hold_run_lock(full, "one"):
        pass
    engine.dispose()


_HOLD = """
import sys, time
from blocks.database.engine import open_database
from blocks.database.pipeline.run_locks import hold_run_lock
with hold_run_lock(open_database(sys.argv[1]), "one"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_holds_no_run(database: Database) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD, database.url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert live_runs(database, ["one"]) == {"one"}
        child.kill()
        child.wait()
    # A PostgreSQL server takes a moment to notice that a client is gone.
    until = time.monotonic() + 10
    while live_runs(database, ["one"]) and not database.is_sqlite and time.monotonic() < until:
        time.sleep(0.01)
    assert live_runs(database, ["one"]) == set()


@pytest.mark.parametrize("run_id", ["../escape", "a/b", "with space", "per%cent", "ü"])
def test_any_id_has_a_lock_of_its_own_in_the_folder(database: Database, run_id: str) -> None:
    with hold_run_lock(database, run_id):
        assert live_runs(database, [run_id, "other"]) == {run_id}
        if database.is_sqlite:
            assert len(lock_files(database)) == 1
    assert live_runs(database, [run_id]) == set()


def test_no_lock_file_stays_behind(sqlite_database: Database) -> None:
    with hold_run_lock(sqlite_database, "one"), hold_run_lock(sqlite_database, "two"):
        assert lock_files(sqlite_database) == ["one", "two"]
    assert lock_files(sqlite_database) == []


def test_a_file_that_a_dead_process_left_is_removed_by_the_first_look(sqlite_database: Database) -> None:
    with hold_run_lock(sqlite_database, "one"):
        pass
    left = Path(f"{sqlite_database.engine.url.database}.runs") / "left"
    left.touch()
    assert live_runs(sqlite_database, ["left"]) == set()
    assert not left.exists()


def test_a_look_does_not_remove_the_file_of_a_live_run(sqlite_database: Database) -> None:
    with hold_run_lock(sqlite_database, "one"):
        for _ in range(3):
            assert live_runs(sqlite_database, ["one"]) == {"one"}
        assert lock_files(sqlite_database) == ["one"]


def test_a_run_never_holds_a_file_that_was_removed_meanwhile(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process looks between the opening of the file and its locking, and removes it."""
    lock = fcntl.flock
    looks: list[set[str]] = []

    def lock_late(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_SH and not looks:
            looks.append(set())
            looks[0] = live_runs(sqlite_database, ["one"])
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with hold_run_lock(sqlite_database, "one"):
        assert looks == [set()], "not locked yet, so removed"
        assert live_runs(sqlite_database, ["one"]) == {"one"}
        assert lock_files(sqlite_database) == ["one"]


def test_a_holder_that_ends_leaves_the_file_of_a_new_holder(sqlite_database: Database) -> None:
    """The file was removed by hand while it was held; the next run with this id makes a new one."""
    path = Path(f"{sqlite_database.engine.url.database}.runs") / "one"
    with hold_run_lock(sqlite_database, "other"):
        first = hold_run_lock(sqlite_database, "one")
        first.__enter__()
        path.unlink()
        with hold_run_lock(sqlite_database, "one"):
            first.__exit__(None, None, None)
            assert live_runs(sqlite_database, ["one"]) == {"one"}
    assert lock_files(sqlite_database) == []


def test_a_lock_file_that_cannot_be_made_is_an_unreachable_database(sqlite_database: Database) -> None:
    Path(f"{sqlite_database.engine.url.database}.runs").touch()
    with pytest.raises(DatabaseUnreachable, match="cannot be locked"), hold_run_lock(sqlite_database, "one"):
        pass


def test_locks_of_another_database_of_the_server_do_not_count(postgres_database: Database, postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.connect() as elsewhere:
        elsewhere.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": module._key("one")})
        assert live_runs(postgres_database, ["one"]) == set()
    engine.dispose()
