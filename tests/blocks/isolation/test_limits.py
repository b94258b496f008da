"""What a process can still do once it has taken its limits, tried in a process of its own."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import PROJECT_DIR

NAMES = """
import errno, os, resource, signal, socket, subprocess, sys, time
from blocks.isolation.limits import Limits, address_space_bytes, confine, leave_network, limit_cpu

"".encode("idna")  # addresses need this codec, and nobody may not be able to read it

def tried(work):
    try:
        return work() or "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except Exception as error:
        return type(error).__name__
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may write to; pytest's own are out of an unprivileged user's reach."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def confined(program: str, *arguments: str, limits: str = "Limits(memory_mb=128, open_files=20)") -> object:
    """What the last line of `program` prints, after it has taken `limits`."""
    source = NAMES + f"confine({limits}, address_space_bytes())\n" + textwrap.dedent(program)
    run = subprocess.run(
        [sys.executable, "-c", source, *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return ast.literal_eval(run.stdout)


def test_a_parser_writes_no_file_where_its_user_may(folder: Path) -> None:
    program = "print(repr(tried(lambda: open(sys.argv[1] + '/written', 'wb', 0).write(b'x') and 'written')))"
    assert confined(program, str(folder)) == "EFBIG"
    assert (folder / "written").stat().st_size == 0


def test_a_process_with_a_program_writes_files_up_to_its_limit(folder: Path) -> None:
    program = """
        opened = open(sys.argv[1] + '/written', 'wb', 0)
        print([tried(lambda: opened.write(bytes(2 * 1024 * 1024)) and 'written') for _ in range(2)])
    """
    limits = "Limits(memory_mb=128, open_files=20, file_mb=2, program='/bin/true')"
    assert confined(program, str(folder), limits=limits) == ["written", "EFBIG"]
    assert (folder / "written").stat().st_size == 2 * 1024 * 1024


def test_a_parser_starts_no_process() -> None:
    program = "print([tried(os.fork), tried(lambda: subprocess.run(['/bin/true']) and 'started')])"
    assert confined(program) == ["EAGAIN", "EAGAIN"]


def test_an_ocr_process_starts_its_program_and_no_other() -> None:
    program = """
        runs = [lambda path=path: str(subprocess.run([path]).returncode) for path in ('/bin/true', '/usr/bin/env')]
        print([*map(tried, runs), tried(lambda: os.system('true')), tried(os.fork)])
    """
    limits = "Limits(memory_mb=256, open_files=20, program='/bin/true')"
    assert confined(program, limits=limits) == ["0", "PermissionError", "PermissionError", "PermissionError"]


def test_an_ocr_process_with_a_program_connects_to_nothing() -> None:
    program = "print(repr(tried(lambda: socket.create_connection(('127.0.0.1', 9)))))"
    limits = "Limits(memory_mb=256, open_files=20, program='/bin/true')"
    assert confined(program, limits=limits) == "PermissionError"


def test_memory_counts_from_what_was_inherited() -> None:
    program = "print([tried(lambda: bytearray(mb << 20) and 'had') for mb in (100, 129)])"
    assert confined(program) == ["had", "MemoryError"]


def test_open_files_and_core_dumps_are_limited() -> None:
    program = """
        opened = []
        def open_many():
            for _ in range(30):
                opened.append(os.open('/dev/null', os.O_RDONLY))
        result = tried(open_many)
        print([result, opened[-1], resource.getrlimit(resource.RLIMIT_CORE)])
    """
    assert confined(program) == ["EMFILE", 19, (0, 0)]


def test_no_limit_can_be_raised_again() -> None:
    program = """
        names = ('CORE', 'FSIZE', 'NOFILE', 'AS', 'NPROC')
        def raise_limit(name):
            limit = getattr(resource, 'RLIMIT_' + name)
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print([tried(lambda: raise_limit(name)) for name in names])
    """
    assert confined(program) == ["ValueError"] * 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to give up")
def test_root_becomes_nobody_for_good() -> None:
    program = "print([os.getuid(), os.getgid(), os.getgroups(), tried(lambda: os.setuid(0))])"
    assert confined(program) == [65534, 65534, [], "EPERM"]


def test_a_process_that_keeps_its_user_has_the_other_limits(folder: Path) -> None:
    program = "print([os.getuid(), tried(lambda: open(sys.argv[1] + '/written', 'wb', 0).write(b'x') and 'written')])"
    limits = "Limits(memory_mb=128, open_files=20, keeps_user=True)"
    assert confined(program, str(folder), limits=limits) == [os.getuid(), "EFBIG"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_a_program_that_is_started_gains_no_rights_and_a_dead_parent_ends_the_process() -> None:
    program = """
        import ctypes
        wanted = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(wanted), 0, 0, 0)  # PR_GET_PDEATHSIG
        status = open('/proc/self/status').read()
        print([wanted.value, 'NoNewPrivs:\\t1' in status])
    """
    assert confined(program) == [9, True]


def test_computing_is_stopped_and_waiting_is_not() -> None:
    source = NAMES + "limit_cpu(0.1)\ntime.sleep(2.5)\nprint('rested', flush=True)\nwhile True: pass"
    run = subprocess.run([sys.executable, "-c", source], cwd=PROJECT_DIR, capture_output=True, check=False, timeout=60)
    assert (run.stdout, run.returncode) == (b"rested\n", -24), "SIGXCPU is 24"


def test_the_time_to_compute_is_granted_anew_for_each_request() -> None:
    source = NAMES + textwrap.dedent("""
        def soft():
            return resource.getrlimit(resource.RLIMIT_CPU)[0]
        limit_cpu(10)
        first = soft()
        started = time.process_time()
        while time.process_time() - started < 1.1: pass
        limit_cpu(10)
        print([first, soft()])
    """)
    run = subprocess.run([sys.executable, "-c", source], cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    first, second = ast.literal_eval(run.stdout)
    assert first in (11, 12)
    assert second in (first + 1, first + 2)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="it takes root on Linux")
def test_a_process_that_left_the_network_reaches_not_even_this_machine() -> None:
    source = NAMES + textwrap.dedent("""
        server = socket.create_server(('127.0.0.1', 0))
        address = server.getsockname()[:2]
        before = tried(lambda: socket.create_connection(address) and 'connected')
        leave_network()
        print([before, tried(lambda: socket.create_connection(address) and 'connected')])
    """)
    run = subprocess.run([sys.executable, "-c", source], cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    before, after = ast.literal_eval(run.stdout)
    assert before == "connected"
    assert after == "ENETUNREACH"
