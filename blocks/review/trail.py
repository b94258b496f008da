"""What the audit trail says of the other tables of review: so a row that somebody changed by hand is found.

An event has the values of the item that it opened, or a digest of each answer and of the decided result. Each rule here
compares a row with them, and returns what differs; None where the row is as it was written. Events of older versions
say less, and less is compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from blocks.review.chain import Entry
from blocks.review.records import Action, Event, ItemStatus, digest_of

ITEM_VALUES = (
    *("kind", "document_type", "confidence", "priority", "due_at"),
    *("decisions_needed", "drawn_with", "is_blind"),
)
"""The values of an item that an event of its content has, beside fingerprint, reasons, version and role."""
RESULT_VALUES = (
    *("document_type", "status", "reasons", "fields", "evidence", "confidence", "confidences", "score"),
    *("provisional", "decided_by", "run_id"),
)
"""The values of a decided result that its event has a digest of."""
JUDGEMENT_VALUES = ("version", "field", "judgement", "shown_ms", "shown", "confidence", "evidence")
"""The values of a judgement that its event has a digest of."""
DECISION_VALUES = ("action", "reason", "document_type", "note", "door")
"""What an item has of the decision on it."""

_CONTENT = frozenset({Event.OPENED, Event.UPDATED, Event.REOPENED})
_OPINION = frozenset({Event.SEEN_ONCE, Event.DISAGREED})


def item_values(item: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The item's values as an event has them."""
    return {name: _as_json(item[name]) for name in ITEM_VALUES}


