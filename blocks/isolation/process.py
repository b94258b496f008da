"""One isolated process, seen from the worker: it takes requests, one at a time, and replies or ends."""

import os
import signal
import socket
import time
from collections.abc import Mapping
from typing import NoReturn

from pydantic import JsonValue

from blocks.errors import Crashed, OutOfMemory, ProcessUnavailable, TimedOut, TooLarge
from blocks.isolation import wire
from blocks.isolation.fork_server_client import ForkServerClient, ProcessKind
from blocks.isolation.limits import MEGABYTE

STARVED_SHARE = 0.7
"""A library that gets no memory dies of a signal. Above this share of its limit, memory is taken for the reason."""
EXIT_TIMEOUT_S = 5.0

_ABORTED = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL}
_MEMORY_SIGNS = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"malloc fail")


class IsolatedProcess:
    """A forked process that waits for requests on its channel. Not thread-safe.

    Raises `ProcessUnavailable` where the fork server gives none.
    """

    def __init__(self, server: ForkServerClient, kind: ProcessKind) -> None:
        self.server = server
        self.requests = 0
        self.peak_mb = 0.0
        self._kind = kind
        self._is_usable = True
        self._child_id, self._channel, self._status = server.fork()

    @property
    def is_usable(self) -> bool:
        """Whether it can be given another request."""
        if not self._is_usable:
            return False
        try:
            self._status.setblocking(False)
            self._status.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True  # its end is not reported
        except OSError:
            return False
        return False

    def run(self, function: str, content: bytes | None, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        """What `function` gives for the content; None stands for the content that the process holds.

        Raises what the function raised, where that is a WinnowError, and `IsolatedDefect` for anything else. Raises
        `TimedOut`, `OutOfMemory`, `TooLarge` and `Crashed` where the process broke a limit or died, and
        `ProcessUnavailable` where its fork server is gone.
        """
        deadline = time.monotonic() + timeout_s
        size = None if content is None else len(content)
        self.requests += 1
        try:
            wire.send(self._channel, wire.pack_request(function, arguments, timeout_s, size), deadline)
            if content:
                wire.send(self._channel, content, deadline)
            kind, body = self._receive_reply(deadline)
        except TimeoutError:
            self.kill()
            raise TimedOut(timeout_s) from None
        except (EOFError, ConnectionError):
            self._is_usable = False
            self._raise_for_exit(timeout_s)
        if kind == wire.ReplyKind.RESULT:
            return body
        if kind == wire.ReplyKind.ERROR:
            raise wire.unpack_error(body)
        self._is_usable = False
        if kind == wire.ReplyKind.OUT_OF_MEMORY:
            raise OutOfMemory(self._kind.limits.memory_mb)
        raise wire.IsolatedDefect(body.decode(errors="replace"))

    def _receive_reply(self, deadline: float) -> tuple[int, bytes]:
        kind, peak_kb, size = wire.REPLY.unpack(wire.receive(self._channel, wire.REPLY.size, deadline))
        self.peak_mb = max(self.peak_mb, peak_kb / 1024)
        limit = self._kind.max_output_mb * MEGABYTE
        if size > limit:
            self.kill()
            raise TooLarge("the extracted text in bytes", size, limit, "WINNOW_MAX_OUTPUT_MB")
        return kind, wire.receive(self._channel, size, deadline)

    def _raise_for_exit(self, timeout_s: float) -> NoReturn:
        """Raise the reason why the process ended without a complete reply."""
        deadline = time.monotonic() + EXIT_TIMEOUT_S
        try:
            status, peak_kb = wire.EXIT.unpack(wire.receive(self._status, wire.EXIT.size, deadline))
            last_words = self._status.recv(wire.LAST_WORDS_BYTES)
        except EOFError:
            raise ProcessUnavailable("a fork server died, and its processes with it") from None
        except OSError as error:
            raise ProcessUnavailable("a fork server does not answer") from error
        self.peak_mb = max(self.peak_mb, peak_kb / 1024)
        memory_mb = self._kind.limits.memory_mb
        code = os.waitstatus_to_exitcode(status)
        ended_by = signal.Signals(-code) if code < 0 else None
        if ended_by is signal.SIGXCPU:
            raise TimedOut(timeout_s)
        is_starved = ended_by in _ABORTED and self.peak_mb > STARVED_SHARE * memory_mb
        if is_starved or any(sign in last_words for sign in _MEMORY_SIGNS):
            raise OutOfMemory(memory_mb)
        raise Crashed(f"exit code {code}" if ended_by is None else ended_by.name)

    def kill(self) -> None:
        """End it at once, with what it has started."""
        self._is_usable = False
        self.server.kill(self._child_id)

    def close(self) -> None:
        """Hang up: a process that waits for a request ends."""
        self._is_usable = False
        self._channel.close()
        self._status.close()
