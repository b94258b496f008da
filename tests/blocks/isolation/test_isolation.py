"""A child that misbehaves costs its own document a typed failure, and nothing else."""

import ast
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import JsonValue

from blocks.errors import Crashed, Encrypted, OutOfMemory, ProcessUnavailable, TimedOut, TooLarge, WinnowError
from blocks.isolation.isolation import Isolation
from blocks.records import Retry, Stage
from blocks.settings import Settings

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
    assert time.monotonic() - started < 1.5


def test_output_is_capped(isolation: Isolation) -> None:
    assert len(call(isolation, "flood", size=1024 * 1024)) == 1024 * 1024
    with pytest.raises(TooLarge, match="WINNOW_MAX_OUTPUT_MB"):
        call(isolation, "flood", size=1024 * 1024 + 1)


def test_a_reported_error_keeps_its_message(isolation: Isolation) -> None:
    with pytest.raises(Encrypted) as raised:
        call(isolation, "refuse")
    assert str(raised.value) == str(Encrypted(tried=2))


def test_a_defect_in_a_function_is_named(isolation: Isolation) -> None:
    with pytest.raises(WinnowError, match="ZeroDivisionError: by zero") as raised:
        call(isolation, "stumble")
    assert raised.value.kind == "internal"


def test_a_child_has_nothing_but_its_document(
    isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_SECRET", "canary")
    tmp_path.chmod(0o777)
    fresh = Isolation(Settings(processes=1))
    try:
        found = ast.literal_eval(call(fresh, "surroundings", folder=str(tmp_path)).decode())
    finally:
        fresh.close()
    assert "WINNOW_SECRET" not in found["environment"]
    assert found["uid"] != 0
    assert found["core"] == 0
    assert not found["fork"]
    assert not found["write"]
    assert call(isolation, "talk_to_neighbours") == b"[]"


def test_no_more_children_work_at_once_than_processes(isolation: Isolation) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: call(isolation, "sleep", seconds=0.3), range(6)))
    assert time.monotonic() - started >= 0.9


def test_a_dead_zygote_is_replaced(isolation: Isolation) -> None:
    call(isolation, "echo", suffix="")
    os.kill(isolation._nurseries[PARSERS].pid, signal.SIGKILL)
    assert call(isolation, "echo", b"again", suffix="") == b"again"


def test_a_zygote_killed_while_a_child_works_costs_no_document(isolation: Isolation) -> None:
    call(isolation, "echo", suffix="")
    pid = isolation._nurseries[PARSERS].pid
    timer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    timer.start()
    assert call(isolation, "sleep", seconds=0.6) == b"slept"
    timer.join()


def test_a_module_that_cannot_be_imported_is_said_so() -> None:
    isolation = Isolation(Settings(processes=1))
    with pytest.raises(ProcessUnavailable, match="ModuleNotFoundError"):
        isolation.run("tests.doubles.nowhere:read", b"", {}, 5.0)
    isolation.close()


def test_a_machine_without_processes_is_worth_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    isolation = Isolation(Settings(processes=1))
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refused)
        with pytest.raises(ProcessUnavailable, match="temporarily unavailable") as caught:
            call(isolation, "echo", suffix="")
    assert caught.value.failure(Stage.EXTRACT).retry is Retry.NOW
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
    assert call(isolation, "echo", b"later", suffix="") == b"later"
    isolation.close()


def test_nothing_is_left_open_or_running(tmp_path: Path) -> None:
    isolation = Isolation(Settings(processes=2))
    call(isolation, "echo", suffix="")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        call(isolation, "echo", suffix="")
        with pytest.raises(Crashed):
            call(isolation, "leave")
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
    zygote = isolation._nurseries[PARSERS].pid
    assert not [pid for pid in children_of(zygote) if state_of(pid) == "Z"]
    isolation.close()
    assert not Path(f"/proc/{zygote}").exists()


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
        print(isolation._nurseries["{PARSERS}"].pid, flush=True)
        time.sleep(60)
    """)
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    zygote = int(worker.stdout.readline())
    pids = [zygote, *children_of(zygote)]
    assert len(pids) >= 2
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


def alive(pid: int) -> bool:
    return state_of(pid) not in ("gone", "Z")
