"""Outlook's messages for tests, by [MS-OXMSG]."""

import struct
from collections.abc import Sequence

from tests.doubles.compound_file import Tree, compound_file

SENT = 0x0039
LONG, FILETIME = 0x0003, 0x0040


def message(
    texts: dict[int, str],
    binaries: dict[int, bytes] | None = None,
    attachments: Sequence[Tree] = (),
    sent: int = 0,
    numbers: dict[int, int] | None = None,
) -> Tree:
    """The folder of a message: texts, binaries and whole numbers by the numbers of their properties."""
    return {
        "__properties_version1.0": _properties(24, sent, numbers or {}),
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


def eight_bit(tree: Tree, encoding: str) -> Tree:
    """The same folder with its texts in eight bits, as old Outlooks write them."""
    return {
        name.removesuffix("001F") + "001E" if name.endswith("001F") else name: content.decode("utf-16-le").encode(
            encoding
        )
        if name.endswith("001F") and isinstance(content, bytes)
        else content
        for name, content in tree.items()
    }


def _properties(header_bytes: int, sent: int, numbers: dict[int, int]) -> bytes:
    fixed = b"".join(struct.pack("<HHIQ", LONG, number, 6, value) for number, value in numbers.items())
    return bytes(header_bytes) + fixed + (struct.pack("<HHIQ", FILETIME, SENT, 6, sent) if sent else b"")


def _streams(texts: dict[int, str], binaries: dict[int, bytes]) -> dict[str, bytes]:
    return {f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in texts.items()} | {
        f"__substg1.0_{number:04X}0102": content for number, content in binaries.items()
    }
