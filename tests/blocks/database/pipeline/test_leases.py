"""Leases: a worker lives as long as its heartbeats come, by the database's clock. Then others close its run."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, event, select, text, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.errors import LeaseLost
from blocks.database.pipeline import leases as module
from blocks.database.pipeline.dead_runs import close_dead_runs, ended_runs, find_dead_runs
from blocks.database.pipeline.leases import check_lease, hold_lease, live_workers
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.tables import runs, workers
from blocks.errors import DatabaseUnreachable
from tests.winnow_command import wait_until


def live(database: Database, *worker_ids: str) -> set[str]:
    with database.read() as connection:
        return live_workers(connection, worker_ids)


def expire(database: Database, worker_id: str) -> None:
    """As if its last heartbeat was long ago."""
    with database.write() as connection:
        long_ago = database_time(connection) - timedelta(hours=1)
        connection.execute(update(workers).where(workers.c.worker_id == worker_id).values(expires_at=long_ago))


def start(database: Database, run_id: str) -> None:
    start_run(database, run_id, f"name of {run_id}", settings={}, types={}, source="{}")


def states(database: Database) -> dict[str, tuple[str | None, str | None]]:
    with database.read() as connection:
        rows = connection.execute(select(runs.c.run_id, runs.c.state, runs.c.message)).all()
    return {run_id: (state, message) for run_id, state, message in rows}


def test_a_worker_lives_as_long_as_its_lease_is_held(database: Database) -> None:
    with hold_lease(database, "run", worker_id="one"), hold_lease(database, "run", worker_id="two"):
        assert live(database, "one", "two", "three", "") == {"one", "two"}
    assert live(database, "one", "two") == set()


def test_a_lease_ends_with_an_error_of_its_block_and_each_has_an_id_of_its_own(database: Database) -> None:
    ids: set[str] = set()

    def fail_with_a_lease() -> None:
        with hold_lease(database, "run") as lease:
            ids.add(lease.worker_id)
            assert live(database, lease.worker_id) == {lease.worker_id}
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail_with_a_lease()
        assert live(database, *ids) == set()
    assert len(ids) == 2


def test_an_expired_lease_counts_as_dead_until_its_worker_renews_it(database: Database) -> None:
    with hold_lease(replace(database, lease_s=0.4), "run", worker_id="one"):
        expire(database, "one")
        wait_until(lambda: live(database, "one") == {"one"})
    with hold_lease(database, "run", worker_id="one"):
        expire(database, "one")
        assert live(database, "one") == set()


def test_a_heartbeat_that_fails_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    renew, failures = module._renew, iter(range(3))

    def unreachable_at_first(database: Database, worker_id: str) -> bool:
        if next(failures, None) is not None:
            raise DatabaseUnreachable("a database", "it restarts")
        return renew(database, worker_id)

    monkeypatch.setattr(module, "_renew", unreachable_at_first)
    with hold_lease(replace(database, lease_s=0.4), "run", worker_id="one") as lease:
        expire(database, "one")
        wait_until(lambda: live(database, "one") == {"one"})
        assert not lease.is_lost
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the heartbeat of a run cannot be written, and is tried again"
    ]


def test_a_worker_whose_lease_was_closed_learns_it_from_its_next_heartbeat(database: Database) -> None:
    told: list[bool] = []
    with hold_lease(replace(database, lease_s=0.4), "run", worker_id="one", on_lost=lambda: told.append(True)) as lease:
        with database.write() as connection:
            check_lease(connection, "one")
            connection.execute(workers.delete())
            with pytest.raises(LeaseLost):
                check_lease(connection, "one")
        wait_until(lambda: told == [True])
        assert lease.is_lost


_HOLD = """
import sys, time
from blocks.database.engine import open_database
from blocks.database.pipeline.leases import hold_lease
from blocks.database.pipeline.runs import start_run
database = open_database(sys.argv[1], lease_s=float(sys.argv[2]))
with hold_lease(database, "run", worker_id="child"):
    start_run(database, "run", "name of run", settings={}, types={}, source="{}")
    print("held", flush=True)
    time.sleep(120)
