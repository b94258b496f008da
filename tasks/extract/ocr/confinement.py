"""What an OCR process gives up before it sees a bitmap: root, the network, other programs, boundless memory."""

import ctypes
import os
import resource
import sys
from collections.abc import Callable

from blocks.isolation.limits import NOBODY, PR_SET_NO_NEW_PRIVS, address_space_bytes

CLONE_NEWNET = 0x40000000
"""linux/sched.h"""

_LOG_BYTES = 1024 * 1024
_BITMAP_FILE_BYTES = 512 * 1024 * 1024
_OPEN_FILES = 64
_STARTING_A_PROGRAM = {"os.exec", "os.fork", "os.forkpty", "os.spawn", "os.system", "pty.spawn"}


def confine(memory_limit_mb: int, command: str | None) -> None:
    """Take the limits, for good. `command` is the one program that may be started, or None for no other process.

    The engine must have been built, and threads started, before. Where no command is needed the system refuses every
    new process; with one it cannot tell them apart, and Python refuses the others.
    """
    is_linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        if is_linux:
            libc.unshare(CLONE_NEWNET)  # a container may refuse; the worker has no address to talk to anyway
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _LOG_BYTES if command is None else _BITMAP_FILE_BYTES)
    _limit(resource.RLIMIT_AS, address_space_bytes() + memory_limit_mb * 1024 * 1024)
    if command is None:
        _limit(resource.RLIMIT_NPROC, 0)
    else:
        sys.addaudithook(_only(command))
    if is_linux:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _only(command: str) -> Callable[[str, tuple[object, ...]], None]:
    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        # From Python 3.13 on, subprocess itself may start its program by os.posix_spawn.
        if event in {"subprocess.Popen", "os.posix_spawn"} and str(arguments[0]) != command:
            raise PermissionError(f"an OCR process may start {command} and nothing else")
        if event in _STARTING_A_PROGRAM or event == "socket.connect":
            raise PermissionError(f"an OCR process may not use {event}")

    return refuse


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
