"""Which parts of a mail are its body and which are its attachments, for discover and extract."""

from collections.abc import Iterator
from dataclasses import dataclass
from email import generator
from email.message import Message
from email.utils import collapse_rfc2231_value
from io import BytesIO

SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
BODY_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "message/delivery-status", "text/rfc822-headers"})
MAX_PARTS = 10_000
MAX_NESTING = 50


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
    program shows. Signatures and pictures that the HTML body places by their content id are left out.
    """
    found: list[Attachment] = []
    for part, is_related in _leaves(message, is_related=False, depth=0):
        if not _is_attached(part) or part.get_content_type() in SIGNATURES:
            continue
        if is_related and part.get("Content-ID") and part.get_content_maintype() == "image":
            continue
        found.append(Attachment(_name(part, len(found) + 1), part))
    return found


def inline_texts(message: Message) -> Iterator[Message]:
    """The text parts of the body, in order."""
    for part, _ in _leaves(message, is_related=False, depth=0):
        if not _is_attached(part):
            yield part


def _is_attached(part: Message) -> bool:
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
    name = part.get_filename()
    if name:
        return " ".join(collapse_rfc2231_value(name).replace("/", "_").replace("\\", "_").split())[:200]
    if part.get_content_type() == "message/rfc822":
        return f"mail-{number}.eml"
    return f"part-{number}.{part.get_content_subtype()[:20]}"
