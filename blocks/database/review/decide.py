"""A decision as one transaction: result, item, answers and event. The rules say what follows; this writes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database, as_stored
from blocks.database.outages import survives_outages
from blocks.database.pipeline.documents import FAILED, lock_documents
from blocks.database.pipeline.failures import resolve_failures
from blocks.database.review import events
from blocks.database.review.claims import NO_CLAIM
from blocks.database.review.events import NewEvent
from blocks.database.review.item_content import check_version, load_item
from blocks.database.review.judgements import load_judged
from blocks.database.review.tables import review, review_answers, review_events
from blocks.database.tables import documents, failures, results
from blocks.document_types.schema import DocumentType
from blocks.records import Record
from blocks.review.chain import Head
from blocks.review.errors import InvalidDecision
from blocks.review.records import (
    Decision,
    Event,
    Item,
    ItemKind,
    ItemStatus,
    Opinion,
    Person,
    Ruling,
)
from blocks.review.rules import UNDO_S, rule
from blocks.review.trail import DECISION_VALUES, answer_digests, result_digest


class Decided(Record):
    """What a decision did. `is_repeated`: the same decision was applied before, and nothing was written.

    `corrected` has the typed values that corrections became: "1.234" may be an amount above a thousand.
    """

    review_id: int
    event: Event
    event_id: int
    is_repeated: bool = False
    corrected: dict[str, JsonValue] = Field(default_factory=dict)


@survives_outages
def decide(database: Database, decision: Decision, person: Person, types: Mapping[str, DocumentType]) -> Decided:
    """Apply a decision, all or nothing. The same decision sent twice is applied once.

    Raises a leaf of `ReviewError` where the rules refuse it, and `ItemReplaced` where a run replaced the version that
    the person saw.
    """
    with database.write() as connection:
        return decide_within(database, connection, decision, person, types)


def decide_within(
    database: Database, connection: Connection, decision: Decision, person: Person, types: Mapping[str, DocumentType]
) -> Decided:
    """`decide` within a transaction of the caller's."""
    document_id = load_item(connection, decision.review_id).document_id
    lock_documents(database, connection, [document_id])  # in the order of runs: documents, then their items
    item = load_item(connection, decision.review_id, lock=True)
    repeated = _repeated(connection, item, decision)
    if repeated is not None:
        return repeated
    check_version(connection, item, decision.version)
    at = database_time(connection)
    judged = load_judged(connection, item, person.name)
    ruling = rule(item, decision, person, types.get(item.document_type), types, at, judged)
    answers = [as_stored(answer.model_dump(mode="json")) for answer in ruling.answers]
    result = _result(connection, item, decision, ruling)
    digests: dict[str, JsonValue] = {"answers": answer_digests(answers)}
    if result is not None:
        digests["result"] = result_digest(result)
    head = _log(database, connection, item, decision, ruling, digests, at)
    _write_answers(connection, item, answers, head)
    if ruling.event is Event.DECIDED:
        assert ruling.outcome is not None
        _close(connection, item, decision, at)
        if result is None:  # the next run reads it again, as the type that the person gave it
            _give_type(connection, item, ruling.outcome.document_type)
        else:
            _write_result(connection, item, result, head, at)
    else:
        _keep_open(connection, item, decision, ruling, head, at)
    values = {} if ruling.outcome is None else ruling.outcome.fields
    corrected = {name: values[name] for name in decision.corrections if name in values}
    return Decided(review_id=item.review_id, event=ruling.event, event_id=head.event_id, corrected=corrected)


@survives_outages
def undo(database: Database, review_id: int, person: Person) -> Decided:
    """Take the person's own decision back, within ten seconds. The item is open again, as it was. Once, if sent twice.

    The first of two persons may, until the second has decided.

    Raises `InvalidDecision` where it is too late, or there is nothing to take back.
    """
    with database.write() as connection:
        document_id = load_item(connection, review_id).document_id
        lock_documents(database, connection, [document_id])
        item, at = load_item(connection, review_id, lock=True), database_time(connection)
        repeated = _repeated_undo(connection, item, person)
        if repeated is not None:
            return repeated
        if item.status is ItemStatus.OPEN and _is_first_opinion(item, person):
            return _undo_opinion(database, connection, item, person, at)
        if item.status is not ItemStatus.DECIDED or item.decided_by != person.name or item.decided_at is None:
            raise InvalidDecision(f"{person.name} has no decision on review item {review_id} to take back")
        _check_undo_time(review_id, item.decided_at, at)
        if connection.execute(_READ_SINCE, {"document_id": document_id, "at": item.decided_at}).scalar_one():
            raise InvalidDecision(
                f"a run has read the document of review item {review_id} again, so the decision stands; decide on its "
                "newer item, if there is one"
            )
        last = connection.execute(_LAST_DECIDED, {"review_id": review_id}).one()
        _restore(connection, item, last.hash, last.content)
        (head,) = events.append(
            database,
            connection,
            [NewEvent(review_id, Event.UNDONE, {"version": item.version, "undone": last.event_id}, actor=person.name)],
            at,
        )
        return Decided(review_id=review_id, event=Event.UNDONE, event_id=head.event_id)


