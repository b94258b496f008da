"""Review items, persons and decisions, as the doors and the database exchange them."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from blocks.records import Evidence, Record, Status


def digest_of(content: JsonValue) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Role(StrEnum):
    """What a person may do; each role may do what the ones before it may."""

    READER = "reader"
    REVIEWER = "reviewer"
    SENIOR = "senior"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        roles = list(Role)
        return roles.index(self) >= roles.index(needed)


class ItemKind(StrEnum):
    """Why a document is in the queue: its verdict, a failure that a person may cure, or the random audit."""

    VERDICT = "verdict"
    FAILURE = "failure"
    AUDIT = "audit"


class ItemStatus(StrEnum):
    """Whether an item waits for a person."""

    OPEN = "open"
    DECIDED = "decided"
    SUPERSEDED = "superseded"


class Action(StrEnum):
    """What a person may do with an item. The first five are final; the others keep it open."""

    ACCEPT = "accept"
    CORRECT = "correct"
    REJECT = "reject"
    RECLASSIFY = "reclassify"
    UNREADABLE = "unreadable"
    ESCALATE = "escalate"
    RETURN = "return"

    @property
    def is_final(self) -> bool:
        """Whether the action decides on the document."""
        return self not in {Action.ESCALATE, Action.RETURN}


class Door(StrEnum):
    """By which way a decision came in."""

    PAGE = "page"
    COMMAND = "command"
    SQL = "sql"
    IMPORT = "import"


class Person(Record):
    """Who decides."""

    name: str
    role: Role = Role.REVIEWER


class Correction(Record):
    """A field's right value, as the person typed it, and where the document says so."""

    value: JsonValue
    evidence: tuple[Evidence, ...] = ()


MAX_SHOWN_MS = 24 * 3_600_000
ShownMs = Annotated[int, AfterValidator(lambda ms: min(max(ms, 0), MAX_SHOWN_MS))]
"""Milliseconds on the screen as a browser tells them: a day at most. What stands there for longer, nobody looks at."""


class Look(Record):
    """How a field was looked at: for how long, and whether the person touched it."""

    shown_ms: ShownMs = 0
    is_touched: bool = False


class Decision(Record):
    """What a person decides on the version of an item that was on the screen.

    `corrections` belong to `correct`, `reason` to `reject`, `document_type` to `reclassify`.
    """

    review_id: int
    version: int
    action: Action
    by: str
    door: Door
    corrections: dict[str, Correction] = Field(default_factory=dict)
    reason: str = ""
    document_type: str = ""
    note: str = ""
    shown_ms: ShownMs = 0
    looks: dict[str, Look] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of what is decided, without how long it took: the same decision sent twice has the same key."""
        content = self.model_dump(mode="json", exclude={"shown_ms", "looks", "door"})
        return digest_of(content)


class Judgement(StrEnum):
    """What a person finds about one field of an item, by its cut-out. It decides nothing about the document."""

    RIGHT = "right"
    WRONG = "wrong"
    UNREADABLE = "unreadable"


class FieldJudgement(Record):
    """A judgement on a field of the version that was on the screen, for `shown_ms` milliseconds."""

    review_id: int
    version: int
    field: str
    judgement: Judgement
    by: str
    door: Door
    shown_ms: ShownMs = 0


class Judged(Record):
    """A judgement that stands."""

    event_id: int
    field: str
    judgement: Judgement
    by: str
    at: datetime
    shown_ms: int


class Opinion(Record):
    """A decision on an item that needs several: who made it, in which event, and what came of it."""

    by: str
    event_id: int
    outcome: str
    key: str


class Item(Record):
    """A review item with the content that a person sees.

    `drawn_with` is the probability with which chance drew it from all documents of its type; None: chance did not.
    `opinions` are the decisions so far where the type asks for several; `decisions_needed` says how many.
    """

    review_id: int
    document_id: str
    version: int
    kind: ItemKind
    status: ItemStatus
    document_type: str
    fingerprint: str
    role: Role
    reasons: tuple[str, ...]
    confidence: float
    priority: int
    created_at: datetime
    due_at: datetime | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    claim_expires_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decisions_needed: int = 1
    opinions: tuple[Opinion, ...] = ()
    drawn_with: float | None = None
    is_blind: bool = False
    result_status: Status | None = None
    score: float | None = None
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    confidences: dict[str, float] = Field(default_factory=dict)
    evidence: dict[str, tuple[Evidence, ...]] = Field(default_factory=dict)


class Answer(Record):
    """What was shown for a field, and what was decided."""

    field: str
    shown: JsonValue
    decided: JsonValue
    confidence: float | None
    evidence: tuple[Evidence, ...]
    shown_ms: int
    is_touched: bool


class Outcome(Record):
    """What a final decision makes of the document."""

    status: Literal[Status.ACCEPTED, Status.REJECTED] | None
    """None for `reclassify`: the document goes through score again."""
    document_type: str
    reasons: tuple[str, ...] = ()
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    evidence: dict[str, tuple[Evidence, ...]] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of what two persons must agree on: status, type and values."""
        content = self.model_dump(mode="json", exclude={"evidence", "reasons"})
        return digest_of(content)


class Event(StrEnum):
    """An entry of the audit trail."""

    OPENED = "opened"
    UPDATED = "updated"
    SUPERSEDED = "superseded"
    DECIDED = "decided"
    SEEN_ONCE = "seen_once"
    DISAGREED = "disagreed"
    ESCALATED = "escalated"
    RETURNED = "returned"
    UNDONE = "undone"
    REMINDED = "reminded"
    REOPENED = "reopened"
    JUDGED = "judged"
    ERASED = "erased"


class Ruling(Record):
    """What follows from a decision: the event to write, the item's new role, and the outcome where it is final."""

    event: Event
    role: Role
    outcome: Outcome | None = None
    answers: tuple[Answer, ...] = ()
