"""Outlook's messages for tests, by [MS-OXMSG]."""

import struct
from collections.abc import Sequence

from tests.doubles.compound_file import Tree, compound_file

SENT = 0x0039
FILETIME = 0x0040


def message(
    texts: dict[int, str], binaries: dict[int, bytes] | None = None, attachments: Sequence[Tree] = (), sent: int = 0
) -> Tree:
    """The folder of a message: texts and binaries by the numbers of their properties."""
    return {
        "__properties_version1.0": _properties(24, sent),
        **_streams(texts, binaries or {}),
        **{f"__attach_version1.0_#{number:08X}": attachment for number, attachment in enumerate(attachments)},
    }


def attachment(texts: dict[int, str], content: "bytes | Tree") -> Tree:
    """The folder of an attachment: a file, or a message."""
    if isinstance(content, bytes):
        return {"__properties_version1.0": bytes(8), **_streams(texts, {0x3701: content})}
    return {"__properties_version1.0": bytes(8), **_streams(texts, {}), "__substg1.0_3701000D": content}


def msg(tree: Tree) -> bytes:
    """A file with this message; the header of its properties is longer than that of a message within it."""
    properties = tree["__properties_version1.0"]
    assert isinstance(properties, bytes)
    return compound_file({**tree, "__properties_version1.0": bytes(8) + properties})


def _properties(header_bytes: int, sent: int) -> bytes:
    return bytes(header_bytes) + (struct.pack("<HHIQ", FILETIME, SENT, 6, sent) if sent else b"")


def _streams(texts: dict[int, str], binaries: dict[int, bytes]) -> dict[str, bytes]:
    return {f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in texts.items()} | {
        f"__substg1.0_{number:04X}0102": content for number, content in binaries.items()
    }
