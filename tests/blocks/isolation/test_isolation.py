"""A parser process that misbehaves costs its own document a typed failure, and nothing else."""

import ast
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import JsonValue

from blocks.errors import (
    Crashed,
    Encrypted,
    OutOfMemory,
    ProcessUnavailable,
    StageCrashed,
    TimedOut,
    TooLarge,
    WinnowError,
)
from blocks.isolation import isolation as isolation_module
from blocks.isolation import wire
from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.isolation import Isolation, shared_isolation
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool
from blocks.records import Retry, Stage
from blocks.settings import Settings
from tests.doubles.open_files import open_files
from tests.doubles.process_trees import children_of, is_alive, state_of
from tests.winnow_command import wait_until

PARSERS = "tests.doubles.misbehaving_parsers"


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    opened = Isolation(Settings(processes=2, memory_limit_mb=128, max_output_mb=1))
    yield opened
    opened.close()


def call(
    isolation: Isolation, function: str, content: bytes = b"", timeout_s: float = 10.0, **arguments: JsonValue
) -> bytes:
    return isolation.run(f"{PARSERS}:{function}", content, arguments, timeout_s)


def test_bytes_go_in_and_come_out(isolation: Isolation) -> None:
    large = os.urandom(3_000_00)
    assert call(isolation, "echo", large, suffix="!") == large + b"!"


def test_every_document_has_a_process_of_its_own(isolation: Isolation) -> None:
    assert len({call(isolation, "process_id") for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("spin", TimedOut),
        ("ignore_every_signal", TimedOut),
        ("hoard", OutOfMemory),
        ("starve_as_c_code_does", OutOfMemory),
        ("abort", Crashed),
        ("leave", Crashed),
        ("refuse", Encrypted),
    ],
)
def test_a_bad_end_is_a_typed_error_and_the_next_document_is_read(
    isolation: Isolation, function: str, expected: type[WinnowError]
) -> None:
    with pytest.raises(expected) as raised:
        call(isolation, function, timeout_s=1.5)
    assert type(raised.value) is expected
    assert call(isolation, "echo", b"next", suffix="") == b"next"


def test_the_wall_clock_counts_even_when_nothing_is_computed(isolation: Isolation) -> None:
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.3 s"):
        call(isolation, "sleep", timeout_s=0.3, seconds=30)
    assert time.monotonic() - started < 20


def test_output_is_capped(isolation: Isolation) -> None:
    assert len(call(isolation, "flood", size=1024 * 1024)) == 1024 * 1024
    with pytest.raises(TooLarge, match="WINNOW_MAX_OUTPUT_MB"):
        call(isolation, "flood", size=1024 * 1024 + 1)


def test_a_reported_error_keeps_its_message(isolation: Isolation) -> None:
    with pytest.raises(Encrypted) as raised:
        call(isolation, "refuse")
    assert str(raised.value) == str(Encrypted(tried=2))


def test_a_defect_in_a_function_is_named(isolation: Isolation) -> None:
    with pytest.raises(StageCrashed, match="ZeroDivisionError: by zero") as raised:
        call(isolation, "stumble")
    assert raised.value.kind == "internal"
    (stack,) = raised.value.__notes__
    assert "in stumble" in stack


def test_a_parser_process_has_nothing_but_its_document(isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_SECRET", "canary")
    fresh = Isolation(Settings(processes=1))
    # Not one of pytest's folders: those are out of an unprivileged user's reach in any case.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.create_server(("127.0.0.1", 0)) as server:
        Path(folder).chmod(0o777)
        try:
            port = server.getsockname()[1]
            found = ast.literal_eval(call(fresh, "surroundings", folder=folder, port=port).decode())
        finally:
            fresh.close()
    assert "WINNOW_SECRET" not in found["environment"]
    assert found["uid"] != 0
    assert found["core"] == 0
    assert not found["fork"]
    assert found["write"] == "EFBIG"
    if os.geteuid() == 0:
        assert found["connect"] == "ENETUNREACH"
    assert call(isolation, "talk_to_neighbours") == b"[]"


def test_no_more_parsers_work_at_once_than_processes(isolation: Isolation) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: call(isolation, "sleep", seconds=0.3), range(6)))
    assert time.monotonic() - started >= 0.9


def test_a_dead_fork_server_is_replaced(isolation: Isolation) -> None:
    call(isolation, "echo", suffix="")
    server = isolation.pool(PARSERS).server_pid or 0
    os.kill(server, signal.SIGKILL)
    while is_alive(server):
        time.sleep(0.01)
    assert call(isolation, "echo", b"again", suffix="") == b"again"


def test_a_fork_server_killed_while_a_parser_works_costs_no_document(isolation: Isolation) -> None:
    call(isolation, "echo", suffix="")
    pid = isolation.pool(PARSERS).server_pid or 0
    timer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    timer.start()
    assert call(isolation, "sleep", seconds=0.6) == b"slept"
    timer.join()


