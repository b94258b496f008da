"""A worker's side of one zygote: it is started, asked for children, and started again when it has died."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from dataclasses import asdict, dataclass

from blocks.errors import ProcessUnavailable
from blocks.isolation import wire

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process that waits for its one request on `channel`; `status` tells how it ended."""

    child_id: int
    channel: socket.socket
    status: socket.socket

    def close(self) -> None:
        """Let go of it. A child that still waits for its request ends at that."""
        self.channel.close()
        self.status.close()


class Nursery:
    """Children of one zygote, which has imported `module`. Thread-safe.

    `ahead` children are kept waiting for the next documents, forked while the ones before are still read.
    Raises `ProcessUnavailable` where the zygote does not start or has died: the worker's trouble, not a document's.
    """

    def __init__(self, module: str, limits: wire.Limits, ahead: int) -> None:
        self._ahead = ahead
        self._lock = threading.Lock()
        self._waiting: deque[Child] = deque()
        self._ids = itertools.count(1)
        self._commands, theirs = _pair()
        with theirs:
            order = {"fd": theirs.fileno(), "module": module, "limits": asdict(limits)}
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "blocks.isolation.zygote", json.dumps(order)],
                    pass_fds=[theirs.fileno()],
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:  # no memory, or no process number left
                self._commands.close()
                raise ProcessUnavailable(str(error)) from error
        self._finish = weakref.finalize(self, _end, self._process, self._commands, self._waiting)
        self._wait_until_ready(module)

    def _wait_until_ready(self, module: str) -> None:
        self._commands.settimeout(START_TIMEOUT_S)
        try:
            answer = self._commands.recv(4_096)
        except OSError as error:
            answer = str(error).encode()
        self._commands.settimeout(None)
        if answer != wire.READY:
            self.close()
            said = answer[1:] if answer.startswith(wire.BROKEN) else answer
            raise ProcessUnavailable(f"{module}: {said.decode(errors='replace') or 'the zygote died at its start'}")

    @property
    def pid(self) -> int:
        """The zygote's process id."""
        return self._process.pid

    def take(self) -> Child:
        """A child that waits for its request, with others on their way. Raises `ProcessUnavailable`."""
        with self._lock:
            while len(self._waiting) <= self._ahead:
                self._waiting.append(self._ask_for_child())
            return self._waiting.popleft()

    def kill(self, child: Child) -> None:
        """End a child at once. One that has ended already is left alone: its number may be another's by now."""
        with self._lock:
            try:
                self._commands.sendall(wire.COMMAND.pack(wire.KILL, child.child_id))
            except OSError as error:
                raise ProcessUnavailable(f"the zygote {self.pid} is gone: {error}") from error

    def _ask_for_child(self) -> Child:
        channel, their_channel = _pair()
        try:
            status, their_status = _pair()
        except ProcessUnavailable:
            channel.close()
            their_channel.close()
            raise
        child = Child(next(self._ids), channel, status)
        with their_channel, their_status:
            try:
                command = wire.COMMAND.pack(wire.FORK, child.child_id)
                socket.send_fds(self._commands, [command], [their_channel.fileno(), their_status.fileno()])
            except OSError as error:
                child.close()
                raise ProcessUnavailable(f"the zygote {self.pid} is gone: {error}") from error
        return child

    def close(self) -> None:
        """End the zygote and every child of it."""
        self._finish()


def _end(process: subprocess.Popen[bytes], commands: socket.socket, waiting: deque[Child]) -> None:
    commands.close()
    while waiting:
        waiting.popleft().close()
    process.kill()
    process.wait()


def _pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:  # no file number left, or no memory
        raise ProcessUnavailable(str(error)) from error


def _environment() -> dict[str, str]:
    """No secret of the worker's environment reaches a process that reads documents."""
    path = ":".join(entry for entry in sys.path if entry)
    return {"PYTHONPATH": path, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
