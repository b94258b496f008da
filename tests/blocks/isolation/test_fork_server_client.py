"""A worker starts a fork server, and hears of one that does not start or has died."""

import gc
import os
import signal
import socket
from contextlib import closing

import pytest

from blocks.errors import Encrypted, ProcessUnavailable
from blocks.isolation.fork_server_client import ForkServerClient, ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.process import IsolatedProcess
from tests.doubles.open_files import open_files
from tests.doubles.process_trees import all_end

PARSERS = "tests.doubles.misbehaving_parsers"
LIMITS = Limits(memory_mb=128, open_files=20)
KIND = ProcessKind(PARSERS, LIMITS, max_output_mb=1)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (ProcessKind("tests.doubles.nowhere", LIMITS, 1), ProcessUnavailable, "nowhere: ModuleNotFoundError"),
        (ProcessKind(PARSERS, LIMITS, 1, {"unknown": True}), ProcessUnavailable, "TypeError"),
        (ProcessKind(PARSERS, LIMITS, 1, {"refuse": True}), Encrypted, "none of the 2 given passwords"),
    ],
)
def test_a_fork_server_that_does_not_start_is_an_error_and_leaves_nothing_open(
    kind: ProcessKind, error: type[Exception], message: str
) -> None:
    before = open_files()
    with pytest.raises(error, match=message):
        ForkServerClient(kind)
    assert open_files() <= before


def test_a_dead_fork_server_forks_and_kills_nothing() -> None:
    with closing(ForkServerClient(KIND)) as server:
        child_id, *sockets = server.fork()
        os.kill(server.pid, signal.SIGKILL)
        assert all_end([server.pid])
        before = open_files()
        assert not server.is_gone, "nobody has used it since"
        with pytest.raises(ProcessUnavailable, match=f"the fork server {server.pid} is gone"):
            server.fork()
        with pytest.raises(ProcessUnavailable, match="is gone"):
            server.kill(child_id)
        assert server.is_gone
        assert open_files() <= before
        for given in sockets:
            given.close()


def test_a_worker_without_a_file_number_blames_no_fork_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [socket.socketpair()]

    def one_pair() -> tuple[socket.socket, socket.socket]:
        if not pairs:
            raise OSError(24, "Too many open files")
        return pairs.pop()

    with closing(ForkServerClient(KIND)) as server:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socketpair", one_pair)
            with pytest.raises(ProcessUnavailable, match="Too many open files"):
                server.fork()
        assert not server.is_gone
        with closing(IsolatedProcess(server, KIND)) as process:
            assert process.run("echo", b"", {"suffix": "on"}, 5.0) == b"on"


def test_a_fork_server_ends_when_nobody_holds_it() -> None:
    server = ForkServerClient(KIND)
    pid = server.pid
    del server
    gc.collect()
    assert all_end([pid])
