"""The worker's side of an isolated process: it takes requests, one at a time, and replies or ends."""

import logging
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

OUT_OF_MEMORY_SHARE = 0.7
"""A C library that gets no memory may end by a signal: the cause is memory if more than this share of it was used."""
EXIT_TIMEOUT_S = 5.0

_ABORTED = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL}
_STACK = "Traceback (most recent call last):"
_OUT_OF_MEMORY_TEXTS = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"malloc fail")


log = logging.getLogger(__name__)


class IsolatedProcess:
    """A forked process that waits for requests on its channel. Not thread-safe.

    `cpu_s` is its computing time, once it was killed at a deadline; None if its fork server does not say.
    Raises `ProcessUnavailable` if the fork server gives none.
    """

    def __init__(self, server: ForkServerClient, kind: ProcessKind) -> None:
        self.server = server
        self.requests = 0
        self.peak_mb = 0.0
        self.cpu_s: float | None = None
        self._kind = kind
        self._is_usable = True
        self._child_id, self._channel, self._status = server.fork()

    @property
    def is_usable(self) -> bool:
        """Whether it can take another request. Its own end of the channel closes before the fork server reports it."""
        return self._is_usable and _is_silent(self._channel) and _is_silent(self._status)

    def run(self, function: str, content: bytes | None, arguments: Mapping[str, JsonValue], timeout_s: float) -> bytes:
        """What `function` gives for the content; None stands for the content that the process has already.

        Raises the WinnowError that the function raised, and `StageCrashed` for any other exception. Raises `TimedOut`,
        `OutOfMemory`, `TooLarge` and `Crashed` if the process exceeded a limit or died, and `ProcessUnavailable` if its
        fork server is gone.
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
            self._note_cpu()
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
        raise wire.unpack_defect(body)

    def _receive_reply(self, deadline: float) -> tuple[int, bytes]:
        kind, peak_kb, size = wire.REPLY.unpack(wire.receive(self._channel, wire.REPLY.size, deadline))
        self.peak_mb = max(self.peak_mb, peak_kb / 1024)
        limit = self._kind.max_output_mb * MEGABYTE
        if size > limit:
            self.kill()
            raise TooLarge("the extracted text in bytes", size, limit, "WINNOW_MAX_OUTPUT_MB")
        return kind, wire.receive(self._channel, size, deadline)

    def _raise_for_exit(self, timeout_s: float) -> NoReturn:
        """Raise the error of a process that ended without a complete reply."""
        deadline = time.monotonic() + EXIT_TIMEOUT_S
        try:
            status, peak_kb, _ = wire.EXIT.unpack(wire.receive(self._status, wire.EXIT.size, deadline))
            stderr = self._status.recv(wire.MAX_STDERR_BYTES)
        except EOFError:
            raise self.server.gone("it died, and its processes with it") from None
        except OSError as error:
            raise self.server.gone("it does not answer") from error
        if status == wire.NOT_FORKED:
            reason = stderr.decode(errors="replace")
            raise ProcessUnavailable(f"the fork server {self.server.pid} could not fork: {reason}")
        self.peak_mb = max(self.peak_mb, peak_kb / 1024)
        memory_mb = self._kind.limits.memory_mb
        code = os.waitstatus_to_exitcode(status)
        ended_by = signal.Signals(-code) if code < 0 else None
        if ended_by is signal.SIGXCPU:
            raise TimedOut(timeout_s)
        is_near_limit = self.peak_mb > OUT_OF_MEMORY_SHARE * memory_mb
        if (ended_by in _ABORTED and is_near_limit) or any(text in stderr for text in _OUT_OF_MEMORY_TEXTS):
            raise OutOfMemory(memory_mb)
        raise Crashed(f"exit code {code}{_last_line(stderr)}" if ended_by is None else ended_by.name)

    def _note_cpu(self) -> None:
        """Keep the computing time of a process that was killed."""
        try:
            received = wire.receive(self._status, wire.EXIT.size, time.monotonic() + EXIT_TIMEOUT_S)
        except (OSError, EOFError) as error:
            log.debug("the end of a process that was killed is not reported: %s", error)
            return
        *_, self.cpu_s = wire.EXIT.unpack(received)

    def kill(self) -> None:
        """End it at once, with all processes that it has started."""
        self._is_usable = False
        self.server.kill(self._child_id)

    def close(self) -> None:
        """Close the sockets: a process that waits for a request then ends."""
        self._is_usable = False
        self._channel.close()
        self._status.close()


def _is_silent(connection: socket.socket) -> bool:
    """Whether nothing has come over a connection, and its other end is open."""
    try:
        connection.setblocking(False)  # what sends or receives next sets its own time limit
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _last_line(stderr: bytes) -> str:
    """The error that ended a process's own code, after a colon; nothing if stderr ends with no stack.

    What a C library writes stays out: it may quote the document.
    """
    _, mark, stack = stderr.decode(errors="replace").rpartition(_STACK)
    if not mark:
        return ""
    log.error("an isolated process failed:\n%s%s", mark, stack)
    return f": {stack.rstrip().rpartition(chr(10))[2]}"
