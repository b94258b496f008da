"""What passes between a worker, its fork servers and their isolated processes: frames over sockets, errors by kind.

A request is one line of JSON (function, arguments, timeout_s, size) and `size` bytes of content. Without a size, the
request is about the content that the process holds. A reply is a `REPLY` header and `size` bytes. A fork server takes
`COMMAND` records.
"""

import json
import socket
import struct
import time
from collections.abc import Mapping
from enum import IntEnum

from pydantic import JsonValue

from blocks.errors import Crashed, DocumentError, WinnowError

REPLY = struct.Struct("!BQQ")
"""Kind of the reply, peak memory of the process in kB, size of the body in bytes."""
COMMAND = struct.Struct("!cQ")
"""`FORK` or `KILL`, and the number of the process."""
EXIT = struct.Struct("!iQ")
"""How a process ended: its wait status and its peak memory in kB. What it last wrote to stderr follows."""
LAST_WORDS_BYTES = 4_096

FORK = b"F"
KILL = b"K"
READY = b"R"
REFUSED = b"E"
"""The fork server's preparation raised a WinnowError; it follows, packed."""
BROKEN = b"B"
"""The fork server cannot start; the reason follows."""


class ReplyKind(IntEnum):
    """What a reply holds: the function's bytes, a typed error, nothing (out of memory), or a defect's description."""

    RESULT = 0
    ERROR = 1
    OUT_OF_MEMORY = 2
    DEFECT = 3


class IsolatedDefect(DocumentError):
    """A function in an isolated process raised something that is no WinnowError: a defect of the function."""

    kind = "internal"

    def __init__(self, description: str) -> None:
        super().__init__(f"a defect in Winnow: {description}; please report it with this document's id")


def pack_request(function: str, arguments: Mapping[str, JsonValue], timeout_s: float, size: int | None) -> bytes:
    """A request's line. `size` is None where the process holds the content already."""
    request = {"function": function, "arguments": dict(arguments), "timeout_s": timeout_s, "size": size}
    return json.dumps(request).encode() + b"\n"


def send(channel: socket.socket, content: bytes, deadline: float) -> None:
    """Send all of `content`. Raises TimeoutError at the deadline, a time of the monotonic clock."""
    channel.settimeout(_left_s(deadline))
    channel.sendall(content)


def receive(channel: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes. Raises TimeoutError at the deadline and EOFError where the other end is gone."""
    buffer = bytearray(size)
    view, received = memoryview(buffer), 0
    while received < size:
        channel.settimeout(_left_s(deadline))
        count = channel.recv_into(view[received:])
        if count == 0:
            raise EOFError
        received += count
    return bytes(buffer)


def _left_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def pack_error(error: WinnowError) -> bytes:
    """A typed error as it crosses a process border: its kind and its message."""
    return json.dumps({"kind": error.kind, "message": str(error)}).encode()


def unpack_error(body: bytes) -> WinnowError:
    """The error that `pack_error` packed, of the same class, or `Crashed` where the kind is unknown."""
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
