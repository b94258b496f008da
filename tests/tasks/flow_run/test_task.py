"""A flow's run in Prefect, without a server: which records keep their stack, and the artifact of its progress.

tests/flows/test_deployments.py has the rest, in real runs of a real worker.
"""

import logging
import sys
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.exceptions import ParameterTypeError

from blocks import progress
from blocks.errors import SourceMissing, StageCrashed
from blocks.records import CHUNK_STAGES
from tasks.flow_run import task
from tests.winnow_command import wait_until

SECOND_RECORD = "Engine execution exited with unexpected exception"


def record_of(error: Exception, message: str) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        return logging.LogRecord("prefect.flow_runs", logging.ERROR, "", 0, message, (), sys.exc_info())


@pytest.mark.parametrize(
    ("error", "message", "is_kept", "has_stack"),
    [
        (SourceMissing("/in"), "Task run failed", True, False),
        (SourceMissing("/in"), SECOND_RECORD, False, False),
        (ParameterTypeError("rerun: no such value"), SECOND_RECORD, True, False),
        (StageCrashed("planted"), "Task run failed", True, True),
        (ZeroDivisionError("planted"), SECOND_RECORD, True, True),
    ],
)
def test_only_defects_keep_their_stack(error: Exception, message: str, is_kept: bool, has_stack: bool) -> None:
    record = record_of(error, message)
    assert bool(logging.getLogger("prefect.flow_runs").filter(record)) == is_kept
    assert bool(record.exc_info) == has_stack


def test_the_progress_is_shown_while_the_run_works_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[UUID | None, float, str | None]] = []
    made = uuid4()

    def create(percent: float, key: str, description: str) -> UUID:
        assert key == "winnow-progress"
        shown.append((None, percent, description))
        return made

    def update(artifact_id: UUID, percent: float, description: str) -> None:
        shown.append((artifact_id, percent, description))

    monkeypatch.setattr(task, "create_progress_artifact", create)
    monkeypatch.setattr(task, "update_progress_artifact", update)
    monkeypatch.setattr(task, "SHOW_EVERY_S", 0.01)
    with task._progress_artifact("run"):
        progress.publish(progress.Planned("run", 4))
        progress.publish(progress.Planned("another run", 400))
        wait_until(lambda: shown)
        for stage in CHUNK_STAGES:
            progress.report("run", stage, 4)
    assert shown[0][0] is None
    assert {artifact_id for artifact_id, *_ in shown[1:]} == {made}
    assert shown[-1][1:] == (100.0, "extract 4/4, classify 4/4, score 4/4, validate 4/4, store 4/4")


def test_a_short_run_has_no_artifact_of_its_progress_and_a_lost_server_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[float] = []

    def unreachable(percent: float, *_: object) -> UUID:
        calls.append(percent)
        raise httpx.ConnectError("nobody listens")

    monkeypatch.setattr(task, "create_progress_artifact", unreachable)
    monkeypatch.setattr(task, "get_run_logger", logging.getLogger)
    with task._progress_artifact("run"):
        pass
    assert calls == []
    monkeypatch.setattr(task, "SHOW_EVERY_S", 0.01)
    with task._progress_artifact("run"):
        wait_until(lambda: len(calls) >= 2)
    assert "the progress could not be shown: nobody listens" in caplog.text
