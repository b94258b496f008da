"""The audit trail as a chain of hashes: an entry that was changed, removed or added later breaks it.

Each entry's hash covers the hash of the entry before it (Haber and Stornetta, "How to time-stamp a digital document",
1991). Somebody who may write every table can build a new chain; whoever keeps the head's hash elsewhere sees that too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

START = "0" * 64
"""The hash before the first entry."""


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


def entry_hash(previous: str, entry: Entry) -> str:
    """The entry's hash, given the hash of the entry before it."""
    content = [
        previous,
        entry.event_id,
        entry.review_id,
        entry.event,
        entry.content,
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
    if entry_hash(previous, entry) != stored:
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
