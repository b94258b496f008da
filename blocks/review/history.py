"""A document's history in words, and what of it nobody may see while it waits for a person.

A blind audit asks what a person reads before the machine's value is known, so no value is shown until it is decided.
Where two persons must decide, neither sees what the other decided.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from blocks.records import Record
from blocks.review.reasons import sentence
from blocks.review.records import Action, Event, Item, ItemStatus

HIDDEN: Mapping[str, Any] = {"content": {"is_hidden": True}, "changes": ()}
"""What is left of an entry whose content a person may not see."""


class Version(Record):
    """A result of the document, as a run or a person made it."""

    fingerprint: str
    run_id: str
    created_at: datetime
    is_current: bool
    document_type: str
    status: str
    confidence: float | None
    score: float | None
    provisional: bool
    decided_by: str | None
    reasons: tuple[str, ...]
    fields: dict[str, JsonValue]
    confidences: dict[str, float]


class Change(Record):
    """A field whose value a person changed."""

    field: str
    before: JsonValue
    after: JsonValue


class Entry(Record):
    """An entry of the audit trail."""

    event_id: int
    review_id: int
    event: str
    content: dict[str, JsonValue] = Field(default_factory=dict)
    actor: str | None
    run_id: str | None
    happened_at: datetime
    hash: str
    changes: tuple[Change, ...] = ()


def hides_values(items: Collection[Item]) -> bool:
    """Whether a blind audit of the document waits for a person."""
    return any(item.status is ItemStatus.OPEN and item.is_blind for item in items)


def without_values(version: Version) -> Version:
    """The version without what it says of the document."""
    return version.model_copy(
        update={"confidence": None, "score": None, "reasons": (), "fields": {}, "confidences": {}}
    )


def hidden_entries(items: Collection[Item], entries: Sequence[Entry], name: str) -> set[int]:
    """The ids of the entries whose content the person may not see now: decisions and judgements of others."""
    if hides_values(items):
        return {entry.event_id for entry in entries}
    secret = {
        item.review_id: item.version for item in items if item.status is ItemStatus.OPEN and item.decisions_needed > 1
    }
    return {
        entry.event_id
        for entry in entries
        if entry.event in _OPINIONS
        and entry.actor != name
        and secret.get(entry.review_id) == entry.content.get("version")
    }


def in_words(entry: Entry) -> str:
    """What happened, as one sentence that begins with its verb. Who did it stands beside it."""
    content, event = entry.content, entry.event
    if content.get("is_hidden"):
        return _HIDDEN.get(event, "did something that is shown once the document is decided")
    if event in _DECISIONS:
        return decision_in_words(content) + _AFTER.get(event, "")
    if event == Event.ESCALATED and entry.actor is None:
        return "sent it to a senior, because it is late"
    known = {name: _label(content.get(name, "")) for name in ("version", "level", "undone", "field", "judgement")}
    return _PLAIN.get(event, _label(event)).format_map(known)


def details(entry: Entry) -> tuple[str, ...]:
    """The reasons, the note and the like that belong to the entry."""
    content = entry.content
    found = content.get("reasons")
    lines = [sentence(str(reason)) for reason in found] if isinstance(found, list) else []
    note = content.get("note")
    return (*lines, f"Note: {note}") if note else tuple(lines)


def shown_s(entry: Entry) -> float | None:
    """How long the person looked, in seconds; None where nobody did."""
    shown_ms = entry.content.get("shown_ms")
    return shown_ms / 1_000 if isinstance(shown_ms, int | float) and shown_ms > 0 else None


def decision_in_words(content: Mapping[str, JsonValue]) -> str:
    """What a decision did to its document, by the content of its event."""
    reason, document_type = content.get("reason"), content.get("document_type")
    match content.get("action"):
        case Action.ACCEPT:
            return "accepted it as shown"
        case Action.CORRECT:
            return "corrected it"
        case Action.REJECT:
            return f"rejected it: {reason}"
        case Action.RECLASSIFY:
            return f"gave it the type {_label(document_type)}"
        case Action.UNREADABLE:
            return "found it unreadable"
        case action:
            return _label(action)


def _label(name: object) -> str:
    return str(name).replace("_", " ")


_DECISIONS = frozenset({Event.DECIDED, Event.SEEN_ONCE, Event.DISAGREED})
_OPINIONS = _DECISIONS | {Event.JUDGED}

_AFTER: Mapping[str, str] = {
    Event.SEEN_ONCE: "; another person decides too",
    Event.DISAGREED: "; the two decisions differ, so a senior decides",
}

_PLAIN: Mapping[str, str] = {
    Event.OPENED: "put it in the queue",
    Event.UPDATED: "read it again: version {version}",
    Event.SUPERSEDED: "needed no person any more and closed it",
    Event.REOPENED: "opened the decision again: version {version}",
    Event.ESCALATED: "sent it to a senior",
    Event.RETURNED: "returned it to the queue",
    Event.REMINDED: "reminded people that it waits, level {level}",
    Event.UNDONE: "took entry {undone} back",
    Event.JUDGED: "judged {field} {judgement}",
    Event.ERASED: "erased the document",
}

_HIDDEN: Mapping[str, str] = {
    **_PLAIN,
    Event.DECIDED: "decided",
    Event.SEEN_ONCE: "decided; another person decides too",
    Event.DISAGREED: "decided; the two decisions differ, so a senior decides",
    Event.JUDGED: "judged a field",
    Event.UNDONE: "took a decision back",
}
