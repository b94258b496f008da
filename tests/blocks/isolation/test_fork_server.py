"""A fork server whose system refuses a process fails that process alone; it ends with its worker."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count, islice
from pathlib import Path

import pytest

from blocks.errors import Crashed, ProcessUnavailable
from blocks.isolation import fork_server_client
from blocks.isolation.fork_server_client import ForkServerClient, ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.process import IsolatedProcess
from tests.doubles.process_trees import all_end, children_of, open_files_of

PARSER = ProcessKind("tests.doubles.misbehaving_parsers", Limits(memory_mb=128, open_files=20), max_output_mb=1)
OCR = ProcessKind(PARSER.module, Limits(128, 20, file_mb=1, program="/bin/true"), max_output_mb=1)


@pytest.fixture
def server() -> Iterator[ForkServerClient]:
    with closing(ForkServerClient(PARSER)) as opened:
        yield opened


def started(server: ForkServerClient, kind: ProcessKind = PARSER) -> IsolatedProcess:
    """A process that has served a request, so its fork server has forked it."""
    process = IsolatedProcess(server, kind)
    assert process.run("echo", b"", {"suffix": "up"}, 5.0) == b"up"
    return process


@contextmanager
def file_numbers_left(server: ForkServerClient, left: int) -> Iterator[None]:
    """The fork server can open only so many files more. The limit is of the highest number, and numbers have gaps."""
    numbers = {int(path.name) for path in Path(f"/proc/{server.pid}/fd").iterdir()}
    free = (number for number in count() if number not in numbers)
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (next(islice(free, left, None)), limits[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("files_left", [2, 3])
def test_a_fork_server_without_a_file_number_refuses_one_process_and_works_on(
    server: ForkServerClient, files_left: int
) -> None:
    """Two file numbers are left for the sockets and none for the pipe, or for one end of it."""
    with closing(started(server)) as neighbour:
        files = open_files_of(server.pid)
        with file_numbers_left(server, files_left), closing(IsolatedProcess(server, PARSER)) as refused:
            with pytest.raises(ProcessUnavailable, match=r"could not fork: \[Errno 24\] Too many open files"):
                refused.run("echo", b"x" * 1_000_000, {"suffix": ""}, 5.0)
            assert not refused.is_usable
        assert neighbour.run("echo", b"still ", {"suffix": "here"}, 5.0) == b"still here"
        assert open_files_of(server.pid) == files
        with closing(started(server)):
            assert not server.is_gone


def test_a_fork_server_that_cannot_even_take_both_sockets_works_on(server: ForkServerClient) -> None:
    with closing(started(server)) as neighbour:
        files = open_files_of(server.pid)
        with (
            file_numbers_left(server, 1),
            closing(IsolatedProcess(server, PARSER)) as refused,
            pytest.raises(ProcessUnavailable, match="Errno 24"),
        ):
            refused.run("echo", b"", {"suffix": ""}, 5.0)
        assert neighbour.run("echo", b"still ", {"suffix": "here"}, 5.0) == b"still here"
        assert open_files_of(server.pid) == files


def test_a_refused_process_leaves_no_folder() -> None:
    before = set(Path("/tmp").glob("winnow-ocr-*"))
    with closing(ForkServerClient(OCR)) as server, closing(started(server, OCR)), file_numbers_left(server, 2):
        for _ in range(9):
            with closing(IsolatedProcess(server, OCR)) as refused, pytest.raises(ProcessUnavailable, match="Errno 24"):
                refused.run("echo", b"", {"suffix": ""}, 5.0)
        added = set(Path("/tmp").glob("winnow-ocr-*")) - before
    assert len(added) < 9, "tests in other processes may add a few"


def test_a_killed_process_reports_its_signal_and_leaves_no_zombie(server: ForkServerClient) -> None:
    files = []
    for _ in range(3):
        with closing(started(server)) as process:
            files.append(open_files_of(server.pid))
            (pid,) = children_of(server.pid)
            os.kill(pid, signal.SIGSEGV)
            with pytest.raises(Crashed, match="SIGSEGV"):
                process.run("sleep", b"", {"seconds": 5}, 5.0)
        assert children_of(server.pid) == []
    assert files == [files[0]] * 3


def test_kill_ends_only_the_process_it_names(server: ForkServerClient) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(started(server))) for _ in range(2))
        pid = int(first.run("process_id", b"", {}, 5.0))
        first.kill()
        assert all_end([pid])
        assert not first.is_usable
        assert second.run("echo", b"", {"suffix": "alive"}, 5.0) == b"alive"


def test_a_fork_server_ends_its_processes_and_itself_at_the_end_of_the_commands(
    server: ForkServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server_client, "END_TIMEOUT_S", 120.0)  # after which it is killed
    process = started(server)
    pids = [server.pid, *children_of(server.pid)]
    began = time.monotonic()
    server.close()
    assert all_end(pids)
    assert time.monotonic() - began < 100, "it ends by itself, and is not killed"
    process.close()
