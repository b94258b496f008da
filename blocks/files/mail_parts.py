"""Which parts of a mail are its body and which are its attachments, for discover and extract."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import generator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from io import BytesIO

from blocks.files.encodings import decode
from blocks.files.image_pages import may_show_page

SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
BODY_TYPES = frozenset(
    {"text/plain", "text/html", "text/enriched", "text/rtf", "message/delivery-status", "text/rfc822-headers"}
)
MAX_PARTS = 10_000
MAX_NESTING = 50
_DATA_URL = re.compile(rb"src\s*=\s*[\"']?data:image/([\w.+-]{1,20});base64,([A-Za-z0-9+/=\s%]{200,})", re.I)
"""A picture within the HTML itself, as some programs paste it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attached part. `name` is its file name, or one made from its type."""

    name: str
    part: Message

    def content(self) -> bytes:
        """The attachment's bytes, transfer encoding undone; an attached mail as it is written."""
        if self.part.get_content_type() == "message/rfc822":
            nested = self.part.get_payload()
            inner = nested[0] if isinstance(nested, list) and nested else nested
            if isinstance(inner, Message):
                return _as_bytes(inner)
        payload = self.part.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""


def _as_bytes(message: Message) -> bytes:
    written = BytesIO()
    generator.BytesGenerator(written, mangle_from_=False, maxheaderlen=0).flatten(message)
    return written.getvalue()


def attachments_of(message: Message) -> list[Attachment]:
    """Every attachment in order: parts with a file name or marked as attached, attached mails, and parts that no mail
    program shows. Signatures are left out, and pictures in the HTML body that are too small to show a page.
    """
    found: list[Attachment] = []
    for part, is_related in _leaves(message, is_related=False, depth=0):
        if part.get_content_type() == "text/html" and not is_attached(part):
            found += (Attachment(_name(picture, len(found) + 1), picture) for picture in _pasted(part))
        if not is_attached(part) or part.get_content_type() in SIGNATURES:
            continue
        attachment = Attachment(_name(part, len(found) + 1), part)
        is_placed = is_related and part.get("Content-ID") and part.get_content_maintype() == "image"
        if not is_placed or may_show_page(attachment.content()):
            found.append(attachment)
    return found


def _pasted(part: Message) -> Iterator[Message]:
    """The pictures within an HTML body's own source that may show a page."""
    markup = part.get_payload(decode=True)
    for kind, encoded in _DATA_URL.findall(markup if isinstance(markup, bytes) else b""):
        picture = Message()
        picture["Content-Type"] = f"image/{kind.decode().lower()}"
        picture["Content-Transfer-Encoding"] = "base64"
        picture.set_payload(encoded.replace(b"%0A", b"").decode())
        content = picture.get_payload(decode=True)
        if isinstance(content, bytes) and may_show_page(content):
            yield picture


def is_attached(part: Message) -> bool:
    """Whether a part is an attachment; another part is text of the body."""
    if part.get_content_disposition() == "attachment":
        return True
    if part.get_content_type() == "message/rfc822":
        return True
    if part.get_content_maintype() == "multipart":
        return False  # a broken mail: declared as multipart, but without parts
    return part.get_content_type() not in BODY_TYPES or bool(part.get_filename())


def _leaves(message: Message, *, is_related: bool, depth: int) -> Iterator[tuple[Message, bool]]:
    """Parts with content; attached mails are not opened."""
    payload = message.get_payload()
    if not isinstance(payload, list) or message.get_content_type() == "message/rfc822" or depth > MAX_NESTING:
        if not message.is_multipart() or message.get_content_type() == "message/rfc822":
            yield message, is_related
        return
    is_related = is_related or message.get_content_type() == "multipart/related"
    for part in payload[:MAX_PARTS]:
        if isinstance(part, Message):
            yield from _leaves(part, is_related=is_related, depth=depth + 1)


def _name(part: Message, number: int) -> str:
    name = _with_raw_bytes_decoded(part).get_filename()
    if name:
        return decoded(collapse_rfc2231_value(name)).replace("/", "_").replace("\\", "_")[:200]
    if part.get_content_type() == "message/rfc822":
        return f"mail-{number}.eml"
    return f"part-{number}.{part.get_content_subtype()[:20]}"


def _with_raw_bytes_decoded(part: Message) -> Message:
    """The part's headers that may hold its name, as text: `get_filename` would lose raw 8-bit bytes."""
    headers = Message()
    for key, value in part.raw_items():
        if key.lower() in ("content-disposition", "content-type"):
            raw = str(value)
            headers[key] = raw if raw.isascii() else decode(raw.encode("utf-8", "surrogateescape"))
    return headers


def decoded(header: str) -> str:
    """A header's value on a single line, its encoded words (RFC 2047) and its raw 8-bit bytes as text."""
    text = decode(header.encode("utf-8", "surrogateescape")) if not header.isascii() else header
    if "=?" in text:
        try:
            pieces = [
                piece if isinstance(piece, str) else decode(piece, charset) for piece, charset in decode_header(text)
            ]
        except (MessageError, ValueError):
            pieces = [text]  # no encoded word after all
        text = "".join(pieces)
    return " ".join(text.split())
