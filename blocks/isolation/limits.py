"""The limits that a child puts on itself before it sees a byte of the document."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from pathlib import Path

from blocks.isolation.wire import Limits

NOBODY = 65534
"""The uid and gid that Linux and the BSDs keep for a user who owns nothing."""

_LIBC = ctypes.CDLL(None)  # loaded before the fork: once, not per document

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
"""linux/prctl.h"""


def address_space_bytes() -> int:
    """What this process has mapped now, in bytes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def confine(limits: Limits, inherited_bytes: int) -> None:
    """Give up root and take the limits, for good. `inherited_bytes` were mapped before the document came.

    A process that is not root keeps its user and takes every limit all the same.
    """
    if os.geteuid() == 0:
        # Where a container took the right to change users away, root has little left to give up.
        with contextlib.suppress(PermissionError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_NPROC, 0)
    _set(resource.RLIMIT_NOFILE, limits.open_files)
    _set(resource.RLIMIT_AS, inherited_bytes + limits.memory_mb * 1024 * 1024)
    if sys.platform == "linux":
        # Changing the user clears the death signal, so it is set after.
        _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_cpu(timeout_s: float) -> None:
    """Stop this process (SIGXCPU) once it has computed for `timeout_s`; the wall clock is watched from outside."""
    _set(resource.RLIMIT_CPU, math.ceil(timeout_s) + 1)


def _set(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
