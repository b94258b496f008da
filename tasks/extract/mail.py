"""Mails: headers and body on a single page. Discover makes documents of the attachments. Runs in a parser process."""

import email
import email.policy
import platform
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import Any

from blocks.errors import Corrupt, Empty
from blocks.files.encodings import decode
from blocks.files.mail_parts import attachments_of, inline_texts
from blocks.files.media_types import EML
from tasks.extract import html
from tasks.extract.reading import Reading, clean, text_pages

ENGINE = f"python email {platform.python_version()}"
SHOWN_HEADERS = ("From", "To", "Cc", "Subject", "Date")
KEPT_HEADERS = (*SHOWN_HEADERS, "Reply-To", "Message-ID")
MIN_PLAIN_CHARACTERS = 20
MALFORMED = (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError)


def warm_up() -> None:
    """Load codecs and parsers before processes are forked."""
    html.warm_up()
    parse(b"From: a@b.c\nSubject: =?utf-8?q?x?=\n\nx")


def parse(content: bytes) -> Message:
    """The message. The parser takes any bytes; access to a broken header may raise."""
    return email.message_from_bytes(content, policy=email.policy.compat32)


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, packed. Raises `Corrupt` and `Empty`."""
    try:
        message = parse(_from_first_header(content))
        headers = {name: value for name in KEPT_HEADERS if (value := header_text(message, name))}
        body, hidden = _body(message)
        names = [part.name for part in attachments_of(message)]
    except MALFORMED as error:
        raise Corrupt(EML, str(error) or type(error).__name__) from error
    if not headers and not body.strip():
        raise Empty("it has neither headers nor a body")
    top = "\n".join(f"{name}: {headers[name]}" for name in SHOWN_HEADERS if name in headers)
    pages = text_pages([f"{top}\n\n{body}".strip("\n")])
    pages[0].hidden_text = hidden
    attributes = {name.lower().replace("-", "_"): value for name, value in headers.items()}
    if names:
        attributes["attachments"] = ", ".join(names)
    return Reading(EML, ENGINE, pages, attributes).pack()


def _from_first_header(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


def header_text(message: Message, name: str) -> str:
    """A header decoded (RFC 2047), on a single line; unchanged if it cannot be decoded."""
    raw = message.get(name)
    if raw is None:
        return ""
    raw = str(raw)
    try:
        pieces = [piece if isinstance(piece, str) else decode(piece, charset) for piece, charset in decode_header(raw)]
    except (MessageError, ValueError):
        pieces = [raw]
    return " ".join(clean("".join(pieces)).split())


def _body(message: Message) -> tuple[str, str]:
    """The body's visible and hidden text: the plain text, or the HTML if the plain text is too short."""
    plain: list[str] = []
    markup: list[str] = []
    for part in inline_texts(message):
        (markup if part.get_content_type() == "text/html" else plain).append(_part_text(part))
    text = "\n\n".join(filter(None, (clean(piece).strip("\n") for piece in plain)))
    if not markup:
        return text, ""
    shown, hidden, _ = html.text_of_html("\n".join(markup))
    if len(text.strip()) < MIN_PLAIN_CHARACTERS < len(shown):
        return shown, hidden
    return (text, "") if text.strip() else (shown, hidden)


def _part_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode(payload, part.get_content_charset())
