"""A pool of isolated processes of one kind: forked ahead, kept or ended. A dead fork server is replaced."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import JsonValue

from blocks.errors import ProcessUnavailable, TimedOut
from blocks.isolation.fork_server_client import ForkServerClient, ProcessKind
from blocks.isolation.process import IsolatedProcess

GROWN_SHARE = 0.6
"""A process whose peak is above this share of its memory limit gets no further document."""

WAITED_SHARE = 0.2
"""A process that computed for less than this share of its time limit waited: the time is not the document's."""

log = logging.getLogger(__name__)


class ProcessPool:
    """Processes of one kind. Thread-safe. `slots` bounds how many work at once, and may be shared between pools.

    `ahead` idle processes are kept for the next documents, so that no document waits for a fork.
    """

    def __init__(self, kind: ProcessKind, slots: threading.BoundedSemaphore, ahead: int = 0) -> None:
        self.slots = slots
        self.peak_mb = 0.0
        self._kind = kind
        self._ahead = ahead
        self._lock = threading.Lock()
        self._server: ForkServerClient | None = None
        self._idle: deque[IsolatedProcess] = deque()
        self._is_closed = False

    @property
    def server_pid(self) -> int | None:
        """The process id of the fork server; None before it is started."""
        server = self._server
        return None if server is None else server.pid

    @property
    def module(self) -> str:
        """The module whose functions its processes run."""
        return self._kind.module

    @property
    def may_start_programs(self) -> bool:
        """Whether its processes may start a program, as OCR does."""
        return self._kind.limits.program is not None

    @contextmanager
    def open(self, content: bytes) -> Iterator["Session"]:
        """A process that has `content` until the context ends."""
        session = Session(self, content)
        try:
            yield session
        finally:
            session.close()

    def acquire(self) -> IsolatedProcess:
        """An idle process. Raises `ProcessUnavailable`, and what the preparation raised."""
        with self._lock:
            if self._is_closed:
                raise ProcessUnavailable("its pool is closed")
            if self._server is not None and self._server.is_gone:
                log.warning("the fork server %d of %s died: starting another", self._server.pid, self._kind.module)
                self._end_server()
            if self._server is None:
                self._server = ForkServerClient(self._kind)
            while self._idle and not self._idle[0].is_usable:
                self._idle.popleft().close()
            while len(self._idle) <= self._ahead:
                self._idle.append(IsolatedProcess(self._server, self._kind))
            return self._idle.popleft()

    def release(self, process: IsolatedProcess) -> None:
        """Keep a process for the next document, or end it."""
        self.peak_mb = max(self.peak_mb, process.peak_mb)
        is_grown = process.peak_mb > GROWN_SHARE * self._kind.limits.memory_mb
        with self._lock:
            if (
                process.requests < self._kind.max_requests
                and not is_grown
                and process.server is self._server
                and process.is_usable
            ):
                self._idle.appendleft(process)
                return
        if self._kind.max_requests > 1:
            log.debug("a process of %s ends after %d requests", self._kind.module, process.requests)
        process.close()

    def _end_server(self) -> None:
        while self._idle:
            self._idle.popleft().close()
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def close(self, *, for_good: bool = False) -> None:
        """End every process. If the pool is used again, it starts a new fork server, unless it is closed `for_good`."""
        with self._lock:
            self._is_closed = self._is_closed or for_good
            self._end_server()


class Session:
    """A document's content in an isolated process: sent with the first request, and kept there for the others.

    Thread-safe; the process serves a single request at a time.
    """

    def __init__(self, pool: ProcessPool, content: bytes) -> None:
        self._pool = pool
        self._content = content
        self._lock = threading.Lock()
        self._process: IsolatedProcess | None = None
        self._is_sent = False

    def run(self, function: str, arguments: Mapping[str, JsonValue], timeout_s: float) -> tuple[bytes, float]:
        """What `function` gives for the content, and the seconds that it took without the wait for a process.

        Raises what `IsolatedProcess.run` raises; `ProcessUnavailable` only after a second attempt, and so `TimedOut` if
        the process hardly computed: it was stopped, or the machine had no time for it.
        """
        with self._lock, self._pool.slots:
            started = time.monotonic()
            try:
                result = self._run_once(function, arguments, timeout_s)
            except ProcessUnavailable:
                result = self._run_once(function, arguments, timeout_s)
            except TimedOut:
                if not self._has_waited(timeout_s):
                    raise
                log.warning("a process of %s had no computing time for %g s: once more", self._pool.module, timeout_s)
                result = self._run_once(function, arguments, timeout_s)
            return result, time.monotonic() - started

    def _run_once(self, function: str, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        if self._process is None or not self._process.is_usable:
            self._release()
            self._process = self._pool.acquire()
        process = self._process
        content = None if self._is_sent else self._content
        self._is_sent = True
        return process.run(function, content, arguments, timeout_s)

    def _has_waited(self, timeout_s: float) -> bool:
        """Whether the process that was killed at its deadline hardly computed. What its programs compute is unknown."""
        if self._process is None or self._process.cpu_s is None or self._pool.may_start_programs:
            return False
        return self._process.cpu_s < WAITED_SHARE * timeout_s

    def _release(self) -> None:
        process, self._process, self._is_sent = self._process, None, False
        if process is not None:
            self._pool.release(process)

    def close(self) -> None:
        """Release the process, after the request that it serves has ended."""
        with self._lock:
            self._release()
