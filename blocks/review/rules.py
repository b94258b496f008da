"""What follows from a decision, as a pure function of the item, the decision, the person and the document type."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType
from blocks.records import UNKNOWN_TYPE, Status
from blocks.review.corrections import corrected_value
from blocks.review.errors import (
    FieldUnread,
    InvalidDecision,
    ItemClaimed,
    ItemClosed,
    NotAllowed,
    SecondLookNeeded,
)
from blocks.review.records import (
    Action,
    Answer,
    Decision,
    Event,
    Item,
    ItemKind,
    ItemStatus,
    Judged,
    Judgement,
    Look,
    Outcome,
    Person,
    Role,
    Ruling,
)
from blocks.values.typed_values import is_readable

UNREADABLE = "unreadable"
UNDO_S = 10.0
"""How long a person may take a decision back."""


def rule(
    item: Item,
    decision: Decision,
    person: Person,
    document_type: DocumentType | None,
    known_types: Collection[str],
    at: datetime,
    judged: Mapping[str, Judged] = MappingProxyType({}),
) -> Ruling:
    """What follows from the decision on the current version of the item.

    `document_type` is the item's type; None for the unknown type, and for a type that is gone. `judged` has what people
    found about single fields of this version. Raises a leaf of `ReviewError` where the decision is not allowed.
    """
    check_open(item, person, at)
    _check_readable(decision)
    match decision.action:
        case Action.ESCALATE:
            return Ruling(event=Event.ESCALATED, role=Role.SENIOR)
        case Action.RETURN:
            return Ruling(event=Event.RETURNED, role=_role_of_returned(item, person))
    outcome = _outcome(item, decision, document_type, known_types)
    if outcome.status is Status.ACCEPTED:
        _check_judged(item, decision, judged)
        _check_read(item, decision)
    return Ruling(
        event=_event(item, outcome),
        role=_next_role(item, outcome),
        outcome=outcome,
        answers=tuple(_answers(item, decision, outcome, judged)),
    )


def check_open(item: Item, person: Person, at: datetime) -> None:
    """Whether the person may decide on the item now. Raises a leaf of `ReviewError`.

    Who has claimed an item may finish it, even if it becomes due and is escalated meanwhile.
    """
    if item.status is not ItemStatus.OPEN:
        raise ItemClosed(item.review_id, item.status, item.decided_by, item.decided_at)
    has_claim = item.claimed_by == person.name and item.claim_expires_at is not None and item.claim_expires_at > at
    may_finish = has_claim and person.role.covers(
        Role.REVIEWER
    )  # who was disabled since has a claim, and may only read
    if not person.role.covers(item.role) and not may_finish:
        raise NotAllowed(person.name, person.role, f"decide on review item {item.review_id}", item.role)
    if any(opinion.by == person.name for opinion in item.opinions):
        raise SecondLookNeeded(item.review_id, person.name)
    if is_claimed_by_another(item, person.name, at):
        assert item.claimed_by is not None
        assert item.claimed_at is not None
        raise ItemClaimed(item.review_id, item.claimed_by, item.claimed_at)


def _check_readable(decision: Decision) -> None:
    """What a person writes is shown to others, in terminals too."""
    for name in ("reason", "note"):
        if not is_readable(getattr(decision, name)):
            raise InvalidDecision(f"the {name} has characters that are no text")


def is_claimed_by_another(item: Item, name: str, at: datetime) -> bool:
    """Whether somebody else has a live claim on the item."""
    return item.claimed_by not in {None, name} and item.claim_expires_at is not None and item.claim_expires_at > at


def _outcome(
    item: Item, decision: Decision, document_type: DocumentType | None, known_types: Collection[str]
) -> Outcome:
    match decision.action:
        case Action.ACCEPT:
            _check_has_values(item, document_type)
            return Outcome(
                status=Status.ACCEPTED, document_type=item.document_type, fields=item.fields, evidence=item.evidence
            )
        case Action.CORRECT:
            return _corrected(item, decision, _check_has_values(item, document_type))
        case Action.REJECT:
            if not decision.reason.strip():
                offered = document_type.review.reject_reasons if document_type is not None else ()
                known = f"; the type's reasons are: {', '.join(offered)}" if offered else ""
                raise InvalidDecision(f"a rejection needs a reason{known}")
            return Outcome(
                status=Status.REJECTED,
                document_type=item.document_type,
                reasons=(f"rejected_by_person:{decision.reason.strip()}",),
                fields=item.fields,
                evidence=item.evidence,
            )
        case Action.UNREADABLE:
            return Outcome(status=Status.REJECTED, document_type=item.document_type, reasons=(UNREADABLE,))
        case _:
            if decision.document_type not in known_types:
                raise InvalidDecision(
                    f"there is no document type {decision.document_type!r}; there are: {', '.join(sorted(known_types))}"
                )
            return Outcome(status=None, document_type=decision.document_type)


def _check_has_values(item: Item, document_type: DocumentType | None) -> DocumentType:
    if item.kind is ItemKind.FAILURE:
        raise InvalidDecision(
            f"review item {item.review_id} has no values, because its document could not be read; reject it, or mark "
            "it unreadable"
        )
    if document_type is None:
        what = (
            "of no known type" if item.document_type == UNKNOWN_TYPE else f"of type {item.document_type}, which is gone"
        )
        raise InvalidDecision(f"the document is {what}; reclassify it, reject it, or mark it unreadable")
    return document_type


def _corrected(item: Item, decision: Decision, document_type: DocumentType) -> Outcome:
    if not decision.corrections:
        raise InvalidDecision("a correction names at least one field: field=value")
    values = {
        name: corrected_value(document_type, name, correction.value)
        for name, correction in decision.corrections.items()
    }
    evidence = {name: correction.evidence for name, correction in decision.corrections.items()}
    return Outcome(
        status=Status.ACCEPTED,
        document_type=item.document_type,
        fields=item.fields | values,
        evidence=item.evidence | evidence,
    )


def _check_judged(item: Item, decision: Decision, judged: Mapping[str, Judged]) -> None:
    """A field that somebody found wrong is looked at again before its document is accepted."""
    for name, found in judged.items():
        is_settled = name in decision.corrections or decision.looks.get(name, Look()).is_touched
        if found.judgement is not Judgement.RIGHT and not is_settled:
            raise InvalidDecision(
                f"{found.by} found {name} of review item {item.review_id} {found.judgement}; correct it, with the same "
                "value if it is right after all"
            )


def _check_read(item: Item, decision: Decision) -> None:
    """A person has read each field of a blind audit that is accepted: else it would find too few wrong rows."""
    if not item.is_blind:
        return
    for name in item.fields:
        if name not in decision.corrections and not decision.looks.get(name, Look()).is_touched:
            raise FieldUnread(name, item.review_id)


def _answers(item: Item, decision: Decision, outcome: Outcome, judged: Mapping[str, Judged]) -> Iterator[Answer]:
    """An answer per field that was shown or corrected; none where the values are not what was decided on.

    A field that was judged counts as touched, and for the time of its judgement too.
    """
    if outcome.status is not Status.ACCEPTED:
        return
    for name in sorted({*item.fields, *outcome.fields}):
        look, found = decision.looks.get(name, Look()), judged.get(name)
        yield Answer(
            field=name,
            shown=item.fields.get(name),
            decided=outcome.fields.get(name),
            confidence=item.confidences.get(name),
            evidence=outcome.evidence.get(name, ()),
            shown_ms=look.shown_ms + (found.shown_ms if found is not None else 0),
            is_touched=look.is_touched or name in decision.corrections or found is not None,
        )


def _event(item: Item, outcome: Outcome) -> Event:
    """Two equal decisions settle an item that needs two; after two different ones a senior's settles it."""
    if item.decisions_needed < 2 or len(item.opinions) >= 2:
        return Event.DECIDED
    if not item.opinions:
        return Event.SEEN_ONCE
    return Event.DECIDED if item.opinions[0].outcome == outcome.digest else Event.DISAGREED


def _next_role(item: Item, outcome: Outcome) -> Role:
    return Role.SENIOR if _event(item, outcome) is Event.DISAGREED else item.role


def _role_of_returned(item: Item, person: Person) -> Role:
    """The role that a returned item needs.

    Who may only finish an item that was escalated cannot give it to reviewers, and a disagreement stays with seniors.
    """
    is_kept = len(item.opinions) >= 2 or not person.role.covers(item.role)
    return item.role if is_kept else Role.REVIEWER


def changes(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """What differs between two versions of an item's values, in words."""
    return tuple(
        f"{name} is {_shown(after.get(name))} and was {_shown(before.get(name))}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _shown(value: JsonValue) -> str:
    if value is None:
        return "empty"
    if isinstance(value, list):
        return f"{len(value)} rows"
    return repr(value) if isinstance(value, str) else str(value)
