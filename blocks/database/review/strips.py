"""Strips: one field of one type over the items that wait, in the order of work."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache

from sqlalchemy import ColumnElement, Text, cast, exists, func, or_, select

from blocks.database.clock import database_time
from blocks.database.engine import Database, stored_json
from blocks.database.outages import survives_outages
from blocks.database.review.claims import takeable
from blocks.database.review.item_content import item_of, item_query
from blocks.database.review.queue import behind, in_work_order
from blocks.database.review.tables import review, review_judgements
from blocks.document_types.schema import DocumentType
from blocks.records import Record
from blocks.review.judgements import is_judgeable
from blocks.review.reasons import doubted_fields
from blocks.review.records import Item, ItemKind, Person

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
    """How many items have a field that is not sure enough."""

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
def count_unsure_fields(database: Database, types: Mapping[str, DocumentType], person: Person) -> list[FieldCount]:
    """In how many items reasons put a value of a field in doubt, the most frequent field first of each type.

    Of the items that a strip of this person can have: not those that others have, nor those in which the field was
    judged. A strip has fewer where a value has no place in the document.
    """
    reasons, judged = cast(review.c.reasons, Text), review_judgements.c
    counts: Counter[tuple[str, str]] = Counter()
    named = cache(lambda reason, type_: doubted_fields(reason, types.get(type_)))
    with database.read() as connection:
        at = database_time(connection)
        wanted = (*takeable(person, at), ~review.c.is_blind, review.c.kind == ItemKind.VERDICT)
        waiting = (
            select(review.c.document_type, reasons, func.count())
            .where(*wanted)
            .group_by(review.c.document_type, reasons)
        )
        for type_, found, items in connection.execute(waiting):
            for field in {field for reason in json.loads(found) for field in named(reason, type_)}:
                counts[type_, field] += items
        done = (
            select(review.c.document_type, reasons, judged.field, func.count(judged.review_id.distinct()))
            .where(*wanted, *_is_judged(person))
            .group_by(review.c.document_type, reasons, judged.field)
        )
        for type_, found, field, items in connection.execute(done):
            if any(field in named(reason, type_) for reason in json.loads(found)):
                counts[type_, field] -= items
    rows = sorted(counts.items(), key=lambda row: (row[0][0], -row[1], row[0][1]))
    return [FieldCount(document_type=type_, field=field, items=items) for (type_, field), items in rows if items]


@survives_outages
def count_audits(database: Database, person: Person) -> dict[str, int]:
    """The items of the random audit that are not blind and that a strip of this person can have, by type."""
    with database.read() as connection:
        query = (
            select(review.c.document_type, func.count())
            .where(*takeable(person, database_time(connection)), review.c.kind == ItemKind.AUDIT, ~review.c.is_blind)
            .group_by(review.c.document_type)
        )
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
    is_of_field = review_judgements.c.field == wanted.field
    yield ~exists().where(*_is_judged(person), is_of_field).correlate(review)


def _is_judged(person: Person) -> Iterator[ColumnElement[bool]]:
    """The conditions for the judgements that count for the person."""
    judged = review_judgements.c
    yield judged.review_id == review.c.review_id
    yield judged.version == review.c.version
    yield judged.undone_at.is_(None)
    yield or_(review.c.decisions_needed < 2, judged.judged_by == person.name)
