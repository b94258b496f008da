"""Judgements on single fields, each one transaction: the row and its event. The item goes on waiting."""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, insert, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review import events
from blocks.database.review.events import NewEvent
from blocks.database.review.item_content import check_version, load_item
from blocks.database.review.tables import review_judgements
from blocks.document_types.schema import DocumentType
from blocks.review.errors import InvalidDecision
from blocks.review.judgements import judged_value, that_count
from blocks.review.records import Event, FieldJudgement, Item, Judged, Person, digest_of
from blocks.review.rules import check_open


@survives_outages
def judge(database: Database, given: FieldJudgement, person: Person, types: Mapping[str, DocumentType]) -> Judged:
    """Record what the person found about a field. The same judgement sent twice is recorded once.

    Raises a leaf of `ReviewError` where the rules refuse it, and `ItemReplaced` where a run replaced the version that
    the person saw.
    """
    with database.write() as connection:
        item = load_item(connection, given.review_id, lock=True)
        check_version(connection, item, given.version)
        at = database_time(connection)
        value = judged_value(item, given, person, types.get(item.document_type), at)
        last = _last_own(connection, item, given.field, person)
        if last is not None and last.judgement is given.judgement:
            return last
        answer = {
            **given.model_dump(mode="json", include={"version", "field", "judgement", "shown_ms"}),
            "shown": value,
            "confidence": item.confidences.get(given.field),
            "evidence": [found.model_dump(mode="json") for found in item.evidence.get(given.field, ())],
        }
        content = {name: answer[name] for name in ("version", "field", "judgement", "shown_ms")}
        content |= {"door": str(given.door), "fingerprint": item.fingerprint, "answer": digest_of(answer)}
        new = NewEvent(item.review_id, Event.JUDGED, content, actor=person.name)
        (head,) = events.append(database, connection, [new], at)
        row = answer | {"event_id": head.event_id, "review_id": item.review_id}
        connection.execute(insert(review_judgements), row | {"judged_by": person.name, "judged_at": at})
        return Judged(
            event_id=head.event_id,
            field=given.field,
            judgement=given.judgement,
            by=person.name,
            at=at,
            shown_ms=given.shown_ms,
        )


def undo_judgement(database: Database, review_id: int, field: str, person: Person) -> None:
    """Take the person's last judgement on a field back, while the item waits. The one before it counts again.

    Raises a leaf of `ReviewError` where there is none, or where the person may not decide on the item now.
    """
    _undo(database, review_id, _read_last_own(database, review_id, field, person), person)


@survives_outages
def _read_last_own(database: Database, review_id: int, field: str, person: Person) -> int:
    with database.read() as connection:
        item = load_item(connection, review_id)
        check_open(item, person, database_time(connection))
        last = _last_own(connection, item, field, person)
    if last is None:
        raise InvalidDecision(f"{person.name} has no judgement on {field} of review item {review_id} to take back")
    return last.event_id


@survives_outages
def _undo(database: Database, review_id: int, event_id: int, person: Person) -> None:
    """Take this judgement back; done again, it takes none of the earlier ones back."""
    with database.write() as connection:
        item, at = load_item(connection, review_id, lock=True), database_time(connection)
        check_open(item, person, at)
        if all(found.event_id != event_id for found in _all(connection, item)):
            return
        content = {"version": item.version, "undone": event_id}
        events.append(database, connection, [NewEvent(review_id, Event.UNDONE, content, actor=person.name)], at)
        connection.execute(_UNDO, {"b_event_id": event_id, "b_at": at})


@survives_outages
def read_judged(database: Database, item: Item, name: str) -> dict[str, Judged]:
    """The judgements on the item that count for the person of that name, by field."""
    with database.read() as connection:
        return load_judged(connection, item, name)


def load_judged(connection: Connection, item: Item, name: str) -> dict[str, Judged]:
    """`read_judged` within a transaction."""
    return that_count(item, _all(connection, item), name)


def _all(connection: Connection, item: Item) -> list[Judged]:
    rows = connection.execute(_OF_ITEM, {"review_id": item.review_id, "version": item.version}).mappings()
    return [Judged.model_validate(dict(row)) for row in rows]


def _last_own(connection: Connection, item: Item, field: str, person: Person) -> Judged | None:
    own = [found for found in _all(connection, item) if found.by == person.name and found.field == field]
    return own[-1] if own else None


_JUDGED = review_judgements.c

_OF_ITEM = (
    select(
        _JUDGED.event_id,
        _JUDGED.field,
        _JUDGED.judgement,
        _JUDGED.judged_by.label("by"),
        _JUDGED.judged_at.label("at"),
        _JUDGED.shown_ms,
    )
    .where(
        _JUDGED.review_id == bindparam("review_id"),
        _JUDGED.version == bindparam("version"),
        _JUDGED.undone_at.is_(None),
    )
    .order_by(_JUDGED.event_id)
)

_UNDO = update(review_judgements).where(_JUDGED.event_id == bindparam("b_event_id")).values(undone_at=bindparam("b_at"))
