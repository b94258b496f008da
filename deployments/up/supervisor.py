"""Keeps processes running: one log, health checks, restarts with back-off, and a stop that leaves no process.

All processes are started by the main thread: Linux sends them SIGTERM when the thread that started them ends, so that
they end even if the supervisor is killed.
"""

import contextlib
import ctypes
import logging
import logging.handlers
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

CHECK_EVERY_S, CHECKS_TO_FAIL = 15.0, 3
FIRST_BACK_OFF_S, LAST_BACK_OFF_S, SOUND_AFTER_S = 1.0, 60.0, 60.0
STOP_WITHIN_S, KILL_WITHIN_S = 20.0, 5.0
LOG_BYTES, LOGS_KEPT = 10_000_000, 3
_PR_SET_PDEATHSIG = 1

log = logging.getLogger("winnow.up")


@dataclass(frozen=True)
class Service:
    """A process to keep running. Once it had `starts_within_s`, `is_healthy` is asked every `CHECK_EVERY_S`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    is_healthy: Callable[[], bool]
    starts_within_s: float = 60.0
    on_start: Callable[[int], None] = lambda _pid: None


@dataclass
class _Kept:
    service: Service
    process: subprocess.Popen[bytes]
    began_at: float
    back_off_s: float = field(default_factory=lambda: FIRST_BACK_OFF_S / 2)
    starts_at: float | None = None
    failed_checks: int = 0
    checked_at: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs services until `stop`. The order of starting is that of `start`; the order of stopping is the reverse."""

    def __init__(self, log_file: Path) -> None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(log_file, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.handlers[:], log.propagate = [handler], False
        log.setLevel(logging.INFO)
        self._kept: list[_Kept] = []

    def start(self, service: Service) -> None:
        """Start a service, and keep it running from now on."""
        self._kept.append(_Kept(service, _spawn(service), time.monotonic()))

    def wait_for(self, service: Service, is_up: Callable[[], bool] | None = None) -> bool:
        """Wait until the service is healthy. False where its process ends, or is not healthy in time."""
        [kept] = [kept for kept in self._kept if kept.service is service]
        deadline = time.monotonic() + service.starts_within_s
        while time.monotonic() < deadline and kept.process.poll() is None:
            if (is_up or service.is_healthy)():
                return True
            time.sleep(0.3)
        return False

    def tend(self) -> None:
        """Restart what has ended, or does not answer: call it about once a second."""
        for kept in self._kept:
            now = time.monotonic()
            if kept.starts_at is not None:
                if now >= kept.starts_at:
                    kept.process, kept.began_at, kept.starts_at = _spawn(kept.service), now, None
            elif kept.process.poll() is not None:
                _plan_restart(kept, f"ended with code {kept.process.returncode}")
            elif now - max(kept.checked_at, kept.began_at + kept.service.starts_within_s) > CHECK_EVERY_S:
                _check(kept)

    def states(self) -> dict[str, str]:
        """By service: up, or waiting to be started again."""
        return {kept.service.name: "up" if kept.starts_at is None else "restarting" for kept in self._kept}

    def stop(self) -> None:
        """End every process of every service, the last one first: SIGTERM, then SIGKILL."""
        for kept in reversed(self._kept):
            log.info("up | %s is stopped", kept.service.name)
            _end(kept.process)
        self._kept.clear()


def _check(kept: _Kept) -> None:
    kept.failed_checks = 0 if kept.service.is_healthy() else kept.failed_checks + 1
    kept.checked_at = time.monotonic()
    if kept.failed_checks:
        log.warning("up | %s: health check failed, %d of %d", kept.service.name, kept.failed_checks, CHECKS_TO_FAIL)
    if kept.failed_checks >= CHECKS_TO_FAIL:
        _end(kept.process)
        _plan_restart(kept, "did not answer")


def _plan_restart(kept: _Kept, why: str) -> None:
    """A service that ran for a while starts again at once, one that ends soon ever later."""
    now = time.monotonic()
    was_sound = now - kept.began_at > SOUND_AFTER_S
    kept.back_off_s = FIRST_BACK_OFF_S if was_sound else min(kept.back_off_s * 2, LAST_BACK_OFF_S)
    kept.starts_at, kept.failed_checks = now + kept.back_off_s, 0
    log.warning("up | %s %s; it starts again in %g s", kept.service.name, why, kept.back_off_s)


def _spawn(service: Service) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        service.command,
        env=dict(service.environment),
        cwd=service.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the services in order
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - it makes one system call
    )
    log.info("up | %s started as process %d", service.name, process.pid)
    threading.Thread(target=_copy_output, args=(service.name, process), name=service.name, daemon=True).start()
    service.on_start(process.pid)
    return process


def _copy_output(name: str, process: "subprocess.Popen[bytes]") -> None:
    for line in process.stdout or ():
        log.info("%s | %s", name, line.decode(errors="replace").rstrip())


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all its descendants, also those that have a session of their own."""
    family = _descendants(process.pid)
    if process.poll() is None:
        process.terminate()
    deadline = time.monotonic() + STOP_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        family |= _descendants(process.pid)
        time.sleep(0.1)
    for signal_name in ("terminate", "kill"):
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself
                if each.is_running():  # and no other process has its pid
                    getattr(each, signal_name)()
        psutil.wait_procs(family, timeout=KILL_WITHIN_S)
    if process.poll() is None:
        process.kill()
    process.wait()


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return set()
