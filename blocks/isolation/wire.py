"""The messages between a worker, its fork servers and their isolated processes.

A request is a line of JSON (function, arguments, timeout_s, size) and `size` bytes of content. Without a size, the
request is about the content that the process has already. A reply is a `REPLY` header and `size` bytes. A fork server
takes `COMMAND` records.
"""

import json
import socket
import struct
import time
import traceback
from collections.abc import Mapping
from enum import IntEnum

from pydantic import JsonValue

from blocks.errors import Crashed, StageCrashed, WinnowError

REPLY = struct.Struct("!BQQ")
"""Kind of the reply, peak memory of the process in kB, size of the body in bytes."""
COMMAND = struct.Struct("!cQ")
"""`FORK` or `KILL`, and the number of the process."""
EXIT = struct.Struct("!iQd")
"""How a process ended: wait status, peak memory in kB, computing time in seconds. The end of its stderr follows."""
NOT_FORKED = -1
"""In place of a wait status: the system refused the process. The reason follows."""
MAX_STDERR_BYTES = 4_096
MAX_DEFECT_CHARACTERS = 4_000

FORK = b"F"
KILL = b"K"
READY = b"R"
REFUSED = b"E"
"""The fork server's preparation raised a WinnowError, which follows, packed."""
BROKEN = b"B"
"""The fork server cannot start. The reason follows."""


class ReplyKind(IntEnum):
    """What a reply holds: the function's bytes, a typed error, nothing (out of memory), or a defect."""

    RESULT = 0
    ERROR = 1
    OUT_OF_MEMORY = 2
    DEFECT = 3


def pack_request(function: str, arguments: Mapping[str, JsonValue], timeout_s: float, size: int | None) -> bytes:
    """A request's line. `size` is None if the process has the content already."""
    request = {"function": function, "arguments": dict(arguments), "timeout_s": timeout_s, "size": size}
    return json.dumps(request).encode() + b"\n"


def send(channel: socket.socket, content: bytes, deadline: float) -> None:
    """Send all of `content`. Raises TimeoutError at the deadline, a time of the monotonic clock."""
    channel.settimeout(_seconds_until(deadline))
    channel.sendall(content)


def receive(channel: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes. Raises TimeoutError at the deadline, and EOFError if the other end is gone."""
    buffer = bytearray(size)
    view, received = memoryview(buffer), 0
    while received < size:
        channel.settimeout(_seconds_until(deadline))
        count = channel.recv_into(view[received:])
        if count == 0:
            raise EOFError
        received += count
    return bytes(buffer)


def _seconds_until(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def pack_defect(error: Exception) -> bytes:
    """An exception that is no WinnowError: a defect of the function, with its stack."""
    what = f"{type(error).__name__}: {error}"[:MAX_DEFECT_CHARACTERS]
    return json.dumps({"what": what, "stack": "".join(traceback.format_exception(error, limit=-20))}).encode()


def unpack_defect(body: bytes) -> StageCrashed:
    """The defect that `pack_defect` packed. Its note is the stack in the isolated process."""
    packed = json.loads(body)
    defect = StageCrashed(packed["what"])
    defect.add_note(f"In the isolated process:\n{packed['stack']}")
    return defect


def pack_error(error: WinnowError) -> bytes:
    """A typed error: its kind and its message."""
    return json.dumps({"kind": error.kind, "message": str(error)}).encode()


def unpack_error(body: bytes) -> WinnowError:
    """The error that `pack_error` packed, of the same class; `Crashed` if the kind is unknown."""
    packed = json.loads(body)
    kind, message = str(packed["kind"]), str(packed["message"])
    leaf = _leaves(WinnowError).get(kind)
    if leaf is None:
        return Crashed(f"it reported {kind}: {message}")
    error = leaf.__new__(leaf)
    error.args = (message,)
    return error


def _leaves(root: type[WinnowError]) -> dict[str, type[WinnowError]]:
    found: dict[str, type[WinnowError]] = {}
    for subclass in root.__subclasses__():
        found |= _leaves(subclass)
        if "kind" in vars(subclass):
            found[subclass.kind] = subclass
    return found
