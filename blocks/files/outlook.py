"""Outlook's messages (msg) as mails: headers, bodies and attachments, so that all that reads mails reads them.

The format is a compound file ([MS-OXMSG]): a stream for each property, named by its number and type, and a folder for
each attachment. The libraries for it are under the GPL, or lose attached messages; olefile reads the streams.
"""

import codecs
import struct
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import olefile
from compressed_rtf import decompress

from blocks.errors import Corrupt
from blocks.files.media_types import MSG

SUBJECT, SENDER, SENDER_ADDRESS, SENDER_SMTP, TO, CC, MESSAGE_ID = (
    0x0037,
    0x0C1A,
    0x0C1F,
    0x5D01,
    0x0E04,
    0x0E03,
    0x1035,
)
BODY, HTML, RTF, SENT, RECEIVED = 0x1000, 0x1013, 0x1009, 0x0039, 0x0E06
MESSAGE_CODE_PAGE, INTERNET_CODE_PAGE = 0x3FFD, 0x3FDE
NAME, SHORT_NAME, DATA, MEDIA_TYPE, CONTENT_ID = 0x3707, 0x3704, 0x3701, 0x370E, 0x3712
"""Property numbers of [MS-OXPROPS]."""
UNICODE, EIGHT_BIT, BINARY, STORAGE = 0x001F, 0x001E, 0x0102, 0x000D
PROPERTIES = "__properties_version1.0"
HEADER_BYTES = {0: 32, 1: 24}
"""The properties begin behind a header: of the message, and of a message within it."""
ENTRY_BYTES = 16
WINDOWS = 1252
CODECS = {number: f"iso8859-{number - 28590}" for number in (*range(28591, 28600), 28603, 28605)} | {
    10000: "mac_roman",
    20127: "ascii",
    20866: "koi8_r",
    20932: "euc_jp",
    21866: "koi8_u",
    50220: "iso2022_jp",
    50221: "iso2022_jp",
    51932: "euc_jp",
    51936: "gb2312",
    51949: "euc_kr",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}
"""Code pages of Windows that Python does not call by ``cp`` and their number."""
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
MAX_DEPTH = 8

MALFORMED = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError),
    struct.error,
)


def as_mail(content: bytes) -> Message:
    """The message as a mail. Raises `Corrupt`."""
    try:
        with olefile.OleFileIO(BytesIO(content)) as opened:
            return _Folder(opened, ()).mail()
    except MALFORMED as error:
        raise Corrupt(MSG, str(error) or type(error).__name__) from error


