"""How an isolated process ended decides the error of its document."""

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from blocks.errors import Crashed, Encrypted, OutOfMemory, ProcessUnavailable, StageCrashed, TimedOut, TooLarge
from blocks.isolation import wire
from blocks.isolation.fork_server_client import ForkServerClient, ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.process import IsolatedProcess
from tests.doubles.process_trees import all_end

KIND = ProcessKind("tests.doubles.misbehaving_parsers", Limits(memory_mb=128, open_files=20), max_output_mb=1)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServerClient]:
    with closing(ForkServerClient(KIND)) as opened:
        yield opened


@pytest.fixture
def process(server: ForkServerClient) -> Iterator[IsolatedProcess]:
    with closing(IsolatedProcess(server, KIND)) as forked:
        yield forked


def test_content_is_kept_for_the_next_request_until_other_content_comes(process: IsolatedProcess) -> None:
    contents = [b"first", None, b"", None, b"second"]
    replies = [process.run("echo", content, {"suffix": "."}, 5.0) for content in contents]
    assert replies == [b"first.", b"first.", b".", b".", b"second."]
    assert process.requests == 5
    assert process.peak_mb > 1


def test_the_error_that_a_function_raises_leaves_the_process_usable(process: IsolatedProcess) -> None:
    with pytest.raises(Encrypted):
        process.run("refuse", b"", {}, 5.0)
    assert process.is_usable
    assert process.run("echo", b"next", {"suffix": ""}, 5.0) == b"next"


@pytest.mark.parametrize(
    ("function", "expected"),
    [("stumble", StageCrashed), ("hoard", OutOfMemory), ("leave", Crashed), ("spin", TimedOut)],
)
def test_any_other_error_ends_its_use(process: IsolatedProcess, function: str, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        process.run(function, b"", {}, 2.0)
    assert not process.is_usable


def test_output_over_its_limit_ends_the_process(process: IsolatedProcess) -> None:
    pid = int(process.run("process_id", b"", {}, 5.0))
    with pytest.raises(TooLarge):
        process.run("flood", b"", {"size": (1 << 20) + 1}, 5.0)
    assert not process.is_usable
    assert all_end([pid])


def test_a_defect_outside_the_function_names_itself_and_its_stack_is_logged(
    process: IsolatedProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without_a_size(function: str, *_: object) -> bytes:
        return json.dumps({"function": function, "arguments": {}, "timeout_s": 5.0}).encode() + b"\n"

    monkeypatch.setattr(wire, "pack_request", without_a_size)
    with pytest.raises(Crashed, match=r"\(exit code 1: KeyError: 'size'\)"):
        process.run("echo", None, {}, 5.0)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "in answer\n" in record.getMessage()


def test_a_library_that_ends_the_interpreter_is_named(process: IsolatedProcess) -> None:
    with pytest.raises(Crashed, match=r"\(exit code 1: SystemExit: a library gave up\)"):
        process.run("end_the_interpreter", b"", {}, 5.0)


def test_what_a_library_writes_about_a_document_stays_out_of_the_error(process: IsolatedProcess) -> None:
    with pytest.raises(Crashed) as caught:
        process.run("exit_as_a_library_does", b"cannot parse 'Ms Example, born 1980'", {}, 5.0)
    assert str(caught.value) == str(Crashed("exit code 1"))


def test_a_killed_process_is_a_crash_by_its_signal(process: IsolatedProcess) -> None:
    pid = int(process.run("process_id", b"", {}, 5.0))
    threading.Timer(0.2, os.kill, (pid, signal.SIGBUS)).start()
    with pytest.raises(Crashed, match="SIGBUS"):
        process.run("sleep", b"", {"seconds": 10}, 10.0)


def test_the_end_of_computing_time_is_a_timeout(process: IsolatedProcess) -> None:
    pid = int(process.run("process_id", b"", {}, 5.0))
    threading.Timer(0.2, os.kill, (pid, signal.SIGXCPU)).start()
    with pytest.raises(TimedOut, match="10 s"):
        process.run("sleep", b"", {"seconds": 10}, 10.0)


def test_the_end_of_the_fork_server_is_no_fault_of_the_document() -> None:
    with closing(ForkServerClient(KIND)) as server, closing(IsolatedProcess(server, KIND)) as process:
        process.run("echo", b"", {"suffix": ""}, 5.0)
        threading.Timer(0.2, os.kill, (server.pid, signal.SIGKILL)).start()
        with pytest.raises(ProcessUnavailable, match=f"the fork server {server.pid} is gone"):
            process.run("sleep", b"", {"seconds": 10}, 10.0)
        assert server.is_gone
        assert not process.is_usable
