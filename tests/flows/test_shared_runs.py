"""One run, worked by the command and by runs of work-chunks on a real worker of a work pool, over PostgreSQL."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError

import pytest
from digest_rows import read
from sqlalchemy import text

from blocks.database.engine import Database, close_database, open_database
from blocks.gateway.registry.registry import RegisteredModel
from tasks.runs.models import open_registry
from tests.database_fixtures import database_at, on_server
from tests.flows.test_deployments import ENDED, IMPATIENT_WORKER, ROOT
from tests.model_runs import KEY_VARIABLE, PRICES, TRUTHFUL, Notes, asked_notes
from tests.winnow_command import BIN, wait_until

pytestmark = [pytest.mark.prefect, pytest.mark.postgres, pytest.mark.timeout(900)]

POOL, DEPLOYMENT = "winnow", "work-chunks/joined"
DOCUMENTS = 100
WAIT_S = 300.0
SLOW_S = 20.0
"""How long the model takes to answer until a second process has joined."""


@pytest.fixture
def databases(postgres_url: str) -> Iterator[list[Database]]:
    """Two new databases of the PostgreSQL server."""
    names = [f"winnow_test_{uuid.uuid4().hex}" for _ in range(2)]
    for name in names:
        on_server(postgres_url, f"CREATE DATABASE {name}")
    opened = [open_database(database_at(postgres_url, name)) for name in names]
    yield opened
    for database, name in zip(opened, names, strict=True):
        close_database(database)
        on_server(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pool(notes: Notes) -> Iterator[None]:
    """The deployment that further workers are runs of, and its work pool, made as prefect deploy makes them."""
    workplace = notes.workplace
    flow, name = DEPLOYMENT.split("/")
    with suppress(HTTPError):  # a locked server may answer 503 after it has made the pool, and is then asked again
        workplace.ask("work_pools/", name=POOL, type="process")
    deployment = workplace.ask(
        "deployments/",
        name=name,
        flow_id=workplace.ask("flows/", name=flow)["id"],
        work_pool_name=POOL,
        enforce_parameter_schema=False,
        entrypoint="flows/work_chunks.py:work_chunks",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
    )
    yield
    workplace.delete(f"deployments/{deployment['id']}")
    workplace.delete(f"work_pools/{POOL}")


@contextmanager
def prefect_worker(notes: Notes) -> Iterator[None]:
    folder = notes.workplace.folder
    variables = notes.workplace.variables | IMPATIENT_WORKER | {"PREFECT_API_URL": notes.workplace.server.url}
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [str(BIN / "prefect"), "worker", "start", "--pool", POOL],
            cwd=folder,
            env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder)} | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def use(notes: Notes, database: Database) -> None:
    """Further runs use this database, whose model `slow` is the double's."""
    notes.workplace.environment["WINNOW_DATABASE_URL"] = database.url.get_secret_value()
    model: dict[str, object] = {
        "name": "slow",
        "upstream": "up-slow",
        "provider": "openai",
        "endpoint": f"{notes.provider.url}/v1",
    }
    model |= {"max_output_tokens": 400, "key": f"env:{KEY_VARIABLE}", "input_price": "0.4", "output_price": "1.6"}
    open_registry(database).put(RegisteredModel.model_validate(model))


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query)).all()]


def at_work(database: Database, command: int) -> list[int]:
    """The processes beside the command's that work a chunk."""
    query = "select distinct pid from run_chunks where host <> '' and not is_done"
    return [pid for (pid,) in rows(database, query) if pid != command]


def joined_runs(notes: Notes) -> list[dict[str, Any]]:
    found = notes.workplace.ask("flow_runs/filter", flows={"name": {"any_": ["work-chunks"]}}, sort="NAME_ASC")
    return cast("list[dict[str, Any]]", found)


def read_rows(database: Database, folder: Path) -> object:
    return read(database.url.get_secret_value(), folder, 0).rows


@pytest.mark.usefixtures("pool")
def test_a_run_is_shared_and_loses_nothing_with_a_worker(notes: Notes, databases: list[Database]) -> None:
    shared, alone = databases
    source = notes.write(DOCUMENTS)
    options = ("--chunk-size", "2", "--model", "slow", "--json")
    told = {"hook": TRUTHFUL, "prices": PRICES, "keep_bodies": True}
    use(notes, shared)
    notes.provider.script(**told, latency_s=SLOW_S)

    with (
        prefect_worker(notes),
        notes.workplace.started("run", *notes.arguments(source, *options, "--workers", "2")) as command,
    ):
        wait_until(lambda: len(at_work(shared, command.pid)) == 2 or command.poll() is not None, WAIT_S)
        os.kill(at_work(shared, command.pid)[0], signal.SIGKILL)
        notes.provider.script(**told)
        out, err = command.communicate(timeout=WAIT_S)
        assert command.returncode == 0, err
        wait_until(lambda: all(run["state"]["name"] in ENDED for run in joined_runs(notes)), WAIT_S)
    summary = json.loads(out)
    assert summary["documents"] == DOCUMENTS
    assert summary["failed"] == 0
    assert "2 workers of the pool winnow may join the run" in err

    joined = joined_runs(notes)
    assert {run["state"]["name"] for run in joined} == {"Completed", "Crashed"}
    [completed] = [run for run in joined if run["state"]["name"] == "Completed"]
    assert "chunk" in completed["state"]["message"]
    parent = notes.workplace.ask(f"flow_runs/{summary['run_id']}")
    assert [run["name"] for run in joined] == [f"{parent['name']}, worker {number}" for number in (1, 2)]
    [tag] = {tag for tag in parent["tags"] if tag.startswith("run:")}
    assert all(tag in run["tags"] for run in joined)

    assert rows(shared, "select state from runs") == [("Completed",)]
    shown = json.loads(notes.workplace.command("show", summary["run_id"], "--json").stdout)
    assert sum(worker["documents"] for worker in shown["workers"]) == DOCUMENTS
    assert len(shown["workers"]) >= 2

    use(notes, alone)
    notes.provider.script(**told)
    assert json.loads(notes.workplace.winnow("run", *notes.arguments(source, *options)).stdout)["failed"] == 0
    assert max(asked_notes(notes.provider.log()).values()) == 1
    assert read_rows(shared, notes.workplace.folder) == read_rows(alone, notes.workplace.folder)


@pytest.mark.usefixtures("pool")
def test_without_a_worker_the_run_works_alone_and_calls_off_what_it_asked_for(
    notes: Notes, databases: list[Database]
) -> None:
    use(notes, databases[0])
    notes.provider.script(hook=TRUTHFUL, prices=PRICES)
    summary = notes.run(notes.write(3), "--model", "slow", "--workers", "2")
    assert summary["documents"] == 3
    mine = [run for run in joined_runs(notes) if run["parameters"] == {"run_id": summary["run_id"]}]
    assert [run["state"]["name"] for run in mine] == ["Cancelled"] * 2


def test_a_pool_that_was_not_deployed_is_one_line(notes: Notes) -> None:
    done = notes.workplace.winnow("run", *notes.arguments(notes.write(1), "--workers", "pool"), expect=1)
    assert "no further workers can join the run: Prefect has no deployment work-chunks/joined" in done.stderr
    assert notes.query("select * from runs") == []
