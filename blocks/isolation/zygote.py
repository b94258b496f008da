"""The small process that children are forked from: ``python -m blocks.isolation.zygote``.

It has one thread, has imported what its children run, and never sees a document. A worker process cannot fork by
itself, because it has threads; it asks here, and hands over the two sockets that the new child is reached by. Its
worker's death ends it (end of file on the command socket), and its own death ends its children.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable

from blocks.errors import WinnowError
from blocks.isolation import wire
from blocks.isolation.limits import address_space_bytes, confine, limit_cpu

ORPHAN_CHECK_MS = 1_000
OPEN_FILES_AT_MOST = 4_096

IsolatedFunction = Callable[[bytes, dict[str, object]], bytes]
"""What runs in a child: the document's bytes and JSON arguments in, bytes out."""


class Zygote:
    """Forks on command, reaps, and tells each child's worker how it ended."""

    def __init__(self, commands: socket.socket, module: object, limits: wire.Limits) -> None:
        self._commands = commands
        self._module = module
        self._limits = limits
        self._inherited_bytes = address_space_bytes()
        self._children: dict[int, tuple[int, socket.socket]] = {}
        self._parent = os.getppid()

    def serve(self) -> None:
        """Answer commands until the worker is gone."""
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
                    _drain(woken)
                    self._reap()
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._commands, wire.COMMAND.size, 2)
        if len(message) < wire.COMMAND.size:
            return False
        command, child_id = wire.COMMAND.unpack(message)
        if command == wire.FORK:
            channel, status = (socket.socket(fileno=descriptor) for descriptor in descriptors)
            self._fork(child_id, channel, status)
        elif command == wire.KILL:
            for pid, (known_id, _) in self._children.items():
                if known_id == child_id:
                    os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, child_id: int, channel: socket.socket, status: socket.socket) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                self._become_child(channel)
                os._exit(0)
            finally:
                os._exit(1)
        channel.close()
        self._children[pid] = (child_id, status)

    def _become_child(self, channel: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        zygote = os.getppid()
        own = os.dup2(channel.fileno(), 3) if channel.fileno() != 3 else 3
        os.closerange(4, OPEN_FILES_AT_MOST)
        confine(self._limits, self._inherited_bytes)
        if os.getppid() != zygote:
            os._exit(1)
        serve_one(socket.socket(fileno=own), self._module)

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            _, report = self._children.pop(pid)
            with report, contextlib.suppress(OSError):  # a worker that had its answer has hung up
                report.send(wire.EXIT.pack(status, usage.ru_maxrss))


def serve_one(channel: socket.socket, module: object) -> None:
    """A child's whole life: one request, one reply."""
    with channel.makefile("rb") as stream:
        line = stream.readline()
        if not line:
            return
        request = json.loads(line)
        limit_cpu(request["timeout_s"])
        content = stream.read(request["size"])
    try:
        function: IsolatedFunction = getattr(module, request["function"])
        kind, body = wire.ReplyKind.RESULT, function(content, request["arguments"])
    except WinnowError as error:
        kind, body = wire.ReplyKind.ERROR, wire.pack_error(error)
    except MemoryError:
        kind, body = wire.ReplyKind.OUT_OF_MEMORY, b""
    except Exception as error:  # noqa: BLE001 - it is raised again in the worker, as a defect
        kind, body = wire.ReplyKind.DEFECT, f"{type(error).__name__}: {error}".encode(errors="replace")[:4_000]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    channel.sendall(wire.REPLY.pack(kind, peak_kb, len(body)))
    channel.sendall(body)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4_096):
            pass
    except BlockingIOError:
        return


def main() -> None:
    """Import the module, say so, and serve. The command line has one JSON object: fd, module and limits."""
    order = json.loads(sys.argv[1])
    commands = socket.socket(fileno=order["fd"])
    try:
        module = importlib.import_module(order["module"])
        getattr(module, "warm_up", lambda: None)()
    except Exception as error:  # noqa: BLE001 - the worker raises it
        commands.sendall(wire.BROKEN + f"{type(error).__name__}: {error}".encode())
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    commands.sendall(wire.READY)
    Zygote(commands, module, wire.Limits(**order["limits"])).serve()


if __name__ == "__main__":
    main()