def _repeated(connection: Connection, item: Item, decision: Decision) -> Decided | None:
    """What an equal decision did before, if there was one and nothing has happened since, or it still counts."""
    for event, opinion in zip((Event.SEEN_ONCE, Event.DISAGREED), item.opinions, strict=False):
        if opinion.key == decision.key:
            return Decided(review_id=item.review_id, event=event, event_id=opinion.event_id, is_repeated=True)
    last = connection.execute(_LAST_EVENT, {"review_id": item.review_id}).one_or_none()
    if last is None or last.content.get("key") != decision.key:
        return None
    return Decided(review_id=item.review_id, event=Event(last.event), event_id=last.event_id, is_repeated=True)


def _repeated_undo(connection: Connection, item: Item, person: Person) -> Decided | None:
    """What the person's undo did before, if nothing has happened since."""
    last = connection.execute(_LAST_EVENT, {"review_id": item.review_id}).one_or_none()
    if last is None or last.event != Event.UNDONE or last.actor != person.name:
        return None
    undone = connection.execute(_EVENT, {"event_id": last.content.get("undone")}).scalar_one_or_none()
    if undone not in {Event.DECIDED, Event.SEEN_ONCE}:  # it took a judgement back
        return None
    return Decided(review_id=item.review_id, event=Event.UNDONE, event_id=last.event_id, is_repeated=True)


def _is_first_opinion(item: Item, person: Person) -> bool:
    return len(item.opinions) == 1 and item.opinions[0].by == person.name


def _undo_opinion(database: Database, connection: Connection, item: Item, person: Person, at: datetime) -> Decided:
    """Take the first of two decisions back. It changed nothing but the item's opinions."""
    event_id = item.opinions[0].event_id
    decided_at = connection.execute(_HAPPENED_AT, {"event_id": event_id}).scalar_one()
    _check_undo_time(item.review_id, decided_at, at)
    values = {"opinions": [], "updated_at": at}
    connection.execute(update(review).where(review.c.review_id == item.review_id).values(values))
    undone = {"version": item.version, "undone": event_id}
    new = NewEvent(item.review_id, Event.UNDONE, undone, actor=person.name)
    (head,) = events.append(database, connection, [new], at)
    return Decided(review_id=item.review_id, event=Event.UNDONE, event_id=head.event_id)


def _check_undo_time(review_id: int, decided_at: datetime, at: datetime) -> None:
    if at - decided_at > timedelta(seconds=UNDO_S):
        raise InvalidDecision(f"the decision on review item {review_id} is final: {UNDO_S:g} s have passed")


def _log(
    database: Database,
    connection: Connection,
    item: Item,
    decision: Decision,
    ruling: Ruling,
    digests: Mapping[str, JsonValue],
    at: datetime,
) -> Head:
    """Write the event, with the digests of the rows that are written beside it."""
    document = connection.execute(
        select(documents.c.given_type, documents.c.is_type_decided).where(documents.c.document_id == item.document_id)
    ).one()
    content: dict[str, JsonValue] = {
        **decision.model_dump(mode="json", exclude={"review_id", "by", "looks"}),
        "key": decision.key,
        "fingerprint": item.fingerprint,
        **digests,
        "outcome": None if ruling.outcome is None else ruling.outcome.digest,
        "given_type": document.given_type,
        "is_type_decided": document.is_type_decided,
    }
    if ruling.event is not Event.DECIDED:
        content["role"] = str(ruling.role)
    (head,) = events.append(
        database, connection, [NewEvent(item.review_id, ruling.event, content, actor=decision.by)], at
    )
    return head


def _write_answers(connection: Connection, item: Item, answers: Sequence[Mapping[str, JsonValue]], head: Head) -> None:
    if answers:
        own = {"event_id": head.event_id, "review_id": item.review_id}
        connection.execute(insert(review_answers), [{**answer, **own} for answer in answers])


def _close(connection: Connection, item: Item, decision: Decision, at: datetime) -> None:
    decided = {
        "status": ItemStatus.DECIDED,
        "decided_by": decision.by,
        "decided_at": at,
        "updated_at": at,
        "decision": decision.model_dump(mode="json", include={*DECISION_VALUES}),
    }
    connection.execute(update(review).where(review.c.review_id == item.review_id).values(decided | NO_CLAIM))