def answer_digests(answers: Iterable[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """The digest of each answer, by field."""
    return {str(answer["field"]): digest_of(dict(answer)) for answer in answers}


def result_digest(result: Mapping[str, Any]) -> str:
    """The digest of a decided result."""
    return digest_of({name: result[name] for name in RESULT_VALUES})


def left_of(before: str, event_id: int, content: Mapping[str, JsonValue]) -> str:
    """A digest of what is left of an item's erased events: of this one and, by `before`, of those before it."""
    return digest_of([before, event_id, dict(content)])


def answers_differ(content: Mapping[str, Any], answers: Sequence[Mapping[str, JsonValue]]) -> tuple[str, str] | None:
    """The field of the first answer that is not as the event says, and what differs."""
    wanted = content.get("answers", {})
    if isinstance(wanted, str):  # one digest for all of them
        by_field: list[JsonValue] = [
            dict(answer) for answer in sorted(answers, key=lambda answer: str(answer["field"]))
        ]
        return None if digest_of(by_field) == wanted else ("", "an answer was changed, removed or added")
    found = answer_digests(answers)
    for name in sorted({*wanted, *found}):
        if name not in found:
            return name, "it is missing"
        if name not in wanted:
            return name, "it was added"
        if found[name] != wanted[name]:
            return name, "it was changed"
    return None


def makes_result(event: str, content: Mapping[str, Any]) -> bool:
    """Whether the event decided on a result. A new type makes none: a run reads the document again."""
    return event == Event.DECIDED and content.get("outcome") is not None and content.get("action") != Action.RECLASSIFY


def result_differs(entry: Entry, result: Mapping[str, Any]) -> str | None:
    """What of a decided result is not as its event says."""
    if result["decided_by"] != entry.actor:
        return f"decided_by is {result['decided_by']!r}, and {entry.actor!r} decided"
    if result["created_at"] != entry.happened_at:
        return "created_at is not when it was decided"
    if result_digest(result) == entry.content.get("result"):
        return None
    outcome = {name: result[name] for name in ("status", "document_type", "fields")}
    if digest_of(outcome) != entry.content["outcome"]:
        return "its status, its type or its fields were changed"
    if "result" in entry.content:
        return "its reasons, its evidence, its confidences, its score or its run were changed"
    return None


def judgement_differs(entry: Entry, judgement: Mapping[str, Any]) -> str | None:
    """What of a judgement on a field is not as its event says."""
    if judgement["review_id"] != entry.review_id:
        return f"review_id is {judgement['review_id']}, and event {entry.event_id} is about item {entry.review_id}"
    if (judgement["judged_by"], judgement["judged_at"]) != (entry.actor, entry.happened_at):
        return "judged_by or judged_at is not as in its event"
    if digest_of({name: judgement[name] for name in JUDGEMENT_VALUES}) != entry.content.get("answer"):
        return "it was changed"
    return None


@dataclass(slots=True)
class Standing:
    """A review item as its events tell it. What they do not say is None."""

    status: str | None = None
    version: int | None = None
    role: str | None = None
    document_id: str | None = None
    fingerprint: str | None = None
    reasons: JsonValue = None
    item: Mapping[str, JsonValue] | None = None
    run_id: str | None = None
    created_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: Mapping[str, JsonValue] | None = None
    opinions: list[dict[str, JsonValue]] = field(default_factory=list)
    result: str | None = None
    """The fingerprint of the decided result that counts."""
    left: str = ""
    """`left_of` the events so far, if they were erased."""
    fault: str | None = None

    def follow(self, entry: Entry, hashed: str) -> None:
        """Take in the item's next event."""
        content: Mapping[str, Any] = entry.content
        if entry.event == Event.ERASED:
            self._erase(content)
            return
        self.left = left_of(self.left, entry.event_id, content)
        self.role = content.get("role", self.role)
        if entry.event in _CONTENT:
            self._open(entry, content)
        elif entry.event in _OPINION:
            logged = {name: content.get(name) for name in ("outcome", "key")}
            self.opinions.append({"by": entry.actor, "event_id": entry.event_id, **logged})
        elif entry.event == Event.DECIDED:
            self.status, self.decided_by, self.decided_at = ItemStatus.DECIDED, entry.actor, entry.happened_at
            self.decision = {name: content.get(name) for name in DECISION_VALUES}
            self.result = hashed if makes_result(entry.event, content) else None
        elif entry.event == Event.UNDONE:
            self.opinions = [opinion for opinion in self.opinions if opinion["event_id"] != content.get("undone")]
            self._undecide()
        elif entry.event == Event.SUPERSEDED:
            self.status, self.result = ItemStatus.SUPERSEDED, None

    def differs(self, row: Mapping[str, Any]) -> str | None:
        """What of the item's row is not as its events say."""
        if self.status is None or self.fault is not None:
            return self.fault or "no event opened it"
        for name in ("status", "decided_by", "decided_at", "opinions"):
            if row[name] != getattr(self, name):
                return _difference(name, row[name], getattr(self, name))
        if self.decision is not None and row["decision"] != self.decision:
            return _difference("decision", row["decision"], self.decision)
        for name in ("document_id", "version", "fingerprint", "reasons", "role", "run_id", "created_at"):
            logged = getattr(self, name)
            if logged is not None and row[name] != logged:
                return _difference(name, row[name], logged)
        if self.item is not None:
            for name, value in item_values(row).items():
                if value != self.item.get(name):
                    return _difference(name, value, self.item.get(name))
        return None

    def _open(self, entry: Entry, content: Mapping[str, Any]) -> None:
        self.version = content.get("version", self.version)
        self.fingerprint = content.get("fingerprint")
        self.reasons, self.item = content.get("reasons"), content.get("item")
        self.document_id = content.get("document_id", self.document_id)
        self.opinions = []
        if self.item is not None:
            self.run_id = entry.run_id
            if entry.event != Event.UPDATED:
                self.created_at = entry.happened_at
        self._undecide()

    def _erase(self, content: Mapping[str, Any]) -> None:
        """The events so far have lost their content, and the item what it had of them."""
        if content["left"] != self.left:
            self.fault = "what its erasure left of its events was changed"
        if self.status == ItemStatus.OPEN:
            self.status = ItemStatus.SUPERSEDED
        self.reasons = self.item = self.decision = self.result = None

    def _undecide(self) -> None:
        self.status = ItemStatus.OPEN
        self.decided_by = self.decided_at = self.decision = self.result = None


def _difference(name: str, found: object, logged: object) -> str:
    return f"{name} is {_shown(found)}, and its events say {_shown(logged)}"


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(str(value)) if isinstance(value, str) else repr(value)


def _as_json(value: Any) -> JsonValue:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
