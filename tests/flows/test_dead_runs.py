"""Runs that end from outside: by kill -9, SIGTERM, Prefect's cancellation, or a database that restarts."""

import json
import os
import signal
import sqlite3
import time

import pytest
from sqlalchemy import NullPool, create_engine, text

from tests.doubles.crashing_postgres import CrashingPostgres
from tests.flows.test_process_documents import DATABASE, receipts
from tests.prefect_fixtures import in_prefect
from tests.winnow_command import Workplace, wait_until

pytestmark = pytest.mark.prefect

CLOSE = "from flows.close_dead_runs import close_dead_runs; print(close_dead_runs(return_state=True).message)"


def rows(workplace: Workplace, query: str) -> list[tuple[object, ...]]:
    """The rows of a query; none while the run has not made the table yet."""
    try:
        with sqlite3.connect(workplace.folder / DATABASE) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def begun(workplace: Workplace) -> bool:
    return bool(rows(workplace, "select 1 from stage_outputs limit 1"))


def run_id(workplace: Workplace) -> str:
    [(found,)] = rows(workplace, "select run_id from runs order by started_at limit 1")
    return str(found)


def prefect_state(workplace: Workplace, run_id: str) -> tuple[str, str]:
    """The state's type and message of a flow run."""
    found = workplace.ask(f"flow_runs/{run_id}")
    assert isinstance(found, dict)
    return found["state"]["type"], found["state"]["message"] or ""


def test_a_killed_run_is_closed_by_the_next_run_in_the_database_and_in_prefect(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 20)
    workplace.environment["WINNOW_LEASE_S"] = "3600"  # for which nobody waits: a dead process claims nothing
    with workplace.started("run", "in", "--chunk-size", "2") as process:
        wait_until(lambda: begun(workplace) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
    killed = run_id(workplace)
    assert prefect_state(workplace, killed)[0] == "RUNNING"
    summary = workplace.run("in", "--chunk-size", "2")
    assert (summary["documents"], summary["failed"]) == (20, 0)
    [(state, message)] = rows(workplace, f"select state, message from runs where run_id = '{killed}'")
    assert state == "Crashed"
    assert str(message).startswith("the run is dead: its last heartbeat came at 20")
    assert prefect_state(workplace, killed) == ("CRASHED", message)
    assert rows(workplace, "select * from workers") == []
    assert rows(workplace, "select * from failures") == []


def test_the_flow_that_closes_dead_runs_says_how_many(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts(workplace.folder / "in", 20)
    monkeypatch.setenv("WINNOW_DATABASE_URL", f"sqlite:///{workplace.folder / DATABASE}")
    with workplace.started("run", "in", "--chunk-size", "2") as process:
        wait_until(lambda: begun(workplace) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
    assert in_prefect(CLOSE, workplace.server) == "1 dead run was closed"
    assert prefect_state(workplace, run_id(workplace))[0] == "CRASHED"
    assert in_prefect(CLOSE, workplace.server) == "0 dead runs were closed"


def test_sigterm_ends_a_run_within_seconds_and_its_claims_are_free(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 40)
    with workplace.started("run", "in", "--chunk-size", "2") as process:
        wait_until(lambda: begun(workplace) or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        _, printed = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGTERM
    assert "Traceback" not in printed
    assert "stopped by SIGTERM; the same command continues where it stopped" in printed
    assert rows(workplace, "select state, message from runs") == [("Cancelled", "stopped before the end")]
    assert prefect_state(workplace, run_id(workplace))[0] == "CRASHED"
    assert rows(workplace, "select * from workers") == []
    attempts = "select sum(attempts) from stage_outputs where state = 'started'"
    assert rows(workplace, attempts)[0][0] in {0, None}, "attempts that were stopped are taken back"


def test_a_run_survives_restarts_of_its_database(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 60)
    with CrashingPostgres() as server:
        workplace.environment["WINNOW_DATABASE_URL"] = url = server.new_database()
        engine = create_engine(url, poolclass=NullPool)

        def count(query: str) -> int:
            try:
                with engine.connect() as connection:
                    return int(connection.execute(text(f"select count(*) from {query}")).scalar_one())
            except Exception:  # noqa: BLE001 - no tables yet
                return 0

        with workplace.started("run", "in", "--chunk-size", "5", "--json") as process:
            for stage, number in (("extract", 1), ("score", 15), ("validate", 30)):
                while count(f"stage_outputs where stage = '{stage}' and state = 'done'") < number:
                    assert process.poll() is None
                    time.sleep(0.05)
                server.crash_and_start(away_s=1.0)
            out, printed = process.communicate(timeout=600)
        assert process.returncode == 0, printed
        assert "waiting for the database, at most 180 s: " in printed
        summary = json.loads(out)
        assert (summary["documents"], summary["in_review"]) == (60, 60)
        assert count("results where is_current") == 60
        assert count("failures") == count("workers") == 0
        assert count("runs where state = 'Completed'") == 1
        engine.dispose()


RETRIED = """
import os, sys
os.environ["PREFECT__RUNTIME__DEPLOYMENT__ID"] = {deployment!r}
from prefect import flow
from blocks.errors import DatabaseUnreachable, SourceMissing
from tasks.recover import task
task.RETRY_DELAY_S = 0
tries = []

@flow(persist_result=False)
def interrupted():
    tries.append(1)
    with task.tried_again_after_outages():
        if len(tries) < 3:
            raise {error}

print(interrupted(return_state=True).type.value, len(tries))
"""
OUTAGE = "DatabaseUnreachable('a database', 'it is away', may_pass=True)"


@pytest.mark.parametrize(
    ("deployment", "error", "end"),
    [
        ("a-deployment", OUTAGE, "COMPLETED 3"),
        ("", OUTAGE, "FAILED 1"),
        ("a-deployment", "DatabaseUnreachable('a database', 'it is damaged')", "FAILED 1"),
        ("a-deployment", "SourceMissing('/in')", "FAILED 1"),
    ],
    ids=["an outage", "without a deployment", "no outage", "wrong usage"],
)
def test_prefect_tries_a_deployments_run_again_after_an_outage_only(
    workplace: Workplace, deployment: str, error: str, end: str
) -> None:
    assert in_prefect(RETRIED.format(deployment=deployment, error=error), workplace.server) == end