def _give_type(connection: Connection, item: Item, document_type: str) -> None:
    decided = {"given_type": document_type, "is_type_decided": True, "settled_under": None, "settled_as": None}
    connection.execute(update(documents).where(documents.c.document_id == item.document_id).values(decided))


def _write_result(connection: Connection, item: Item, result: Mapping[str, Any], head: Head, at: datetime) -> None:
    """Write the decided result. Its fingerprint is the event's hash, which ties it to the audit trail."""
    own = results.c.document_id == item.document_id
    connection.execute(update(results).where(own, results.c.is_current).values(is_current=False))
    row = {**result, "document_id": item.document_id, "fingerprint": head.hash, "is_current": True, "created_at": at}
    connection.execute(insert(results), row)
    connection.execute(
        update(documents)
        .where(documents.c.document_id == item.document_id, documents.c.settled_under.is_not(None))
        .values(settled_as=result["status"])
    )
    if item.kind is ItemKind.FAILURE:
        resolve_failures(connection, {item.document_id: None}, at)


def _result(connection: Connection, item: Item, decision: Decision, ruling: Ruling) -> dict[str, Any] | None:
    """The result that the decision makes; None where it makes none."""
    outcome = ruling.outcome
    if ruling.event is not Event.DECIDED or outcome is None or outcome.status is None:
        return None
    run_id = connection.execute(select(review.c.run_id).where(review.c.review_id == item.review_id)).scalar_one()
    content = {
        "confidence": 1.0,
        "confidences": dict.fromkeys(outcome.fields, 1.0),
        "score": item.score,
        "provisional": False,
        "decided_by": decision.by,
        "run_id": run_id,
    }
    return dict(as_stored(outcome.model_dump(mode="json") | content))


def _keep_open(
    connection: Connection, item: Item, decision: Decision, ruling: Ruling, head: Head, at: datetime
) -> None:
    values: dict[str, Any] = {"role": str(ruling.role), "updated_at": at, **NO_CLAIM}
    if ruling.outcome is not None:
        opinion = Opinion(by=decision.by, event_id=head.event_id, outcome=ruling.outcome.digest, key=decision.key)
        values["opinions"] = [o.model_dump(mode="json") for o in (*item.opinions, opinion)]
    connection.execute(update(review).where(review.c.review_id == item.review_id).values(values))


def _restore(connection: Connection, item: Item, decided_hash: str, content: Mapping[str, Any]) -> None:
    open_again = {"status": ItemStatus.OPEN, "decided_by": None, "decided_at": None, "decision": None}
    connection.execute(update(review).where(review.c.review_id == item.review_id).values(open_again))
    of_document = documents.c.document_id == item.document_id
    if content.get("action") == "reclassify":
        earlier = {
            "given_type": content.get("given_type"),
            "is_type_decided": bool(content.get("is_type_decided", False)),
        }
        connection.execute(update(documents).where(of_document).values(earlier))
        return
    own = results.c.document_id == item.document_id
    connection.execute(update(results).where(own, results.c.fingerprint == decided_hash).values(is_current=False))
    connection.execute(update(results).where(own, results.c.fingerprint == item.fingerprint).values(is_current=True))
    is_failure = item.kind is ItemKind.FAILURE
    connection.execute(
        update(documents)
        .where(of_document, documents.c.settled_under.is_not(None))
        .values(settled_as=FAILED if is_failure else item.result_status)
    )
    if is_failure:  # the decision closed its failures
        closed = (failures.c.document_id == item.document_id, failures.c.resolved_at == item.decided_at)
        connection.execute(update(failures).where(*closed).values(resolved_at=None))


_READ_SINCE = select(
    or_(
        exists().where(review.c.document_id == bindparam("document_id"), review.c.status == ItemStatus.OPEN),
        exists().where(
            results.c.document_id == bindparam("document_id"),
            results.c.decided_by.is_(None),
            results.c.created_at >= bindparam("at"),
        ),
    )
)
"""Whether a run has made an item or a result of the document since it was decided."""

_OF_EVENT = review_events.c.event_id == bindparam("event_id")
_EVENT = select(review_events.c.event).where(_OF_EVENT)
_HAPPENED_AT = select(review_events.c.happened_at).where(_OF_EVENT)

_LAST_EVENT = (
    select(*(review_events.c[name] for name in ("event_id", "event", "actor", "hash", "content")))
    .where(review_events.c.review_id == bindparam("review_id"))
    .order_by(review_events.c.event_id.desc())
    .limit(1)
)

_LAST_DECIDED = _LAST_EVENT.where(review_events.c.event == Event.DECIDED)