def test_a_module_that_cannot_be_imported_is_named() -> None:
    isolation = Isolation(Settings(processes=1))
    with pytest.raises(ProcessUnavailable, match="ModuleNotFoundError"):
        isolation.run("tests.doubles.nowhere:read", b"", {}, 5.0)
    isolation.close()


def test_a_machine_without_processes_is_worth_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    isolation = Isolation(Settings(processes=1))
    before = open_files()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refused)
        with pytest.raises(ProcessUnavailable, match="temporarily unavailable") as caught:
            call(isolation, "echo", suffix="")
    assert caught.value.failure(Stage.EXTRACT).retry is Retry.NOW
    assert open_files() <= before
    assert call(isolation, "echo", b"later", suffix="") == b"later"
    isolation.close()


def test_nothing_is_left_open_or_running(tmp_path: Path) -> None:
    isolation = Isolation(Settings(processes=2))
    call(isolation, "echo", suffix="")
    before = open_files()
    for _ in range(20):
        call(isolation, "echo", suffix="")
        with pytest.raises(Crashed):
            call(isolation, "leave")
    assert len(open_files()) <= len(before)  # the pipes of the last children replace the first ones'
    server = isolation.pool(PARSERS).server_pid
    assert server is not None
    wait_until(lambda: not [pid for pid in children_of(server) if state_of(pid) == "Z"])  # the last is reaped soon
    isolation.close()
    assert not Path(f"/proc/{server}").exists()


def test_content_is_sent_once_for_all_that_is_done_with_a_document(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = wire.send

    def counted(channel: socket.socket, content: bytes, deadline: float) -> None:
        sent.append(len(content))
        send(channel, content, deadline)

    monkeypatch.setattr(wire, "send", counted)
    large = os.urandom(300_000)
    with isolation.open(PARSERS, large) as session:
        pids = {session.run("process_id", {}, 5.0)[0] for _ in range(3)}
        assert session.run("echo", {"suffix": "!"}, 5.0)[0] == large + b"!"
    assert len(pids) == 1
    assert sum(sent) < len(large) + 1_000


def test_a_session_whose_process_died_sends_the_content_to_another(isolation: Isolation) -> None:
    with isolation.open(PARSERS, b"content") as session:
        assert session.run("echo", {"suffix": ""}, 5.0)[0] == b"content"
        with pytest.raises(Crashed, match="exit code 3"):
            session.run("leave", {}, 5.0)
        assert session.run("echo", {"suffix": ""}, 5.0)[0] == b"content"


def test_a_session_ends_its_process(isolation: Isolation) -> None:
    with isolation.open(PARSERS, b"") as session:
        pid = int(session.run("process_id", {}, 5.0)[0])
        assert is_alive(pid)
    deadline = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def test_what_a_preparation_raises_reaches_the_caller() -> None:
    limits = Limits(memory_mb=128, open_files=20)
    slots = threading.BoundedSemaphore(1)
    refused = ProcessPool(ProcessKind(f"{PARSERS}", limits, 1, {"refuse": True}), slots)
    with refused.open(b"") as session, pytest.raises(Encrypted):
        session.run("process_id", {}, 5.0)
    broken = ProcessPool(ProcessKind(f"{PARSERS}", limits, 1, {"unknown": True}), slots)
    with broken.open(b"") as session, pytest.raises(ProcessUnavailable, match="TypeError"):
        session.run("process_id", {}, 5.0)


def test_the_stderr_of_a_process_tells_memory_from_other_ends(isolation: Isolation) -> None:
    with pytest.raises(OutOfMemory):
        call(isolation, "abort_with", words="terminate called after throwing std::bad_alloc")
    with pytest.raises(Crashed, match="SIGABRT"):
        call(isolation, "abort_with", words="x" * 1_000_000)


def test_no_process_outlives_a_killed_worker(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import threading, time
        from blocks.isolation.isolation import Isolation
        from blocks.settings import Settings
        isolation = Isolation(Settings(processes=1))
        isolation.run("{PARSERS}:echo", b"", {{"suffix": ""}}, 5.0)
        run = lambda: isolation.run("{PARSERS}:ignore_every_signal", b"", {{}}, 60.0)
        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.5)
        print(isolation.pool("{PARSERS}").server_pid, flush=True)
        time.sleep(60)
    """)
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    server = int(worker.stdout.readline())
    pids = [server, *children_of(server)]
    assert len(pids) >= 2
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_alive(pid)]


def test_threads_that_come_first_at_once_share_an_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(settings: Settings) -> Isolation:
        time.sleep(0.1)
        return Isolation(settings)

    monkeypatch.setattr(isolation_module, "Isolation", slow)
    monkeypatch.setattr(isolation_module, "_shared", {})
    settings = Settings(processes=3)
    with ThreadPoolExecutor(4) as threads:
        shared = list(threads.map(lambda _: shared_isolation(settings), range(4)))
    assert len({id(isolation) for isolation in shared}) == 1
    assert shared_isolation(Settings(processes=4)) is not shared[0]
