"""Processes that end, hang and refuse to end, under the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.up import supervisor as supervision
from deployments.up.supervisor import Service, Supervisor
from tests.winnow_command import wait_until

SLEEPS = "import time; time.sleep(600)"
HAS_FAMILY = f"""
import subprocess, sys, time
for new_session in (False, True):
    subprocess.Popen([sys.executable, "-c", {SLEEPS!r}], start_new_session=new_session)
print("has children", flush=True)
time.sleep(600)
"""
HEARS_NOTHING = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n" + SLEEPS
)
SUPERVISES = f"""
import os, sys
from pathlib import Path
from deployments.up.supervisor import Service, Supervisor
one = Supervisor(Path(sys.argv[1]))
one.start(Service("one", [sys.executable, "-c", {SLEEPS!r}], os.environ, Path.cwd(), lambda: True,
                  on_start=lambda pid: print(pid, flush=True)))
import time; time.sleep(600)
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    for name, seconds in {
        "FIRST_BACK_OFF_S": 0.2,
        "CHECK_EVERY_S": 0.1,
        "STOP_WITHIN_S": 1.0,
        "KILL_WITHIN_S": 1.0,
    }.items():
        monkeypatch.setattr(supervision, name, seconds)
    started = Supervisor(tmp_path / "up.log")
    yield started
    started.stop()


def service(
    script: str, pids: list[int], is_healthy: Callable[[], bool] = lambda: True, starts_within_s: float = 0.2
) -> Service:
    command = [sys.executable, "-c", script]
    return Service("one", command, os.environ, Path.cwd(), is_healthy, starts_within_s, pids.append)


def lives(process: psutil.Process) -> bool:
    """Whether a process is more than a zombie that nobody has waited for."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def tended(kept: Supervisor, condition: Callable[[], object]) -> None:
    def holds() -> object:
        kept.tend()
        return condition()

    wait_until(holds, timeout_s=60)


def test_what_ends_starts_again_ever_later(kept: Supervisor, tmp_path: Path) -> None:
    pids: list[int] = []
    kept.start(service("print('hello'); raise SystemExit(3)", pids))
    tended(kept, lambda: len(pids) == 3)
    lines = (tmp_path / "up.log").read_text()
    assert "up | one ended with code 3; it starts again in 0.2 s" in lines
    assert "up | one ended with code 3; it starts again in 0.4 s" in lines
    assert "one | hello" in lines


def test_what_does_not_answer_three_times_is_replaced(kept: Supervisor) -> None:
    pids: list[int] = []
    kept.start(service(SLEEPS, pids, is_healthy=lambda: len(pids) > 1))
    tended(kept, lambda: len(pids) == 2)
    assert not psutil.pid_exists(pids[0])
    assert kept.states() == {"one": "up"}


def test_a_stop_leaves_no_process_of_the_family(kept: Supervisor, tmp_path: Path) -> None:
    pids: list[int] = []
    kept.start(service(HAS_FAMILY, pids))
    kept.start(service(HEARS_NOTHING, pids))
    wait_until(
        lambda: {"has children", "deaf"} <= set((tmp_path / "up.log").read_text().replace("\n", " | ").split(" | "))
    )
    family = [process for pid in pids for process in (psutil.Process(pid), *psutil.Process(pid).children())]
    assert len(family) == 4
    kept.stop()
    wait_until(lambda: not [process for process in family if lives(process)])


def test_a_child_that_ends_by_itself_meanwhile_does_not_keep_the_others_running(
    kept: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    child = psutil.Process(ended.pid)
    ended.wait()
    monkeypatch.setattr(child, "is_running", lambda: True)  # as it was a moment ago
    monkeypatch.setattr(supervision, "_descendants", lambda _pid: {child})
    pids: list[int] = []
    for _ in range(2):
        kept.start(service(SLEEPS, pids))
    kept.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process that its parent has died")
def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, tmp_path / "up.log"], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    pid = int(killed.stdout.readline())
    started = psutil.Process(pid)
    time.sleep(0.2)  # until the child has run what the fork left it to do
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_until(lambda: not lives(started))


def test_a_service_that_ends_at_once_is_not_waited_for(kept: Supervisor) -> None:
    failing = service("raise SystemExit(1)", [], is_healthy=lambda: False, starts_within_s=600)
    kept.start(failing)
    began = time.monotonic()
    assert not kept.wait_for(failing)
    assert time.monotonic() - began < 300
