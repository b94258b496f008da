"""Opens containers in an isolated process: mails, archives, mailboxes, PDFs with files in them, tables by their rows.

Each function gives the container's parts from number `start` on, as many as `max_bytes` allow: a line of JSON (name,
size and error of each part, and the number to go on at), and then the parts' bytes in the same order.
"""

import email
import email.policy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any
from zipfile import ZipFile, ZipInfo

from PIL import Image
from pydantic_core import to_json

from blocks.errors import Corrupt, DocumentError, Encrypted, RowBroken, TooLarge, TooManyParts
from blocks.files import mailboxes, outlook, pdf_files
from blocks.files.archive_types import MALFORMED_ZIP
from blocks.files.encodings import load_codecs
from blocks.files.mail_parts import attachments_of
from blocks.files.media_types import CSV, EML, ZIP
from blocks.isolation.wire import pack_error
from tasks.discover.listing import is_system_file
from tasks.discover.tables import csv_cells, jsonl_cells

MAX_RATIO = 300
"""Unpacked to packed size. Deflate reaches 1,032 on nothing but zeros; texts and tables stay below 50."""
RATIO_FROM_BYTES = 10_000_000
PACKED_FILE = "packed file"
ENCRYPTED_MEMBER = 0x1
"""The flag of a member, in the zip format's specification (APPNOTE 4.4.4)."""
MALFORMED_MAIL = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)

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
Content-Type: application/pdf; name="=?iso-8859-1?q?=FC.pdf?="
Content-Transfer-Encoding: quoted-printable

=41
--x--
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a container. `read` gives its bytes, or raises a `DocumentError`; `error` is what may be wrong."""

    name: str
    read: Callable[[], bytes]
    error: DocumentError | None = None


def warm_up() -> None:
    """Load codecs, decoders and pdfium: an isolated process may not read our files."""
    load_codecs()
    Image.init()
    pdf_files.warm_up()
    first = BytesIO()
    with ZipFile(first, "w") as archive:
        archive.writestr("first.txt", "x")
    arguments = {"start": 1, "max_parts": 3, "max_bytes": 1_000, "max_total_bytes": 1_000, "passwords": []}
    archived(first.getvalue(), arguments)
    attachments(FIRST_MAIL, arguments)


def attachments(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A mail's attachments, in order. Arguments: max_parts, start, max_bytes. Raises `Corrupt` and `TooManyParts`."""
    return _attached(email.message_from_bytes(content, policy=email.policy.compat32), arguments)


def outlook_attachments(content: bytes, arguments: dict[str, Any]) -> bytes:
    """As `attachments`, of an Outlook message."""
    return _attached(outlook.as_mail(content), arguments)


def _attached(message: Message, arguments: dict[str, Any]) -> bytes:
    try:
        found = [Part(part.name, part.content) for part in attachments_of(message)]
        return _packed(found, arguments, "attachments")
    except MALFORMED_MAIL as error:
        raise Corrupt(EML, str(error) or type(error).__name__) from error


def mails(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The mails of a mailbox. Arguments as for `attachments`."""
    found = (
        Part(f"mail-{number}.eml", partial(bytes, mail)) for number, mail in enumerate(mailboxes.mails_of(content), 1)
    )
    return _packed(found, arguments, "mails")


def attached_files(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The files in a PDF, but for the data of an electronic invoice, which its pages show.

    Arguments as for `attachments`, and passwords. Raises `Encrypted`, `Corrupt` and `TooManyParts`.
    """
    found = [
        Part(name, partial(bytes, file))
        for name, file in pdf_files.files_of(content, arguments["passwords"], arguments["max_parts"] + 1)
        if not name.lower().endswith(".xml")
    ]
    return _packed(found, arguments, "attached files")


def archived(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The files of a zip archive, without hidden ones and those of operating systems.

    Arguments as for `attachments`, passwords and max_total_bytes. Raises `Corrupt`, `TooLarge` and `TooManyParts`.
    """
    try:
        with ZipFile(BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not _is_left_out(member)]
            total, limit = sum(member.file_size for member in members), arguments["max_total_bytes"]
            if total > limit:
                raise TooLarge("the archive's files in bytes, unpacked,", total, limit, "WINNOW_MAX_CONTAINER_MB")
            parts = (Part(member.filename, _unpack(archive, member, arguments["passwords"])) for member in members)
            return _packed(parts, arguments, "files")
    except MALFORMED_ZIP as error:
        raise Corrupt(ZIP, str(error) or type(error).__name__) from error


def _is_left_out(member: ZipInfo) -> bool:
    """Whether a member is no document. What some program calls "./a.pdf" or "../a.pdf" is not hidden by that."""
    steps = member.filename.replace("\\", "/").split("/")
    return member.is_dir() or any(is_system_file(step) for step in steps if step not in {".", ".."})


def _unpack(archive: ZipFile, member: ZipInfo, passwords: list[str]) -> Callable[[], bytes]:
    def read() -> bytes:
        if member.file_size > max(RATIO_FROM_BYTES, MAX_RATIO * member.compress_size):
            raise Corrupt(PACKED_FILE, "it is packed so densely that it may be an attack")
        secrets = [password.encode() for password in passwords] if member.flag_bits & ENCRYPTED_MEMBER else [None]
        for secret in secrets:
            try:
                return archive.read(member, secret)
            except RuntimeError:
                continue  # the password does not fit
            except MALFORMED_ZIP as error:
                raise Corrupt(PACKED_FILE, str(error) or type(error).__name__) from error
        raise Encrypted(len(passwords))

    return read


def rows(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The text of a column of a csv or jsonl file, a part per row.

    Arguments: media_type, column, start, max_bytes. Raises `RowsColumnMissing` and `Corrupt`. A row that may be wrong
    is a part with a `RowBroken`.
    """
    cells = (csv_cells if arguments["media_type"] == CSV else jsonl_cells)(content, arguments["column"])
    parts = (
        Part(str(number), partial(cell.encode, "utf-8", "replace"), RowBroken(problem) if problem else None)
        for number, (cell, problem) in enumerate(cells, 1)
    )
    return _packed(parts, arguments | {"max_parts": None}, "rows")


def _packed(parts: Iterable[Part], arguments: dict[str, Any], what: str) -> bytes:
    """The parts from `start` on, up to `max_bytes` together, but one at least."""
    taken: list[tuple[str, bytes, str | None]] = []
    size, go_on_at = 0, None
    limit = arguments["max_parts"]
    for number, part in zip(count(1), parts):
        if limit is not None and number > limit:
            raise TooManyParts(what, limit)
        if number < arguments["start"] or go_on_at is not None:
            continue
        try:
            content, error = part.read(), part.error
        except DocumentError as unreadable:
            content, error = b"", unreadable
        if taken and size + len(content) > arguments["max_bytes"]:
            go_on_at = number
            if limit is None:
                break  # the rest is read in the next call, and need not be sound for this one
            continue
        taken.append((part.name, content, pack_error(error).decode() if error is not None else None))
        size += len(content)
    head = {"parts": [(name, len(content), error) for name, content, error in taken], "go_on_at": go_on_at}
    return b"".join((to_json(head), b"\n", *(content for _, content, _ in taken)))
