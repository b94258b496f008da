"""What a container holds: a mail's attachments, a table's rows. Runs in a child, one container each.

Both functions give a line of JSON (parts with name and size, and where to go on) and then the parts' bytes, one after
the other.
"""

import csv
import email
import email.policy
import io
import json
from collections.abc import Iterator
from email.errors import MessageError
from typing import Any

from pydantic_core import to_json

from blocks.characters import decode, load_codecs
from blocks.errors import Corrupt, RowsColumnMissing, TooManyParts
from blocks.mail_parts import attachments_of
from blocks.media_types import CSV, EML, delimiter_of

MAX_CELL_CHARACTERS = 10_000_000


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
    """Load codecs: a child may not be able to read our files."""
    load_codecs()
    attachments(FIRST_MAIL, {"max_parts": 3})


def attachments(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A mail's attachments, in order. Arguments: max_parts. Raises `Corrupt` and `TooManyParts`."""
    try:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        found = [(part.name, part.content()) for part in attachments_of(message)]
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(EML, str(error) or type(error).__name__) from error
    if len(found) > arguments["max_parts"]:
        raise TooManyParts("attachments", arguments["max_parts"])
    return _packed(found, None)


def rows(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The text of one column of a csv or jsonl file, a part per row, from row `start` on until `max_bytes` are full.

    Arguments: media_type, column, start (from 1), max_bytes. Raises `RowsColumnMissing` and `Corrupt`.
    """
    cells = (_csv_cells if arguments["media_type"] == CSV else _jsonl_cells)(content, arguments["column"])
    taken: list[tuple[str, bytes]] = []
    size = 0
    for number, cell in enumerate(cells, 1):
        if number < arguments["start"]:
            continue
        encoded = cell.encode("utf-8", "replace")
        if taken and size + len(encoded) > arguments["max_bytes"]:
            return _packed(taken, number)
        taken.append((str(number), encoded))
        size += len(encoded)
    return _packed(taken, None)


def _packed(parts: list[tuple[str, bytes]], go_on_at: int | None) -> bytes:
    head = {"parts": [(name, len(content)) for name, content in parts], "go_on_at": go_on_at}
    return b"".join((to_json(head), b"\n", *(content for _, content in parts)))


def _csv_cells(content: bytes, column: str) -> Iterator[str]:
    text = decode(content)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        if column not in columns:
            raise RowsColumnMissing(column, tuple(columns))
        reader.fieldnames = columns
        for row in reader:
            yield row[column] or ""
    except csv.Error as error:
        raise Corrupt(CSV, f"line {reader.line_num}: {error}") from error


def _jsonl_cells(content: bytes, column: str) -> Iterator[str]:
    seen: dict[str, None] = {}
    is_found = False
    for number, line in enumerate(decode(content).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Corrupt("jsonl", f"line {number}: {error}") from error
        row = row if isinstance(row, dict) else {}
        seen |= dict.fromkeys(row)
        is_found = is_found or column in row
        value = row.get(column)
        yield value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    if not is_found:
        raise RowsColumnMissing(column, tuple(seen)[:50])
