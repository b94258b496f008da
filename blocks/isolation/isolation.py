"""Run a function over one document's bytes in a process of its own, within limits, and get bytes or a typed error."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import NoReturn

from pydantic import JsonValue

from blocks.errors import Crashed, OutOfMemory, ProcessUnavailable, TimedOut, TooLarge
from blocks.isolation import wire
from blocks.isolation.nursery import Child, Nursery
from blocks.settings import Settings

MEGABYTE = 1024 * 1024
STARVED_SHARE = 0.7
"""A library that gets no memory dies of a signal. Above this share of its limit, memory is taken for the reason."""
EXIT_TIMEOUT_S = 5.0

_ABORTED = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL}


class Isolation:
    """At most `settings.processes` documents are read at once, each in a child that reads no other. Thread-safe.

    A function is named ``package.module:function``; it takes the bytes and a dict of JSON arguments, and gives bytes.
    Its module is imported once, by a zygote that the children are forked from.
    """

    def __init__(self, settings: Settings) -> None:
        self._limits = wire.Limits(memory_mb=settings.memory_limit_mb, open_files=settings.max_open_files)
        self._max_output = settings.max_output_mb * MEGABYTE
        self._ahead = settings.processes
        self._slots = threading.BoundedSemaphore(settings.processes)
        self._lock = threading.Lock()
        self._nurseries: dict[str, Nursery] = {}
        self.peak_child_mb = 0.0

    def run(self, function: str, content: bytes, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        """What `function` gives for `content`.

        Raises what the function raised, where that is a WinnowError; `TimedOut`, `OutOfMemory`, `TooLarge` and
        `Crashed` where the child broke a limit or died; `ProcessUnavailable` where there was none, twice in a row.
        """
        return self.run_timed(function, content, arguments, timeout_s)[0]

    def run_timed(
        self, function: str, content: bytes, arguments: Mapping[str, JsonValue], timeout_s: float
    ) -> tuple[bytes, float]:
        """As `run`, with the seconds that it took; waiting for a free process does not count."""
        with self._slots:
            started = time.monotonic()
            try:
                result = self._run_once(function, content, arguments, timeout_s)
            except ProcessUnavailable:
                result = self._run_once(function, content, arguments, timeout_s)
            return result, time.monotonic() - started

    def _run_once(self, function: str, content: bytes, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        module, _, name = function.partition(":")
        nursery = self._nursery(module)
        request = {"function": name, "arguments": dict(arguments), "timeout_s": timeout_s, "size": len(content)}
        child: Child | None = None
        try:
            child = nursery.take()
            return self._exchange(nursery, child, json.dumps(request).encode() + b"\n", content, timeout_s)
        except ProcessUnavailable:
            self._forget(module, nursery)
            raise
        finally:
            if child is not None:
                child.close()

    def _exchange(self, nursery: Nursery, child: Child, line: bytes, content: bytes, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        try:
            _send(child.channel, line, deadline)
            if content:  # a child that needs no content may have answered and gone by now
                _send(child.channel, content, deadline)
            header = _receive(child.channel, wire.REPLY.size, deadline)
            kind, peak_kb, size = wire.REPLY.unpack(header)
            if size > self._max_output:
                nursery.kill(child)
                raise TooLarge("the extracted text in bytes", size, self._max_output, "WINNOW_MAX_OUTPUT_MB")
            body = _receive(child.channel, size, deadline)
        except TimeoutError:
            nursery.kill(child)
            raise TimedOut(timeout_s) from None
        except (EOFError, ConnectionError):
            self._raise_for_exit(child, timeout_s)
        self._note_peak(peak_kb)
        return self._open(kind, body)

    def _open(self, kind: int, body: bytes) -> bytes:
        if kind == wire.ReplyKind.RESULT:
            return body
        if kind == wire.ReplyKind.OUT_OF_MEMORY:
            raise OutOfMemory(self._limits.memory_mb)
        if kind == wire.ReplyKind.ERROR:
            raise wire.unpack_error(body)
        raise wire.ChildDefect(body.decode(errors="replace"))

    def _raise_for_exit(self, child: Child, timeout_s: float) -> NoReturn:
        """Say why a child is gone that gave no whole reply."""
        child.status.settimeout(EXIT_TIMEOUT_S)
        try:
            report = child.status.recv(wire.EXIT.size)
        except OSError as error:
            raise ProcessUnavailable("a zygote does not answer") from error
        if len(report) < wire.EXIT.size:
            raise ProcessUnavailable("a zygote died, and its children with it")
        status, peak_kb = wire.EXIT.unpack(report)
        self._note_peak(peak_kb)
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            raise Crashed(f"exit code {code}")
        ended_by = signal.Signals(-code)
        if ended_by is signal.SIGXCPU:
            raise TimedOut(timeout_s)
        if ended_by in _ABORTED and peak_kb > STARVED_SHARE * self._limits.memory_mb * 1024:
            raise OutOfMemory(self._limits.memory_mb)
        raise Crashed(ended_by.name)

    def _note_peak(self, peak_kb: int) -> None:
        self.peak_child_mb = max(self.peak_child_mb, peak_kb / 1024)

    def _nursery(self, module: str) -> Nursery:
        with self._lock:
            if module not in self._nurseries:
                self._nurseries[module] = Nursery(module, self._limits, self._ahead)
            return self._nurseries[module]

    def _forget(self, module: str, nursery: Nursery) -> None:
        with self._lock:
            if self._nurseries.get(module) is nursery:
                del self._nurseries[module]
        nursery.close()

    def close(self) -> None:
        """End every zygote and child."""
        with self._lock:
            nurseries, self._nurseries = list(self._nurseries.values()), {}
        for nursery in nurseries:
            nursery.close()


@cache
def shared_isolation(settings: Settings) -> Isolation:
    """This process's isolation for these settings: zygotes take a moment to start, so stages share them."""
    return Isolation(settings)


def _send(channel: socket.socket, content: bytes, deadline: float) -> None:
    channel.settimeout(_left(deadline))
    channel.sendall(content)


def _receive(channel: socket.socket, size: int, deadline: float) -> bytes:
    buffer = bytearray(size)
    view, received = memoryview(buffer), 0
    while received < size:
        channel.settimeout(_left(deadline))
        count = channel.recv_into(view[received:])
        if count == 0:
            raise EOFError
        received += count
    return bytes(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
