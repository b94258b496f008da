"""What passes between a worker process, its zygotes and their children: frames over sockets, errors by kind.

A request is one line of JSON (function, arguments, timeout_s, size) followed by `size` bytes of content. A reply is a
`REPLY` header (kind, peak memory in kB, size) followed by `size` bytes. A zygote's commands are `COMMAND` records.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum

from blocks.errors import Crashed, DocumentError, WinnowError

REPLY = struct.Struct("!BQQ")
COMMAND = struct.Struct("!cQ")
EXIT = struct.Struct("!iQ")
"""How a child ended: its wait status and its peak memory in kB."""

FORK = b"F"
KILL = b"K"
READY = b"R"
BROKEN = b"B"


class ReplyKind(IntEnum):
    """What a child's reply holds: the function's bytes, a typed error, or word that memory ran out."""

    RESULT = 0
    ERROR = 1
    OUT_OF_MEMORY = 2
    DEFECT = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use, beyond what its zygote has already."""

    memory_mb: int
    open_files: int


class ChildDefect(DocumentError):
    """A function that ran in a child raised something that is no WinnowError: a defect of the function."""

    kind = "internal"

    def __init__(self, description: str) -> None:
        super().__init__(f"a defect in Winnow: {description}; please report it with this document's id")


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
