"""The preloaded process that isolated processes are forked from: ``python -m blocks.isolation.fork_server``.

It has one thread, has imported what isolated processes run, and never sees a document. A worker has threads, so it must
not fork: it sends a command, with the two sockets by which it reaches the new process. If the worker dies, the command
socket closes and the fork server ends. If the fork server dies, its processes end.
"""

import contextlib
import errno
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from blocks.errors import WinnowError
from blocks.isolation import wire
from blocks.isolation.limits import NOBODY, Limits, address_space_bytes, confine, leave_network, limit_cpu

ORPHAN_CHECK_MS = 1_000
MAX_OPEN_FILES = 4_096

IsolatedFunction = Callable[[bytes, dict[str, object]], bytes]
"""A function that runs in an isolated process: content and JSON arguments in, bytes out."""


@dataclass(frozen=True, slots=True)
class _Child:
    """A forked process: its number, the socket for its exit status, its stderr, its folder for temporary files."""

    child_id: int
    status: socket.socket
    stderr: int
    folder: str | None


class ForkServer:
    """Forks and kills on command, and reports to the worker how each process ended."""

    def __init__(self, commands: socket.socket, module: object, limits: Limits) -> None:
        self._commands = commands
        self._module = module
        self._limits = limits
        self._inherited_bytes = address_space_bytes()
        self._children: dict[int, _Child] = {}
        self._parent = os.getppid()

    def serve(self) -> None:
        """Take commands until the worker is gone."""
        woken, wakeup = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._commands, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while os.getppid() == self._parent:
            for descriptor, _ in poll.poll(ORPHAN_CHECK_MS):
                if descriptor == woken:
                    _read_all(woken)
                    self._reap()
                elif not self._take_command():
                    return

    def _take_command(self) -> bool:
        """Do what the worker commands; False if the worker is gone."""
        message, descriptors, _, _ = socket.recv_fds(self._commands, wire.COMMAND.size, 2)
        if len(message) < wire.COMMAND.size:
            return False
        command, child_id = wire.COMMAND.unpack(message)
        if command == wire.FORK:
            self._fork(child_id, [socket.socket(fileno=descriptor) for descriptor in descriptors])
        elif command == wire.KILL:
            for pid, child in self._children.items():
                if child.child_id == child_id:
                    _kill_group(pid)
        return True

    def _fork(self, child_id: int, sockets: list[socket.socket]) -> None:
        """Fork a process. If the system refuses it, its worker gets the reason, and the other processes work on."""
        folder: str | None = None
        pipe: tuple[int, ...] = ()
        try:
            if len(sockets) < 2:  # the system drops the sockets for which no file number is left
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            folder = self._new_folder()
            pipe = os.pipe()
            for descriptor in pipe:
                os.set_blocking(descriptor, False)  # a process that writes much loses output, and never blocks
            pid = os.fork()
        except OSError as error:
            for descriptor in pipe:
                os.close(descriptor)
            if folder is not None:
                Path(folder).rmdir()  # rmtree takes a file number, and there may be none
            _refuse(sockets, error)
            return
        status, channel = sockets
        reading, writing = pipe
        if pid == 0:
            try:
                os.setpgid(0, 0)
                self._run_child(channel, writing, folder)
                os._exit(0)
            except MemoryError:
                os.write(2, b"MemoryError")  # the content alone exceeds the limit
            except BaseException:  # noqa: BLE001 - the worker gets the stack by stderr
                traceback.print_exc()
            finally:
                os._exit(1)
        with contextlib.suppress(PermissionError, ProcessLookupError):  # the child has done so already, or is gone
            os.setpgid(pid, pid)
        os.close(writing)
        channel.close()
        self._children[pid] = _Child(child_id, status, reading, folder)

    def _new_folder(self) -> str | None:
        """A folder for the files of the program that processes may start; None if they may start none."""
        if self._limits.program is None:
            return None
        folder = tempfile.mkdtemp(prefix="winnow-ocr-")
        if os.geteuid() == 0:
            try:
                os.chown(folder, NOBODY, NOBODY)
            except OSError:
                Path(folder).rmdir()
                raise
        return folder

    def _run_child(self, channel: socket.socket, stderr: int, folder: str | None) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server = os.getppid()
        os.dup2(stderr, 2)
        own = os.dup2(channel.fileno(), 3) if channel.fileno() != 3 else 3
        os.closerange(4, MAX_OPEN_FILES)
        tempfile.tempdir = folder
        confine(self._limits, self._inherited_bytes)
        if os.getppid() != server:
            os._exit(1)
        answer(socket.socket(fileno=own), self._module)

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            stderr = _read_all(child.stderr)[-wire.MAX_STDERR_BYTES :]
            self._clear_up(pid, child)
            with child.status, contextlib.suppress(OSError):  # a worker that got its reply has closed the socket
                child.status.send(wire.EXIT.pack(status, usage.ru_maxrss, usage.ru_utime + usage.ru_stime) + stderr)

    def end_children(self) -> None:
        """Kill every process with all that it has started, and remove their folders."""
        for pid, child in self._children.items():
            _kill_group(pid)
            os.waitpid(pid, 0)  # so that its computing time counts
            self._clear_up(pid, child)

    def _clear_up(self, pid: int, child: _Child) -> None:
        os.close(child.stderr)
        if child.folder is not None:
            _kill_group(pid)  # a program that it started may still run
            shutil.rmtree(child.folder, ignore_errors=True)


