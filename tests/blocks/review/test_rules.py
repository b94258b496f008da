"""What follows from a decision: allowed or refused, the outcome, and who is next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Status
from blocks.review.errors import (
    FieldUnread,
    InvalidCorrection,
    InvalidDecision,
    ItemClaimed,
    ItemClosed,
    NotAllowed,
    SecondLookNeeded,
    UnknownField,
)
from blocks.review.records import (
    Action,
    Correction,
    Decision,
    Door,
    Event,
    Item,
    ItemKind,
    ItemStatus,
    Look,
    Opinion,
    Person,
    Role,
    Ruling,
)
from blocks.review.rules import changes, rule

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
RECEIPT = DocumentType(
    name="receipt",
    title="Receipt",
    fields={
        "company": DocumentField(type=FieldType.TEXT),
        "total": DocumentField(type=FieldType.MONEY),
        "date": DocumentField(type=FieldType.DATE),
    },
)
ANN, BOB, SUE = Person(name="ann"), Person(name="bob"), Person(name="sue", role=Role.SENIOR)


def item(**changed: Any) -> Item:
    content: dict[str, Any] = {
        "review_id": 1,
        "document_id": "d",
        "version": 1,
        "kind": ItemKind.VERDICT,
        "status": ItemStatus.OPEN,
        "document_type": "receipt",
        "fingerprint": "f",
        "role": Role.REVIEWER,
        "reasons": ("low_confidence:total",),
        "confidence": 0.5,
        "priority": 3,
        "due_at": None,
        "created_at": AT,
        "fields": {"company": "Café", "total": "9.00", "date": None},
        "confidences": {"company": 0.9, "total": 0.5, "date": 0.0},
    }
    return Item(**content | changed)


def decision(action: Action, by: str = "ann", **content: Any) -> Decision:
    return Decision(review_id=1, version=1, action=action, by=by, door=Door.COMMAND, **content)


def ruling(item_: Item, decision_: Decision, person: Person = ANN, at: datetime = AT) -> Ruling:
    return rule(item_, decision_, person, RECEIPT, {"receipt", "invoice"}, at)


def correct(by: str = "ann", **values: Any) -> Decision:
    return decision(Action.CORRECT, by, corrections={name: Correction(value=value) for name, value in values.items()})


def test_accept_takes_what_is_shown() -> None:
    ruled = ruling(item(), decision(Action.ACCEPT))
    assert ruled.event is Event.DECIDED
    assert ruled.outcome is not None
    assert (ruled.outcome.status, ruled.outcome.fields) == (Status.ACCEPTED, item().fields)
    assert [(a.field, a.shown, a.decided, a.is_touched) for a in ruled.answers] == [
        ("company", "Café", "Café", False),
        ("date", None, None, False),
        ("total", "9.00", "9.00", False),
    ]


def test_a_correction_is_typed_like_any_value_and_keeps_the_other_fields() -> None:
    ruled = ruling(item(), correct(total="1.234,50 €", date="5 March 2026"))
    assert ruled.outcome is not None
    assert ruled.outcome.fields == {"company": "Café", "total": "1234.50", "date": "2026-03-05"}
    assert {a.field: (a.shown, a.decided, a.is_touched) for a in ruled.answers}["total"] == ("9.00", "1234.50", True)


def test_a_blank_correction_empties_the_field() -> None:
    outcome = ruling(item(), correct(company=" ")).outcome
    assert outcome is not None
    assert outcome.fields["company"] is None


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (correct(total="nine"), InvalidCorrection, "total: 'nine' is no"),
        (correct(tip="1"), UnknownField, "there is no field 'tip'; the type has: company, total, date"),
        (decision(Action.CORRECT), InvalidDecision, "names at least one field"),
        (decision(Action.REJECT, reason=" "), InvalidDecision, "needs a reason"),
        (decision(Action.RECLASSIFY, document_type="invoce"), InvalidDecision, "there are: invoice, receipt"),
    ],
)
def test_a_decision_without_a_meaning_is_refused(wrong: Decision, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ruling(item(), wrong)


def test_a_rejection_without_a_reason_is_told_those_of_the_type() -> None:
    type_ = RECEIPT.model_copy(update={"review": ReviewRules(reject_reasons=("no receipt", "a copy"))})
    with pytest.raises(InvalidDecision, match="the type's reasons are: no receipt, a copy"):
        rule(item(), decision(Action.REJECT, reason=""), ANN, type_, {"receipt"}, AT)


def test_a_blind_audit_is_accepted_only_once_each_field_was_read() -> None:
    blind = item(kind=ItemKind.AUDIT, is_blind=True)
    read = {"company": "Café", "total": "9.00"}
    for unread in (decision(Action.ACCEPT), correct(**read)):
        with pytest.raises(FieldUnread, match="blind audit; correct every field"):
            ruling(blind, unread)
    assert ruling(blind, correct(**read, date="")).event is Event.DECIDED
    looks = {name: Look(is_touched=True) for name in blind.fields}
    assert ruling(blind, decision(Action.ACCEPT, looks=looks)).event is Event.DECIDED
    assert ruling(blind, decision(Action.UNREADABLE)).event is Event.DECIDED


def test_rejections_and_reclassification() -> None:
    rejected = ruling(item(), decision(Action.REJECT, reason="a joke")).outcome
    assert rejected is not None
    assert (rejected.status, rejected.reasons) == (Status.REJECTED, ("rejected_by_person:a joke",))
    unreadable = ruling(item(), decision(Action.UNREADABLE)).outcome
    assert unreadable is not None
    assert (unreadable.status, unreadable.reasons, unreadable.fields) == (Status.REJECTED, ("unreadable",), {})
    moved = ruling(item(), decision(Action.RECLASSIFY, document_type="invoice")).outcome
    assert moved is not None
    assert (moved.status, moved.document_type) == (None, "invoice")


def test_a_failure_or_an_unknown_type_has_nothing_to_accept() -> None:
    with pytest.raises(InvalidDecision, match="could not be read"):
        ruling(item(kind=ItemKind.FAILURE, fields={}), decision(Action.ACCEPT))
    with pytest.raises(InvalidDecision, match="of no known type"):
        rule(item(document_type="unknown"), decision(Action.ACCEPT), ANN, None, {"receipt"}, AT)
    assert ruling(item(kind=ItemKind.FAILURE), decision(Action.REJECT, reason="not a document")).event is Event.DECIDED


def test_who_may_decide() -> None:
    with pytest.raises(ItemClosed, match="was decided by bob"):
        ruling(item(status=ItemStatus.DECIDED, decided_by="bob", decided_at=AT), decision(Action.ACCEPT))
    with pytest.raises(NotAllowed, match="ann has the role reviewer"):
        ruling(item(role=Role.SENIOR), decision(Action.ACCEPT))
    with pytest.raises(NotAllowed):
        ruling(item(), decision(Action.ACCEPT, "eve"), Person(name="eve", role=Role.READER))
    claim = {"claimed_by": "bob", "claimed_at": AT, "claim_expires_at": AT + timedelta(minutes=2)}
    with pytest.raises(ItemClaimed, match="bob has had review item 1 since 12:00 UTC"):
        ruling(item(**claim), decision(Action.ACCEPT))
    assert ruling(item(**claim), decision(Action.ACCEPT), at=AT + timedelta(minutes=3)).event is Event.DECIDED
    assert ruling(item(**claim), decision(Action.ACCEPT, "bob"), BOB).event is Event.DECIDED


def test_escalated_items_are_a_seniors_and_returned_ones_stay() -> None:
    assert ruling(item(), decision(Action.ESCALATE)).role is Role.SENIOR
    back = ruling(item(role=Role.SENIOR), decision(Action.RETURN, "sue"), SUE)
    assert (back.event, back.role) == (Event.RETURNED, Role.REVIEWER)


def test_four_eyes() -> None:
    first = ruling(item(decisions_needed=2), correct(total="9.50"))
    assert (first.event, first.role) == (Event.SEEN_ONCE, Role.REVIEWER)
    assert first.outcome is not None
    seen = item(decisions_needed=2, opinions=(Opinion(by="ann", event_id=1, outcome=first.outcome.digest, key="k"),))
    with pytest.raises(SecondLookNeeded):
        ruling(seen, correct(total="9.50"))
    assert ruling(seen, correct("bob", total="9,50"), BOB).event is Event.DECIDED
    differs = ruling(seen, decision(Action.ACCEPT, "bob"), BOB)
    assert (differs.event, differs.role) == (Event.DISAGREED, Role.SENIOR)
    assert differs.outcome is not None
    both = (*seen.opinions, Opinion(by="bob", event_id=2, outcome=differs.outcome.digest, key="l"))
    assert ruling(
        item(decisions_needed=2, opinions=both, role=Role.SENIOR), decision(Action.ACCEPT, "sue"), SUE
    ).event is (Event.DECIDED)


def test_the_same_decision_has_the_same_key_however_long_it_took() -> None:
    assert correct(total="1").key == correct(total="1").model_copy(update={"shown_ms": 900, "door": Door.SQL}).key
    assert correct(total="1").key != correct(total="2").key


def test_changes_are_named() -> None:
    assert changes({"a": "1", "b": [1], "c": 3}, {"a": None, "b": [1, 2], "c": 3}) == (
        "a is empty and was '1'",
        "b is 2 rows and was 1 rows",
    )


def claimed(**changed: Any) -> Item:
    return item(claimed_by="ann", claimed_at=AT, claim_expires_at=AT + timedelta(minutes=5), **changed)


def test_a_claim_gives_no_right_to_who_may_only_read() -> None:
    with pytest.raises(NotAllowed, match="ann has the role reader"):
        rule(claimed(), decision(Action.ACCEPT), Person(name="ann", role=Role.READER), RECEIPT, {"receipt"}, AT)


def test_only_who_may_decide_on_an_escalated_item_gives_it_back_to_reviewers() -> None:
    late = claimed(role=Role.SENIOR)
    assert rule(late, decision(Action.RETURN), ANN, RECEIPT, {"receipt"}, AT).role is Role.SENIOR
    free = item(role=Role.SENIOR)
    assert rule(free, decision(Action.RETURN, by="sue"), SUE, RECEIPT, {"receipt"}, AT).role is Role.REVIEWER
    opinions = tuple(Opinion(by=name, event_id=1, outcome=name, key=name) for name in ("ann", "bob"))
    differing = item(role=Role.SENIOR, decisions_needed=2, opinions=opinions)
    assert rule(differing, decision(Action.RETURN, by="sue"), SUE, RECEIPT, {"receipt"}, AT).role is Role.SENIOR


@pytest.mark.parametrize("name", ["reason", "note"])
@pytest.mark.parametrize("text", ["no invoice\x1b[2J", "a\ud800b", "a\0b", "half \ufffd"])
def test_what_is_written_must_be_text(name: str, text: str) -> None:
    content = {"reason": "no invoice", "note": ""} | {name: text}
    with pytest.raises(InvalidDecision, match=f"the {name} has characters that are no text"):
        ruling(item(), decision(Action.REJECT, **content))


def test_half_of_a_surrogate_pair_is_no_value() -> None:
    with pytest.raises(InvalidCorrection):
        ruling(item(), correct(company="a\ud800b"))
