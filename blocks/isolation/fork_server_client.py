"""The worker's side of a fork server: start it, have it fork and kill processes, end it."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import weakref
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import JsonValue

from blocks.errors import ProcessUnavailable
from blocks.isolation import wire
from blocks.isolation.limits import Limits

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """What processes of a kind run, and what they may use.

    The fork server imports `module` and calls its `warm_up` with `preparation`, once for all processes. A process
    takes up to `max_requests` documents or pages.
    """

    module: str
    limits: Limits
    max_output_mb: int
    preparation: dict[str, JsonValue] = field(default_factory=dict)
    max_requests: int = 1


class ForkServerClient:
    """A fork server. Thread-safe.

    Raises `ProcessUnavailable` if it does not start or has died, and the WinnowError that its preparation raised.
    """

    def __init__(self, kind: ProcessKind) -> None:
        self.is_gone = False
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._commands, theirs = socket_pair()
        with theirs:
            order = {
                "fd": theirs.fileno(),
                "module": kind.module,
                "limits": asdict(kind.limits),
                "preparation": kind.preparation,
            }
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "blocks.isolation.fork_server", json.dumps(order)],
                    pass_fds=[theirs.fileno()],
                    env=_environment(kind.limits.program),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:  # no memory, or no process number left
                self._commands.close()
                raise ProcessUnavailable(str(error)) from error
        self._finish = weakref.finalize(self, _end, self._process, self._commands)
        self._wait_until_ready(kind.module)

    def _wait_until_ready(self, module: str) -> None:
        self._commands.settimeout(START_TIMEOUT_S)
        try:
            answer = self._commands.recv(65_536)
        except OSError as error:
            answer = str(error).encode()
        self._commands.settimeout(None)
        if answer == wire.READY:
            return
        self.close()
        if answer.startswith(wire.REFUSED):
            raise wire.unpack_error(answer[1:])
        reason = answer.removeprefix(wire.BROKEN).decode(errors="replace")
        raise ProcessUnavailable(f"{module}: {reason or 'the fork server died while starting'}")

    @property
    def pid(self) -> int:
        """The fork server's process id."""
        return self._process.pid

    def fork(self) -> tuple[int, socket.socket, socket.socket]:
        """A new process: its number, the socket for requests, and the socket that gets its exit status."""
        channel, their_channel = socket_pair()
        try:
            status, their_status = socket_pair()
        except ProcessUnavailable:
            channel.close()
            their_channel.close()
            raise
        with their_channel, their_status, self._lock:
            child_id = next(self._ids)
            try:
                command = wire.COMMAND.pack(wire.FORK, child_id)
                socket.send_fds(self._commands, [command], [their_status.fileno(), their_channel.fileno()])
            except OSError as error:
                channel.close()
                status.close()
                raise self.gone(error) from error
        return child_id, channel, status

    def kill(self, child_id: int) -> None:
        """End a process at once, with all that it has started. Does nothing if the process has ended already."""
        with self._lock:
            try:
                self._commands.sendall(wire.COMMAND.pack(wire.KILL, child_id))
            except OSError as error:
                raise self.gone(error) from error

    def gone(self, reason: OSError | str) -> ProcessUnavailable:
        """The error of a fork server that does nothing more; its pool starts another."""
        self.is_gone = True
        return ProcessUnavailable(f"the fork server {self.pid} is gone: {reason}")

    def close(self) -> None:
        """End the fork server and every process of it."""
        self._finish()


def _end(process: subprocess.Popen[bytes], commands: socket.socket) -> None:
    commands.close()  # the fork server ends its processes and removes their folders
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets. Raises `ProcessUnavailable`."""
    try:
        return socket.socketpair()
    except OSError as error:  # no file number left, or no memory
        raise ProcessUnavailable(str(error)) from error


def _environment(program: str | None) -> dict[str, str]:
    """The environment of isolated processes: without the worker's secrets, and with a single thread per process."""
    path = ":".join(entry for entry in sys.path if entry)
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}
    programs = {} if program is None else {"PATH": str(Path(program).parent)}
    return {"PYTHONPATH": path, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", **threads, **programs}
