"""How a run's flow ends, and the end of its row, without a Prefect server."""

import logging
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED, temporary_settings
from sqlalchemy import select

from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.pipeline import runs
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.document_types.schema import DocumentType
from blocks.records import Failure, Retry, RunCounts, Stage
from blocks.settings import Settings
from tasks.report import task
from tasks.report.report import RunFailed, RunReport
from tasks.report.task import closing_state, report
from tasks.runs.chunk import RunContext
from tasks.runs.run import Run
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of


@dataclass
class OpenRun:
    """What the report needs of a run."""

    database: Database | None = None
    context: RunContext = field(default_factory=lambda: RunContext(run_id="run-1", name="letters"))
    run_id: str = "run-1"
    types: dict[str, DocumentType] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: Settings(allowed_failure_share=0.5))


def as_run(double: OpenRun) -> Run:
    return cast("Run", double)


@pytest.mark.parametrize(
    ("failed", "name", "state_type", "message"),
    [
        (0, "Completed", StateType.COMPLETED, "4 documents: 4 accepted"),
        (2, "CompletedWithErrors", StateType.COMPLETED, "4 documents: 2 accepted, 2 failed"),
        (
            3,
            "Failed",
            StateType.FAILED,
            "4 documents: 1 accepted, 3 failed; more than the allowed 50% failed",
        ),
    ],
)
def test_the_flow_ends_as_its_counts_say_and_has_the_report(
    failed: int, name: str, state_type: StateType, message: str
) -> None:
    counts = RunCounts(documents=4, accepted=4 - failed, failed=failed)
    result = RunReport(
        counts=counts, missing=0, by_type={}, failure_kinds={}, findings=(), model_calls=0, cost_usd=Decimal(0)
    )
    state = closing_state(as_run(OpenRun()), result)
    assert (state.name, state.type, state.message) == (name, state_type, message)
    if name == "Failed":
        assert isinstance(state.data, RunFailed)
        assert (state.data.report, str(state.data)) == (result, message)
    else:
        assert state.data is result


@pytest.fixture
def ended(sqlite_database: Database) -> OpenRun:
    """A run of one document that failed and one that was accepted."""
    runs.start_run(sqlite_database, "run-1", "letters", settings={}, types={}, source="/in")
    add_documents(sqlite_database, "a", "b")
    with sqlite_database.write() as connection:
        failure = Failure(stage=Stage.EXTRACT, kind="corrupt", message="no pages; ask the sender", retry=Retry.NEVER)
        record_failures(
            database=sqlite_database,
            connection=connection,
            run_id="run-1",
            failed=[FailedDocument(id_of("a"), failure)],
            at=now(),
        )
        runs.set_outcomes(connection, "run-1", {id_of("a"): "failed", id_of("b"): "accepted"})
    return OpenRun(sqlite_database)


def row_of(database: Database | None) -> tuple[str, str]:
    assert database is not None
    with database.read() as connection:
        row = connection.execute(select(tables.runs.c.state, tables.runs.c.message)).one()
    return (row.state, row.message)


def test_the_report_ends_the_row_and_is_the_artifact(ended: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts: list[tuple[Any, str, str]] = []

    def create(content: object, key: str, description: str) -> None:
        artifacts.append((content, key, description))

    monkeypatch.setattr(task, "create_markdown_artifact", create)
    monkeypatch.setattr(task, "create_table_artifact", create)
    result = report.fn(as_run(ended))
    message = "2 documents: 1 accepted, 1 failed"
    assert result.counts == RunCounts(documents=2, accepted=1, failed=1)
    assert row_of(ended.database) == ("CompletedWithErrors", message)
    (page, key, description), (rows, key_of_table, description_of_table) = artifacts
    assert page.startswith(f"# letters\n\n{message}\n")
    assert (key, description) == ("winnow-run", message)
    assert rows == [
        {
            "document": "/in/a",
            "stage": "extract",
            "failure": "corrupt",
            "what happened": "no pages",
            "what to do": "ask the sender",
            "id": id_of("a"),
        }
    ]
    assert (key_of_table, description_of_table) == (
        "winnow-failures",
        "failures: 1; all: `winnow failures --run run-1`",
    )


def test_a_run_ends_although_prefect_cannot_be_reached(
    ended: OpenRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise httpx.ConnectError("nobody listens")

    monkeypatch.setattr(task, "create_markdown_artifact", unreachable)
    monkeypatch.setattr(task, "get_run_logger", logging.getLogger)
    assert report.fn(as_run(ended)).counts.failed == 1
    assert row_of(ended.database)[0] == "CompletedWithErrors"
    assert "Prefect did not take the artifacts of the run: nobody listens" in caplog.text


class RefusingPrefect(BaseHTTPRequestHandler):
    """A Prefect server, or a proxy before one, that takes no artifacts."""

    def do_GET(self) -> None:
        self._answer(200, b'"3.8.8"')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(403, b'{"detail": "no artifacts"}')

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_a_run_ends_although_prefect_refuses_its_artifacts(
    ended: OpenRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task, "get_run_logger", logging.getLogger)
    with ThreadingHTTPServer(("127.0.0.1", 0), RefusingPrefect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}):
            assert report.fn(as_run(ended)).counts.failed == 1
        server.shutdown()
    assert row_of(ended.database)[0] == "CompletedWithErrors"
    assert "Prefect did not take the artifacts of the run: Client error '403 Forbidden'" in caplog.text


@pytest.mark.parametrize("part", ["as_markdown", "signals"])
def test_a_defect_in_what_is_shown_of_a_run_does_not_make_a_failure_of_it(
    part: str, ended: OpenRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(task, part, broken)
    for create in ("create_markdown_artifact", "create_table_artifact"):
        monkeypatch.setattr(task, create, lambda *_, **__: None)
    monkeypatch.setattr(task, "get_run_logger", logging.getLogger)
    assert report.fn(as_run(ended)).counts.failed == 1
    assert row_of(ended.database)[0] == "CompletedWithErrors"
    assert "the run itself is done" in caplog.text
    assert "ZeroDivisionError: planted" in caplog.text
