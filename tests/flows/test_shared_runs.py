"""One run, worked by the command and by runs of work-chunks on a real worker of a work pool, over PostgreSQL."""

import json
import os
import signal
import subprocess
import uuid
from collections import defaultdict
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
from blocks.telemetry.document_spans import run_span_id, run_trace_id, trace_id_of
from tasks.runs.models import open_registry
from tests.database_fixtures import database_at, on_server
from tests.doubles.otlp_receiver import OtlpReceiver, attributes_of
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


def joined_runs(notes: Notes, run_id: str) -> list[dict[str, Any]]:
    """The flow runs that have joined a run. The server is that of all tests, and keeps the runs of the others."""
    found = notes.workplace.ask("flow_runs/filter", flows={"name": {"any_": ["work-chunks"]}}, sort="NAME_ASC")
    return [run for run in cast("list[dict[str, Any]]", found) if run["parameters"] == {"run_id": run_id}]


def have_ended(notes: Notes, run_id: str) -> bool:
    return all(run["state"]["name"] in ENDED for run in joined_runs(notes, run_id))


def read_rows(database: Database, folder: Path) -> object:
    return read(database.url.get_secret_value(), folder, 0).rows


def one_trace_per_document(receiver: OtlpReceiver, database: Database, run_id: str, *, has_run_span: bool) -> None:
    """Every document of the run has a trace with one root, whichever workers it passed, and it links to the run."""
    spans: dict[int, list[Any]] = defaultdict(list)
    for span in receiver.span_messages():
        if attributes_of(span)["winnow.run_id"] == run_id:
            spans[int.from_bytes(span.trace_id, "big")].append(span)
    assert [span.name for span in spans.pop(run_trace_id(run_id), [])] == ["run"] * has_run_span
    documents = [id_ for (id_,) in rows(database, "select document_id from results where is_current")]
    assert set(spans) == {trace_id_of(run_id, id_) for id_ in documents}
    for trace in spans.values():
        [root] = [span for span in trace if span.name == "document"]
        [link] = root.links
        assert int.from_bytes(link.span_id, "big") == run_span_id(run_id)
        assert {span.name for span in trace} >= {"score", "validate", "store"}
        scores = {span.span_id for span in trace if span.name == "score"}
        for span in trace:
            parents = {b""} if span is root else scores if span.name.startswith("chat") else {root.span_id}
            assert span.parent_span_id in parents, span.name


@pytest.mark.usefixtures("pool")
def test_a_run_is_shared_and_loses_nothing_with_a_worker(
    notes: Notes, databases: list[Database], receiver: OtlpReceiver
) -> None:
    shared, alone = databases
    notes.workplace.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
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
        summary = json.loads(out)
        wait_until(lambda: have_ended(notes, summary["run_id"]), WAIT_S)
    assert summary["documents"] == DOCUMENTS
    assert summary["failed"] == 0
    assert "2 workers of the pool winnow may join the run" in err

    joined = joined_runs(notes, summary["run_id"])
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
    one_trace_per_document(receiver, shared, summary["run_id"], has_run_span=True)

    use(notes, alone)
    notes.provider.script(**told)
    assert json.loads(notes.workplace.winnow("run", *notes.arguments(source, *options)).stdout)["failed"] == 0
    assert max(asked_notes(notes.provider.log()).values()) == 1
    assert read_rows(shared, notes.workplace.folder) == read_rows(alone, notes.workplace.folder)


@pytest.mark.usefixtures("pool")
def test_further_workers_do_all_when_the_process_that_began_the_run_dies_and_the_next_run_closes_it(
    notes: Notes, databases: list[Database], receiver: OtlpReceiver
) -> None:
    shared, alone = databases
    notes.workplace.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
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
        os.kill(command.pid, signal.SIGKILL)
        cut_off = len(rows(shared, "select 1 from model_calls where outcome = 'open'"))
        command.communicate(timeout=WAIT_S)  # the processes that it had started hold its output, and end by themselves
        notes.provider.script(**told)
        [(run_id,)] = rows(shared, "select run_id from runs")
        wait_until(lambda: have_ended(notes, run_id), WAIT_S)
    joined = joined_runs(notes, run_id)
    assert [run["state"]["name"] for run in joined] == ["Completed"] * 2, [run["state"] for run in joined]
    assert rows(shared, "select count(*) from run_chunks where not is_done") == [(0,)]
    assert rows(shared, "select count(*) from results where is_current") == [(DOCUMENTS,)]
    assert rows(shared, "select state from runs") == [(None,)]
    calls = asked_notes(notes.provider.log())
    assert sum(calls.values()) <= DOCUMENTS + cut_off

    summary = json.loads(notes.workplace.winnow("run", *notes.arguments(source, *options)).stdout)
    assert (summary["documents"], summary["skipped"]) == (DOCUMENTS, DOCUMENTS)
    assert asked_notes(notes.provider.log()) == calls
    one_trace_per_document(receiver, shared, run_id, has_run_span=False)
    later = [span for span in receiver.spans() if span["winnow.run_id"] == summary["run_id"]]
    assert [span["name"] for span in later] == ["run"], "a document that is skipped has no trace"
    assert rows(shared, "select state from runs order by started_at") == [("Crashed",), ("Completed",)]
    assert notes.workplace.ask(f"flow_runs/{run_id}")["state"]["name"] == "Crashed"
    assert [run["state"]["name"] for run in joined_runs(notes, run_id)] == ["Completed"] * 2

    use(notes, alone)
    notes.provider.script(**told)
    notes.workplace.winnow("run", *notes.arguments(source, *options))
    assert read_rows(shared, notes.workplace.folder) == read_rows(alone, notes.workplace.folder)


@pytest.mark.usefixtures("pool")
def test_without_a_worker_the_run_works_alone_and_calls_off_what_it_asked_for(
    notes: Notes, databases: list[Database]
) -> None:
    use(notes, databases[0])
    notes.provider.script(hook=TRUTHFUL, prices=PRICES)
    summary = notes.run(notes.write(3), "--model", "slow", "--workers", "2")
    assert summary["documents"] == 3
    assert [run["state"]["name"] for run in joined_runs(notes, str(summary["run_id"]))] == ["Cancelled"] * 2


def test_a_pool_that_was_not_deployed_is_one_line(notes: Notes) -> None:
    done = notes.workplace.winnow("run", *notes.arguments(notes.write(1), "--workers", "pool"), expect=1)
    assert "no further workers can join the run: Prefect has no deployment work-chunks/joined" in done.stderr
    assert notes.query("select * from runs") == []
