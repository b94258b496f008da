"""The limits of an isolated process. It sets them itself, before it gets a byte of a document."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
"""The uid and gid that Linux and the BSDs keep for a user who owns nothing."""
MEGABYTE = 1024 * 1024

_LIBC = ctypes.CDLL(None)  # loaded before the fork: once, not per document

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
"""linux/prctl.h"""
CLONE_NEWNET = 0x40000000
"""linux/sched.h"""

_STARTS_A_PROGRAM = {"os.exec", "os.fork", "os.forkpty", "os.spawn", "os.system", "pty.spawn"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use beyond what its fork server uses already.

    A parser writes no file and starts no process. An OCR process may start `program`, and write files of up to
    `file_mb` for it. The system counts threads as processes, so where a parser needs `threads`, Python refuses others.
    A process that sees no file's bytes, and runs our own Python, `keeps_user`: it may read what only root may read.
    """

    memory_mb: int
    open_files: int
    file_mb: int = 0
    program: str | None = None
    threads: bool = False
    keeps_user: bool = False


def leave_network() -> None:
    """Move this process, and all that it forks, into a network namespace without an address.

    Only root on Linux can do so. Elsewhere, and where a container refuses, the process keeps its network.
    """
    if sys.platform == "linux" and os.geteuid() == 0:
        _LIBC.unshare(CLONE_NEWNET)


def confine(limits: Limits, inherited_bytes: int) -> None:
    """Give up root and set the limits, for good. `inherited_bytes` were mapped before the document came.

    A process that is not root keeps its user. If no program is allowed, the system refuses every new process. It cannot
    tell programs apart, so if one is allowed, Python refuses the others.
    """
    if os.geteuid() == 0 and not limits.keeps_user:
        # A container may refuse to change users; its root has few rights to give up.
        with contextlib.suppress(PermissionError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, limits.file_mb * MEGABYTE)
    _set(resource.RLIMIT_NOFILE, limits.open_files)
    _set(resource.RLIMIT_AS, inherited_bytes + limits.memory_mb * MEGABYTE)
    if limits.program is None and not limits.threads:
        _set(resource.RLIMIT_NPROC, 0)
    else:
        sys.addaudithook(_only(limits.program))
    if sys.platform == "linux":
        # Changing the user clears the death signal, so it is set after.
        _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_cpu(timeout_s: float) -> None:
    """End this process (SIGXCPU) after `timeout_s` of CPU time from now on.

    The worker kills it at the deadline by the wall clock. This limit works without the worker.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(usage.ru_utime + usage.ru_stime + timeout_s) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def address_space_bytes() -> int:
    """The bytes that this process has mapped; 0 if the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _only(program: str | None) -> Callable[[str, tuple[object, ...]], None]:
    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        # From Python 3.13 on, subprocess itself may start its program by os.posix_spawn.
        if event in {"subprocess.Popen", "os.posix_spawn"} and str(arguments[0]) != program:
            raise PermissionError(f"this process may start {program or 'no program'} and nothing else")
        if event in _STARTS_A_PROGRAM or event == "socket.connect":
            raise PermissionError(f"this process may not use {event}")

    return refuse


def _set(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
