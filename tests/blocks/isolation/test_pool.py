"""A pool of isolated processes: which are kept, which are replaced, and what becomes of a dead fork server."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from blocks.errors import Crashed, ProcessUnavailable, TimedOut
from blocks.isolation import pool as pool_module
from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool
from tests.doubles.process_trees import all_end, children_of, is_alive

PARSERS = "tests.doubles.misbehaving_parsers"


def pool_of(max_requests: int = 1, ahead: int = 0, memory_mb: int = 128, slots: int = 2) -> ProcessPool:
    kind = ProcessKind(PARSERS, Limits(memory_mb, open_files=20), max_output_mb=200, max_requests=max_requests)
    return ProcessPool(kind, threading.BoundedSemaphore(slots), ahead)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    with closing(pool_of(max_requests=2)) as opened:
        yield opened


def process_id(pool: ProcessPool) -> int:
    with pool.open(b"") as session:
        return int(session.run("process_id", {}, 5.0)[0])


def server_of(pool: ProcessPool) -> int:
    with pool.open(b"") as session:
        return int(session.run("parent_id", {}, 5.0)[0])


def test_a_process_serves_as_many_requests_as_its_kind_allows(pool: ProcessPool) -> None:
    served = [process_id(pool) for _ in range(4)]
    assert served[0] == served[1] != served[2] == served[3]


def test_a_process_that_has_grown_serves_no_other_document() -> None:
    with closing(pool_of(max_requests=9)) as pool:
        with pool.open(b"") as session:
            grown = int(session.run("process_id", {}, 5.0)[0])
            session.run("flood", {"size": 90 << 20}, 5.0)
        assert process_id(pool) != grown
        assert all_end([grown])


def test_processes_are_forked_ahead() -> None:
    with closing(pool_of(ahead=2)) as pool:
        server = server_of(pool)
        assert len(children_of(server)) >= 2


def test_a_killed_process_is_not_given_to_the_next_document(pool: ProcessPool) -> None:
    first = process_id(pool)
    os.kill(first, signal.SIGKILL)
    assert all_end([first])
    assert process_id(pool) != first


def test_a_dead_fork_server_is_replaced_and_logged(pool: ProcessPool, caplog: pytest.LogCaptureFixture) -> None:
    server = server_of(pool)
    pids = [server, *children_of(server)]
    os.kill(server, signal.SIGKILL)
    assert all_end(pids)
    with caplog.at_level(logging.WARNING):
        assert server_of(pool) != server
    assert [record.getMessage() for record in caplog.records] == [
        f"the fork server {server} of {PARSERS} died: starting another"
    ]


def test_a_refused_process_leaves_the_fork_server_and_its_other_documents_alone(
    pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pool.open(b"kept ") as session:
        server = int(session.run("parent_id", {}, 5.0)[0])
        working = int(session.run("process_id", {}, 5.0)[0])

        def refused() -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched, pool.open(b"") as other:
            patched.setattr(socket, "socketpair", refused)
            with pytest.raises(ProcessUnavailable, match="Too many open files"):
                other.run("process_id", {}, 5.0)
        assert is_alive(server)
        assert int(session.run("process_id", {}, 5.0)[0]) == working
    assert server_of(pool) == server
    assert caplog.records == []


def test_a_session_tries_a_second_process_and_no_third(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def die(kind: ProcessKind) -> None:
        tried.append(kind)
        raise ProcessUnavailable("no memory")

    monkeypatch.setattr("blocks.isolation.pool.ForkServerClient", die)
    with pool.open(b"") as session, pytest.raises(ProcessUnavailable):
        session.run("process_id", {}, 5.0)
    assert len(tried) == 2


def test_a_crash_is_not_tried_again(pool: ProcessPool) -> None:
    with pool.open(b"") as session:
        with pytest.raises(Crashed, match="exit code 3"):
            session.run("leave", {}, 5.0)
        assert int(session.run("process_id", {}, 5.0)[0]) > 0


def test_a_closed_pool_ends_its_processes_and_starts_anew(pool: ProcessPool) -> None:
    server, kept = server_of(pool), process_id(pool)
    pool.close()
    assert all_end([server, kept])
    assert server_of(pool) != server


def test_slots_bound_the_sessions_at_work() -> None:
    with closing(pool_of(slots=1)) as pool:
        ids: list[str] = []

        def work(name: str, started: threading.Event) -> None:
            with pool.open(b"") as session:
                started.set()
                session.run("sleep", {"seconds": 0.3}, 5.0)
                ids.append(name)

        starts = [threading.Event(), threading.Event()]
        threads = [threading.Thread(target=work, args=(str(n), start)) for n, start in enumerate(starts)]
        for thread in threads:
            thread.start()
        for start in starts:
            assert start.wait(60)
        assert pool.slots.acquire(blocking=False) is False
        for thread in threads:
            thread.join()
        assert sorted(ids) == ["0", "1"]
        assert pool.slots.acquire(blocking=False)
        pool.slots.release()


def test_a_document_whose_process_was_stopped_is_tried_once_more(pool: ProcessPool) -> None:
    with pool.open(b"content") as session:
        os.kill(int(session.run("process_id", {}, 5.0)[0]), signal.SIGSTOP)
        assert session.run("echo", {"suffix": "!"}, 1.0)[0] == b"content!"


def test_a_document_that_computes_without_end_is_tried_once(
    pool: ProcessPool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "WAITED_SHARE", 0.01)  # less than it gets on a busy machine
    with pool.open(b"") as session, pytest.raises(TimedOut):
        session.run("spin", {}, 1.0)
    assert "once more" not in caplog.text


def test_a_pool_that_is_closed_for_good_starts_no_other_fork_server() -> None:
    with closing(pool_of()) as pool:
        process_id(pool)
        pool.close(for_good=True)
        with pytest.raises(ProcessUnavailable, match="its pool is closed"):
            process_id(pool)
        assert pool.server_pid is None
