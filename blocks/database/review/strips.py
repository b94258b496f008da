"""Strips: one field of one type over the items that wait, in the order of work."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Text, cast, exists, func, or_, select, true

from blocks.database.clock import database_time
from blocks.database.engine import Database, stored_json
from blocks.database.outages import survives_outages
from blocks.database.review.claims import takeable
from blocks.database.review.queue import behind, in_work_order, item_of, item_query
from blocks.database.review.tables import review, review_judgements
from blocks.document_types.schema import DocumentType
from blocks.records import Record
from blocks.review.judgements import is_judgeable
from blocks.review.records import Item, ItemKind, ItemStatus, Person

STRIP_ITEMS = 50
MAX_LOOKED_AT = 500
"""How many items a strip is chosen from: some have no value of the field, or no place for it."""


class Strip(Record):
    """One field of a type. `kind`: only items of that kind. `after`: those behind this item, in the order of work."""

    document_type: str
    field: str
    kind: ItemKind | None = None
    after: int | None = None


class FieldCount(Record):
    """How many open items have a field that is not sure enough."""

    document_type: str
    field: str
    items: int


@survives_outages
def strip_items(
    database: Database, wanted: Strip, document_type: DocumentType, person: Person, limit: int = STRIP_ITEMS
) -> list[Item]:
    """The next items in which the person may judge the field, and which nobody else has. Claims nothing.

    Items in which the field was judged already are left out; so are blind audits, whose values nobody may see.
    """
    with database.read() as connection:
        at = database_time(connection)
        query = (
            item_query()
            .where(*takeable(person, at), *_judgeable(wanted, person), *behind(connection, wanted.after))
            .order_by(*in_work_order)
            .limit(MAX_LOOKED_AT)
        )
        found = (item_of(row) for row in connection.execute(query).mappings())
        items = [item for item in found if is_judgeable(item, wanted.field, document_type)]
    return items[:limit]


@survives_outages
def count_unsure_fields(database: Database) -> list[FieldCount]:
    """The fields that are not sure enough in open items, the most frequent first of each type."""
    each = func.json_each if database.is_sqlite else func.json_array_elements_text
    reasons = each(review.c.reasons).table_valued("value", name="reason")
    code = "low_confidence:"
    query = (
        select(review.c.document_type, reasons.c.value, func.count())
        .select_from(review.join(reasons, true()))
        .where(review.c.status == ItemStatus.OPEN, ~review.c.is_blind, reasons.c.value.startswith(code))
        .group_by(review.c.document_type, reasons.c.value)
        .order_by(review.c.document_type, func.count().desc(), reasons.c.value)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [FieldCount(document_type=type_, field=reason.removeprefix(code), items=n) for type_, reason, n in rows]


@survives_outages
def count_audits(database: Database) -> dict[str, int]:
    """The open items of the random audit that are not blind, by type."""
    query = (
        select(review.c.document_type, func.count())
        .where(review.c.status == ItemStatus.OPEN, review.c.kind == ItemKind.AUDIT, ~review.c.is_blind)
        .group_by(review.c.document_type)
    )
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def _judgeable(wanted: Strip, person: Person) -> Iterator[ColumnElement[bool]]:
    """What the database can tell of the items; `is_judgeable` looks closer."""
    yield review.c.document_type == wanted.document_type
    yield ~review.c.is_blind
    yield review.c.kind != ItemKind.FAILURE
    if wanted.kind is not None:
        yield review.c.kind == wanted.kind
    named = cast(review.c.reasons, Text).contains(stored_json(wanted.field)[1:-1], autoescape=True)
    yield or_(review.c.kind == ItemKind.AUDIT, named)
    judged = review_judgements.c
    counts = or_(review.c.decisions_needed < 2, judged.judged_by == person.name)
    is_judged = (judged.review_id == review.c.review_id, judged.version == review.c.version, judged.undone_at.is_(None))
    yield ~exists().where(*is_judged, judged.field == wanted.field, counts).correlate(review)