def _refuse(sockets: list[socket.socket], error: OSError) -> None:
    """Tell a worker, over its status socket if that has arrived, why its process was not forked."""
    for status in sockets[:1]:
        with contextlib.suppress(OSError):  # the worker is gone
            status.send(wire.EXIT.pack(wire.NOT_FORKED, 0, 0.0) + str(error).encode())
    for given in sockets:
        given.close()


def answer(channel: socket.socket, module: object) -> None:
    """Answer requests in an isolated process, one after the other, until the worker closes the channel."""
    content = b""
    with channel.makefile("rb") as stream:
        while line := stream.readline():
            request = json.loads(line)
            limit_cpu(request["timeout_s"])
            if request["size"] is not None:
                content = stream.read(request["size"])
            kind, body = _reply(module, request, content)
            peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            channel.sendall(wire.REPLY.pack(kind, peak_kb, len(body)))
            channel.sendall(body)


def _reply(module: object, request: dict[str, object], content: bytes) -> tuple[wire.ReplyKind, bytes]:
    try:
        function: IsolatedFunction = getattr(module, str(request["function"]))
        return wire.ReplyKind.RESULT, function(content, request["arguments"])  # type: ignore[arg-type]  # JSON of ours
    except WinnowError as error:
        return wire.ReplyKind.ERROR, wire.pack_error(error)
    except MemoryError:
        return wire.ReplyKind.OUT_OF_MEMORY, b""
    except Exception as error:  # noqa: BLE001 - the worker raises it again, as a defect
        return wire.ReplyKind.DEFECT, wire.pack_defect(error)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group has ended
        os.killpg(pid, signal.SIGKILL)


def _read_all(descriptor: int) -> bytes:
    """What can be read from a pipe without waiting."""
    pieces = []
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(descriptor, 65_536):
            pieces.append(piece)
    return b"".join(pieces)


def main() -> None:
    """Import the module, prepare it, report readiness, and serve. The command line is one JSON object."""
    order = json.loads(sys.argv[1])
    commands = socket.socket(fileno=order["fd"])
    leave_network()
    try:
        module = importlib.import_module(order["module"])
        getattr(module, "warm_up", lambda: None)(**order["preparation"])
    except WinnowError as error:
        commands.sendall(wire.REFUSED + wire.pack_error(error))
        return
    except Exception as error:  # noqa: BLE001 - the worker raises it
        commands.sendall(wire.BROKEN + f"{type(error).__name__}: {error}".encode())
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    commands.sendall(wire.READY)
    limits = replace(Limits(**order["limits"]), threads=getattr(module, "STARTS_THREADS", False))
    server = ForkServer(commands, module, limits)
    try:
        server.serve()
    finally:
        server.end_children()
    os._exit(0)  # a regular exit of a preloaded interpreter takes longer than all else


if __name__ == "__main__":
    main()