class _Folder:
    """A message, or an attachment of one: the streams below a path. `code_page` is that of the message around it."""

    def __init__(self, opened: Any, path: tuple[str, ...], code_page: int = WINDOWS) -> None:
        self._opened = opened
        self._path = path
        self._fixed = self._fixed_values()
        internet = self._fixed.get(INTERNET_CODE_PAGE, code_page)
        self._code_page = self._fixed.get(MESSAGE_CODE_PAGE, internet)
        self._html_code_page = self._fixed.get(INTERNET_CODE_PAGE, self._code_page)

    def mail(self) -> Message:
        """The mail: its body as alternatives, its attachments behind it."""
        mail = MIMEMultipart("mixed")
        address = self._text(SENDER_SMTP) or self._text(SENDER_ADDRESS)
        sender = " ".join(filter(None, (self._text(SENDER), f"<{address}>" if "@" in address else "")))
        sent = self._fixed.get(SENT) or self._fixed.get(RECEIVED)
        headers = {
            "From": sender,
            "To": self._text(TO),
            "Cc": self._text(CC),
            "Subject": self._text(SUBJECT),
            "Date": format_datetime(EPOCH + timedelta(microseconds=sent // 10)) if sent else "",
            "Message-ID": self._text(MESSAGE_ID),
        }
        for name, value in headers.items():
            if value:
                mail[name] = " ".join(value.split())
        mail.attach(self._body())
        for folder in self._folders("__attach_version1.0_#"):
            attachment = _Folder(self._opened, folder, self._code_page).attachment()
            if attachment is not None:
                mail.attach(attachment)
        return mail

    def attachment(self) -> Message | None:
        """The attachment as a part of a mail; None if it has no data of its own."""
        inner = (*self._path, f"__substg1.0_{DATA:04X}{STORAGE:04X}")
        name = self._text(NAME) or self._text(SHORT_NAME)
        if self._opened.exists([*inner, PROPERTIES]) and len(inner) <= 2 * MAX_DEPTH:
            return MIMEMessage(_Folder(self._opened, inner, self._code_page).mail())
        content = self._binary(DATA)
        if content is None:
            return None
        part: MIMEBase = MIMEApplication(content)
        stated = self._text(MEDIA_TYPE)
        if stated.count("/") == 1 and stated.isascii():
            part.replace_header("Content-Type", stated)
        if self._text(CONTENT_ID):
            part["Content-ID"] = f"<{self._text(CONTENT_ID).strip('<>')}>"
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name or "attachment"))
        return part

    def _body(self) -> Message:
        alternatives = MIMEMultipart("alternative")
        markup = self._binary(HTML)
        texts = [("plain", self._text(BODY)), ("html", self._text(HTML))]
        for kind, text in texts:
            if text.strip():
                alternatives.attach(MIMEText(text, kind, "utf-8"))
        if markup is not None:
            part = MIMEApplication(markup)
            part.replace_header("Content-Type", f"text/html; charset={_codec(self._html_code_page)}")
            alternatives.attach(part)
        rich = self._binary(RTF)
        if rich and not alternatives.get_payload():
            part = MIMEApplication(_decompressed(rich))
            part.replace_header("Content-Type", "text/rtf")
            alternatives.attach(part)
        return alternatives

    def _fixed_values(self) -> dict[int, int]:
        """Properties of fixed size, by number, as integers."""
        if not self._opened.exists([*self._path, PROPERTIES]):
            return {}
        stream = self._opened.openstream([*self._path, PROPERTIES]).read()
        is_attachment = bool(self._path) and self._path[-1].startswith("__attach")
        start = 8 if is_attachment else HEADER_BYTES[min(1, len(self._path))]
        entries = (
            struct.unpack_from("<HHIQ", stream, at) for at in range(start, len(stream) - ENTRY_BYTES + 1, ENTRY_BYTES)
        )
        sizes = {0x0003: 0xFFFFFFFF}
        return {number: value & sizes.get(kind, 0xFFFFFFFFFFFFFFFF) for kind, number, _, value in entries}

    def _text(self, number: int) -> str:
        written = self._stream(number, UNICODE)
        if written is not None:
            return written.decode("utf-16-le", "replace").rstrip("\x00")
        written = self._stream(number, EIGHT_BIT)
        return "" if written is None else written.decode(_codec(self._code_page), "replace").rstrip("\x00")

    def _binary(self, number: int) -> bytes | None:
        return self._stream(number, BINARY)

    def _stream(self, number: int, kind: int) -> bytes | None:
        path = [*self._path, f"__substg1.0_{number:04X}{kind:04X}"]
        if not self._opened.exists(path):
            return None
        found: bytes = self._opened.openstream(path).read()
        return found

    def _folders(self, prefix: str) -> list[tuple[str, ...]]:
        depth = len(self._path)
        return sorted(
            {
                tuple(path[: depth + 1])
                for path in self._opened.listdir()
                if tuple(path[:depth]) == self._path and len(path) > depth and path[depth].startswith(prefix)
            }
        )


def _decompressed(rich: bytes) -> bytes:
    try:
        content: bytes = decompress(rich)
    except Exception as error:
        if type(error) is not Exception:  # the library has no class for what is wrong with the bytes
            raise
        raise ValueError(f"its rich text: {error}") from error
    return content


def _codec(code_page: int) -> str:
    """Python's name of a code page; Windows-1252 for one that Python does not have."""
    name = CODECS.get(code_page, f"cp{code_page}")
    try:
        return name if codecs.lookup(name)._is_text_encoding else f"cp{WINDOWS}"
    except LookupError:
        return f"cp{WINDOWS}"
