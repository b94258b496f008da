"""Opens containers in an isolated process: the attachments of a mail, the rows of a table.

Both functions give a line of JSON (name, size and problem of each part, and the next row), and then the parts' bytes in
the same order.
"""

import email
import email.policy
from email.errors import MessageError
from typing import Any

from pydantic_core import to_json

from blocks.errors import Corrupt, TooManyParts
from blocks.files.encodings import load_codecs
from blocks.files.mail_parts import attachments_of
from blocks.files.media_types import CSV, EML
from tasks.discover.tables import csv_cells, jsonl_cells

Part = tuple[str, bytes, str | None]
"""Name, bytes, and the problem, if any."""

FIRST_MAIL = b"""From: =?utf-8?q?a?= <a@b.c>
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: message/rfc822

Subject: inner

x
--x
Content-Type: application/pdf; name*=utf-8''first.pdf
Content-Transfer-Encoding: base64

eA==
--x
Content-Type: application/pdf
Content-Transfer-Encoding: quoted-printable

=41
--x--
"""


def warm_up() -> None:
    """Load codecs: an isolated process may not read our files."""
    load_codecs()
    attachments(FIRST_MAIL, {"max_parts": 3})


def attachments(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A mail's attachments, in order. Arguments: max_parts. Raises `Corrupt` and `TooManyParts`."""
    try:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        found: list[Part] = [(part.name, part.content(), None) for part in attachments_of(message)]
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(EML, str(error) or type(error).__name__) from error
    if len(found) > arguments["max_parts"]:
        raise TooManyParts("attachments", arguments["max_parts"])
    return _packed(found, None)


def rows(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The text of a column of a csv or jsonl file, a part per row, from row `start` on, up to `max_bytes`.

    Arguments: media_type, column, start (from 1), max_bytes. Raises `RowsColumnMissing` and `Corrupt`. A row that
    may be wrong is a part with the problem.
    """
    cells = (csv_cells if arguments["media_type"] == CSV else jsonl_cells)(content, arguments["column"])
    taken: list[Part] = []
    size = 0
    for number, (cell, problem) in enumerate(cells, 1):
        if number < arguments["start"]:
            continue
        encoded = cell.encode("utf-8", "replace")
        if taken and size + len(encoded) > arguments["max_bytes"]:
            return _packed(taken, number)
        taken.append((str(number), encoded, problem))
        size += len(encoded)
    return _packed(taken, None)


def _packed(parts: list[Part], go_on_at: int | None) -> bytes:
    head = {"parts": [(name, len(content), problem) for name, content, problem in parts], "go_on_at": go_on_at}
    return b"".join((to_json(head), b"\n", *(content for _, content, _ in parts)))
