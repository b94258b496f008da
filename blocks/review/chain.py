"""The audit trail as a chain of hashes: an entry that was changed, removed or added later breaks it.

Each entry's hash covers the hash of the entry before it (Haber and Stornetta, "How to time-stamp a digital document",
1991). Somebody who may write every table can build a new chain; whoever keeps the head's hash elsewhere sees that too.
"""

import hashlib
import json
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

START = "0" * 64
"""The hash before the first entry."""

_NOT_PERSONAL = (
    *("version", "action", "key", "door", "role", "level", "undone", "judgement", "shown_ms"),
    *("fingerprint", "outcome", "given_type", "is_type_decided", "document_type", "document_id"),
)
"""What stays in an entry whose document is erased: what happened, and digests."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the trail. Ids count from 1 without gaps."""

    event_id: int
    review_id: int
    event: str
    content: Mapping[str, JsonValue]
    actor: str | None
    run_id: str | None
    happened_at: datetime
    content_digest: str | None = None
    """What the hash covers in place of the content: `content_digest`. None in entries of early development versions."""
    salt: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's id and hash."""

    event_id: int = 0
    hash: str = START


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that does not fit the chain, and why."""

    event_id: int
    why: str


def is_hash(text: str) -> bool:
    """Whether the text can be the hash of an entry."""
    return len(text) == len(START) and set(text) <= set(string.hexdigits.lower())


def content_digest(content: Mapping[str, JsonValue], salt: str) -> str:
    """The digest of an entry's content. Without the salt, which is erased with the content, nobody can guess it."""
    text = json.dumps([salt, content], sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


def erased_content(content: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What is left of an entry's content when its document is erased: nothing that says anything of the document."""
    return {name: content[name] for name in _NOT_PERSONAL if name in content} | {"is_erased": True}


def is_erased(content: Mapping[str, JsonValue]) -> bool:
    """Whether this is what `erased_content` left."""
    return content.get("is_erased") is True


def entry_hash(previous: str, entry: Entry) -> str:
    """The entry's hash, given the hash of the entry before it."""
    content = [
        previous,
        entry.event_id,
        entry.review_id,
        entry.event,
        entry.content if entry.content_digest is None else entry.content_digest,
        entry.actor,
        entry.run_id,
        entry.happened_at.astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


def follow(last: Head, entry: Entry, previous: str, stored: str) -> Head | Broken:
    """The head after an entry that has the hash `stored`, or why the entry does not follow `last`."""
    if entry.event_id != last.event_id + 1:
        return Broken(last.event_id + 1, "it is missing")
    if previous != last.hash:
        return Broken(entry.event_id, "it does not follow the entry before it")
    if entry_hash(previous, entry) != stored or not _has_its_content(entry):
        return Broken(entry.event_id, "its content was changed")
    return Head(entry.event_id, stored)


def end(last: Head, head: Head) -> Head | Broken:
    """The head if `last`, the last entry that was read, is what the database has as its head."""
    if last != head:
        return Broken(min(last.event_id, head.event_id) + 1, "entries at the end were removed or added")
    return last


def verify(entries: Iterable[tuple[Entry, str, str]], head: Head) -> Head | Broken:
    """The head if the chain holds, else the first entry that does not fit.

    `entries` are (entry, previous hash, hash) by id; `head` is what the database has as the last entry.
    """
    last = Head()
    for entry, previous, stored in entries:
        found = follow(last, entry, previous, stored)
        if isinstance(found, Broken):
            return found
        last = found
    return end(last, head)


def _has_its_content(entry: Entry) -> bool:
    if entry.content_digest is None or is_erased(entry.content):
        return True
    return entry.salt is not None and content_digest(entry.content, entry.salt) == entry.content_digest