"""


@contextmanager
def child(database: Database, lease_s: float) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease `child` in the run `run`."""
    command = [sys.executable, "-c", _HOLD, database.url.get_secret_value(), str(lease_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_killed_process_of_this_machine_is_dead_at_once_and_its_run_is_closed(database: Database) -> None:
    with child(database, 3600) as process:
        assert live(database, "child") == {"child"}
        assert close_dead_runs(database) == ()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but nobody has asked how yet
        assert live(database, "child") == set()
        assert find_dead_runs(database) == ("name of run",)
        (dead,) = close_dead_runs(database)
        assert (dead.run_id, dead.name) == ("run", "name of run")
        assert f"from process {process.pid} on " in dead.message
        assert states(database) == {"run": ("Crashed", dead.message)}
        assert close_dead_runs(database) == ()


def test_a_run_that_starts_meanwhile_is_not_dead(postgres_database: Database, request: pytest.FixtureRequest) -> None:
    started: list[str] = []

    def start_another(*_: object) -> None:
        if not started:
            started.append("late")
            lease = hold_lease(postgres_database, "late")
            lease.__enter__()
            request.addfinalizer(lambda: lease.__exit__(None, None, None))
            start(postgres_database, "late")

    with hold_lease(postgres_database, "early"):
        start(postgres_database, "early")
        event.listen(postgres_database.engine, "after_cursor_execute", reads_workers(start_another))
        assert find_dead_runs(postgres_database) == ()
    assert started == ["late"]
    assert states(postgres_database) == {"early": (None, None), "late": (None, None)}


def reads_workers(act: Callable[[], None]) -> Callable[..., None]:
    """A listener that acts behind a statement that reads the table of workers."""

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and "workers" in statement:
            act()

    return listen


def test_a_stopped_process_loses_its_run_and_can_write_no_end_when_it_goes_on(database: Database) -> None:
    with child(database, 1) as process:
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: live(database, "child") == set())
        assert [run.run_id for run in close_dead_runs(database)] == ["run"]
        os.kill(process.pid, signal.SIGCONT)
        finish_run(database, "run", "Completed", "all is well")
        assert states(database)["run"][0] == "Crashed"
        start(database, "run")
        finish_run(database, "run", "Completed", "tried again")
        assert states(database)["run"] == ("Completed", "tried again")


def test_a_run_is_closed_only_when_no_worker_of_it_lives(database: Database) -> None:
    start(database, "of an older version")
    start(database, "run")
    start(database, "ended")
    finish_run(database, "ended", "Completed", "3 documents")
    with hold_lease(database, "run", worker_id="one"), hold_lease(database, "run", worker_id="two"):
        expire(database, "one")
        assert [run.run_id for run in close_dead_runs(database)] == ["of an older version"]
        assert states(database)["run"] == (None, None)
        with database.read() as connection:
            assert connection.execute(select(workers.c.worker_id)).scalars().all() == ["two"]
        expire(database, "two")
        assert [run.run_id for run in close_dead_runs(database)] == ["run"]
    assert states(database)["ended"] == ("Completed", "3 documents")


def test_runs_that_prefect_takes_for_running_have_ended_if_they_have_an_end_and_no_worker(database: Database) -> None:
    for run_id in ("crashed", "just ended", "ended", "works"):
        start(database, run_id)
    with hold_lease(database, "works"), hold_lease(database, "just ended"), hold_lease(database, "ended"):
        close_dead_runs(database)
    for run_id in ("just ended", "ended"):
        finish_run(database, run_id, "Completed", "3 documents")
    with database.write() as connection:
        long_ago = database_time(connection) - timedelta(hours=1)
        connection.execute(update(runs).where(runs.c.run_id == "ended").values(finished_at=long_ago))
    asked = ["crashed", "just ended", "ended", "works", "of another database"]
    with hold_lease(database, "works"):
        found = {run.run_id: run.message for run in ended_runs(database, asked)}
        assert [run.run_id for run in ended_runs(database, asked, long_ago=True)] == ["ended"]
    assert found == {
        "crashed": "the run is dead: no process works for it",
        "ended": "the process died before it could tell Prefect that the run had ended as Completed: 3 documents",
    }
    assert ended_runs(database, []) == ()


def test_a_session_that_a_dead_worker_left_within_a_transaction_is_ended(postgres_database: Database) -> None:
    """Its process was stopped: it would keep its locks for ever."""
    with postgres_database.write() as connection:
        time = database_time(connection) + timedelta(seconds=1)
        row = {"worker_id": "stopped", "run_id": "run", "process": "", "host": "far", "pid": 7, "started_at": time}
        connection.execute(workers.insert(), row | {"beat_at": time, "expires_at": time})
    engine = create_engine(postgres_database.engine.url)
    with engine.connect() as left, hold_lease(replace(postgres_database, lease_s=0.4), "other"):
        left.execute(text("SET application_name = 'winnow 7@far'"))
        pid = left.execute(text("SELECT pg_backend_pid()")).scalar_one()

        def lives() -> bool:
            with postgres_database.read() as connection:
                query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                return bool(connection.execute(query, {"pid": pid}).scalar_one())

        assert lives()
        wait_until(lambda: not lives())
        left.invalidate()
    engine.dispose()


def test_a_lease_is_renewed_though_the_server_refuses_to_end_sessions(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As it does where the dead worker's user is another one."""
    refused = text("DO $$ BEGIN RAISE insufficient_privilege; END $$")
    monkeypatch.setattr(module, "_END_SESSIONS_OF_THE_DEAD", refused)

    def beat_at() -> object:
        with postgres_database.read() as connection:
            return connection.execute(select(workers.c.beat_at)).scalar_one()

    with hold_lease(replace(postgres_database, lease_s=0.4), "run") as lease:
        first = beat_at()
        wait_until(lambda: "could not be ended" in caplog.text)
        refused_at = beat_at()
        assert refused_at != first
        wait_until(lambda: beat_at() != refused_at)
        assert not lease.is_lost
