"""Which process a worker is, so that its death is noticed at once on its own machine, without waiting for its lease.

Linux alone tells enough. Elsewhere, on another machine and in another container, the lease decides.
"""

import os
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def this_process() -> str:
    """Names this process among all that ever run on any machine; empty where that cannot be known."""
    return _name_of(os.getpid())


def has_ended(process: str) -> bool:
    """Whether the process that `this_process` named has ended; False where that cannot be known from here."""
    machine, _, rest = process.rpartition("/")
    pid = rest.partition("@")[0]
    if not machine or machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process
        pass
    name = _name_of(int(pid))
    return name != process and bool(name)


def _name_of(pid: int) -> str:
    """Machine, process id and start time. A process that has ended but is still listed has another start time."""
    started = _start_of(pid)
    return f"{_machine()}/{pid}@{started}" if _machine() and started else ""


def _start_of(pid: int) -> str:
    try:
        # The name of the program, in parentheses, may have blanks and parentheses itself.
        after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, start = after_name[0], after_name[19]
    return "ended" if state in {"Z", "X"} else start


@cache
def _machine() -> str:
    """The machine since it was started last, and the container: process ids count from 1 in each."""
    try:
        return f"{(PROC / 'sys/kernel/random/boot_id').read_text().strip()}/{(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""
