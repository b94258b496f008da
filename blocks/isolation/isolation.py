"""Runs a parser's function over a document's bytes in an isolated process; the result is bytes or a typed error."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager

from pydantic import JsonValue

from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool, Session
from blocks.settings import Settings


class Isolation:
    """Parses up to `settings.processes` documents at once, each in a process that parses no other unless its kind may.

    Thread-safe.
    A function is named ``package.module:function``; it takes the bytes and a dict of JSON arguments, and gives bytes.
    Its module is imported once, by a fork server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(settings.processes)
        self._lock = threading.Lock()
        self._pools: dict[str, ProcessPool] = {}

    def open(self, module: str, content: bytes, max_documents: int = 1) -> AbstractContextManager[Session]:
        """A process that has a document's bytes, for several functions of `module`.

        It ends after `max_documents`, which is the same at each call for a module.
        """
        return self.pool(module, max_documents).open(content)

    def run(self, function: str, content: bytes, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        """What `function` gives for `content`. Raises what `Session.run` raises."""
        module, _, name = function.partition(":")
        with self.open(module, content) as session:
            return session.run(name, arguments, timeout_s)[0]

    @property
    def peak_process_mb(self) -> float:
        """The most memory that any process has used, in MB."""
        with self._lock:
            return max((pool.peak_mb for pool in self._pools.values()), default=0.0)

    def pool(self, module: str, max_documents: int = 1) -> ProcessPool:
        """The processes that run functions of `module`."""
        with self._lock:
            if module not in self._pools:
                limits = Limits(memory_mb=self._settings.memory_limit_mb, open_files=self._settings.max_open_files)
                kind = ProcessKind(module, limits, self._settings.max_output_mb, max_requests=max_documents)
                self._pools[module] = ProcessPool(kind, self._slots, ahead=self._settings.processes)
            return self._pools[module]

    def close(self) -> None:
        """End every fork server and process. The end of this Python process ends them too."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()


_shared: dict[Settings, Isolation] = {}
_sharing = threading.Lock()  # functools.cache may call its function once per thread


def shared_isolation(settings: Settings) -> Isolation:
    """This process's isolation for these settings, shared by stages: fork servers take a moment to start."""
    with _sharing:
        if settings not in _shared:
            _shared[settings] = Isolation(settings)
        return _shared[settings]
