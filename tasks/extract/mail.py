"""Mails: headers and body on a single page. Discover makes documents of the attachments. Runs in a parser process."""

import email
import email.policy
import platform
import re
from email.errors import MessageError
from email.message import Message
from typing import Any

from PIL import Image

from blocks.errors import Corrupt, Empty
from blocks.files.encodings import decode
from blocks.files.mail_parts import MAX_NESTING, MAX_PARTS, attachments_of, decoded, is_attached
from blocks.files.media_types import EML
from tasks.extract import html, rich_text
from tasks.extract.reading import Reading, clean, text_pages

MEDIA_TYPES = {"message/rfc822": "eml"}
VERSION = 6
PACKAGES = ("inscriptis", "lxml", "charset-normalizer")
SETTINGS = ()

ENGINE = f"python email {platform.python_version()}"
SHOWN_HEADERS = ("From", "To", "Cc", "Subject", "Date")
KEPT_HEADERS = (*SHOWN_HEADERS, "Reply-To", "Message-ID")
MIN_SHARE_IN_PLAIN = 0.5
_WORD = re.compile(r"\w+")
MALFORMED = (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError)


FIRST_MAIL = b"""From: =?utf-8?q?a?= <a@b.c>
Subject: =?iso-8859-1?b?x?=
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

=FC
--x
Content-Type: text/html
Content-Transfer-Encoding: base64

PGI+eDwvYj4=
--x
Content-Type: application/pdf; name*=utf-8''first.pdf

x
--x--
"""


def warm_up() -> None:
    """Load codecs, parsers and decoders before processes are forked."""
    html.warm_up()
    Image.init()
    read(FIRST_MAIL, {})


def parse(content: bytes) -> Message:
    """The message. The parser takes any bytes; access to a broken header may raise."""
    return email.message_from_bytes(content, policy=email.policy.compat32)


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, packed. Raises `Corrupt` and `Empty`."""
    return reading_of(parse(_from_first_header(content)), EML, ENGINE).pack()


def reading_of(message: Message, media_type: str, engine: str) -> Reading:
    """A mail on a single page: its headers and its body. Raises `Corrupt` and `Empty`."""
    try:
        headers = {name: value for name in KEPT_HEADERS if (value := header_text(message, name))}
        body, hidden = _body(message)
        names = [part.name for part in attachments_of(message)]
    except MALFORMED as error:
        raise Corrupt(media_type, str(error) or type(error).__name__) from error
    if not headers and not body.strip():
        raise Empty("it has neither headers nor a body")
    top = "\n".join(f"{name}: {headers[name]}" for name in SHOWN_HEADERS if name in headers)
    pages = text_pages([f"{top}\n\n{body}".strip("\n")])
    pages[0].hidden_text = hidden
    attributes = {name.lower().replace("-", "_"): value for name, value in headers.items()}
    if names:
        attributes["attachments"] = ", ".join(names)
    return Reading(media_type, engine, pages, attributes)


def _from_first_header(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


def header_text(message: Message, name: str) -> str:
    """A header's value on a single line; empty if the mail has none. `Message.get` would lose raw 8-bit bytes."""
    values = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return clean(decoded(next(values, "")))


def _body(message: Message, depth: int = 0) -> tuple[str, str]:
    """The visible and the hidden text of the body's parts in order; of alternatives, that of the part to show."""
    payload = message.get_payload()
    if message.get_content_type() == "message/rfc822" or not isinstance(payload, list):
        return ("", "") if is_attached(message) else _part_text(message)
    if depth > MAX_NESTING:
        return "", ""
    parts = [part for part in payload[:MAX_PARTS] if isinstance(part, Message)]
    texts = [text for part in parts if any(text := _body(part, depth + 1))]
    if message.get_content_type() == "multipart/alternative" and texts:
        return texts[-1] if _is_stub(texts[0][0], texts[-1][0]) else texts[0]
    return "\n\n".join(filter(None, (shown for shown, _ in texts))), "\n".join(
        filter(None, (hidden for _, hidden in texts))
    )


def _is_stub(plain: str, rich: str) -> bool:
    """Whether the first alternative, plain text, says less than half of what the last says."""
    words = set(_WORD.findall(rich.casefold()))
    return len(words & set(_WORD.findall(plain.casefold()))) < MIN_SHARE_IN_PLAIN * len(words)


def _part_text(part: Message) -> tuple[str, str]:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return "", ""
    text = decode(payload, part.get_content_charset())
    if part.get_content_type() == "text/html":
        shown, hidden, _ = html.text_of_html(text)
        return shown, hidden
    if part.get_content_type() == "text/rtf":
        return rich_text.text_of_rtf(payload).strip("\n"), ""
    return clean(text).strip("\n"), ""
