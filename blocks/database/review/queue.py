"""Reading the review queue: its order, its filters, and lists of its items."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.review.item_content import MAX_ID, item_of, item_query, with_result
from blocks.database.review.tables import REASON_CODES, review
from blocks.database.tables import results, sources
from blocks.records import Record
from blocks.review.errors import ItemMissing
from blocks.review.records import Item, ItemKind, ItemStatus, Role

in_work_order = (
    review.c.priority,
    review.c.due_at.is_(None),
    review.c.due_at,
    review.c.confidence,
    review.c.review_id,
)
"""The order in which a reviewer would work: priority, due time, the least certain first."""


class QueueFilter(Record):
    """Which items a list has; every condition must hold.

    `reason` is a reason's code, such as `low_confidence`, or a complete reason. `opened_before` asks for an age,
    `due_before` with the time now for what is overdue. `claimed_by`: only items that this person has now. `text` is
    part of a URI, in any case.
    """

    status: ItemStatus = ItemStatus.OPEN
    document_type: str | None = None
    reason: str | None = None
    priority: int | None = Field(None, ge=0, le=99)
    due_before: datetime | None = None
    opened_before: datetime | None = None
    claimed_by: str | None = None
    text: str | None = None
    kind: ItemKind | None = None
    role: Role | None = None


EVERY_OPEN = QueueFilter()


@survives_outages
def list_items(
    database: Database, wanted: QueueFilter = EVERY_OPEN, limit: int | None = None, after: int | None = None
) -> list[dict[str, Any]]:
    """Items in the order in which a reviewer would work, at most `limit`, those behind the item `after`.

    Keys, ready for JSON: review_id, version, document_id, uri, document_type, status, kind, role, reasons, confidence,
    priority, due_at (ISO, UTC), claimed_by (who has a live claim), is_blind, fields (none of a
    blind item). Raises `ItemMissing` where `after` is none.
    """
    with database.read() as connection:
        at = database_time(connection)
        return _listed_items(connection, tuple(conditions(database, connection, wanted, at)), at, limit, after)


class QueuePage(Record):
    """A part of a list, and how many items the complete list has, counted to `COUNTED` at most."""

    items: tuple[dict[str, Any], ...]
    count: int
    is_more: bool


MAX_CODE = 64
"""Longer words are looked for as whole reasons."""
BATCH = 500
"""So many items are read at a time where all of them are wanted."""
COUNTED = 1_000
"""So far the page counts what a filter lets through. Up to so many are also sorted without a walk along the queue."""


@survives_outages
def open_page(database: Database, wanted: QueueFilter, limit: int, after: int | None = None) -> QueuePage:
    """A page of `list_items` with its count.

    First come the ids of up to `COUNTED` items. If they are all, the list is read from them;
    if not, the items are so many that a walk along the queue soon finds enough of them. Either is quick, where a walk
    for few items reads every open one.
    """
    with database.read() as connection:
        at = database_time(connection)
        of_filter = tuple(conditions(database, connection, wanted, at))
        ids = _first_ids(connection, of_filter)
        is_more = len(ids) > COUNTED
        of_page = of_filter if is_more else (review.c.review_id.in_(ids),)
        items = _listed_items(connection, of_page, at, limit, after)
        return QueuePage(items=tuple(items), count=min(len(ids), COUNTED), is_more=is_more)


def _first_ids(connection: Connection, of_filter: Sequence[ColumnElement[bool]]) -> Sequence[int]:
    # By id, as the table is stored: other orders read it in jumps.
    query = select(review.c.review_id).where(*of_filter).order_by(review.c.review_id).limit(COUNTED + 1)
    return connection.execute(query).scalars().all()


def _listed_items(
    connection: Connection, of_filter: Sequence[ColumnElement[bool]], at: datetime, limit: int | None, after: int | None
) -> list[dict[str, Any]]:
    query = (
        select(*(review.c[name] for name in _LISTED), *_CLAIM, results.c.fields)
        .select_from(with_result)
        .where(*of_filter, *behind(connection, after))
        .order_by(*in_work_order)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    uris = uris_of(connection, [row["document_id"] for row in rows])
    return [_listed(row, uris[row["document_id"]][0], at) for row in rows]


@survives_outages
def count_items(database: Database, wanted: QueueFilter = EVERY_OPEN) -> int:
    """How many items there are of this filter."""
    with database.read() as connection:
        of_filter = conditions(database, connection, wanted, database_time(connection))
        return int(connection.execute(select(func.count()).select_from(review).where(*of_filter)).scalar_one())


class TypeCount(Record):
    """How many open items a type has, and how many of them are late."""

    document_type: str
    items: int
    late: int


@survives_outages
def count_open_by_type(database: Database) -> list[TypeCount]:
    """The open items by type, by name."""
    item = review.c
    with database.read() as connection:
        is_late = case((item.due_at < database_time(connection), 1), else_=0)
        query = (
            select(item.document_type, func.count().label("items"), func.sum(is_late).label("late"))
            .where(item.status == ItemStatus.OPEN)
            .group_by(item.document_type)
            .order_by(item.document_type)
        )
        return [TypeCount.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def _listed(row: RowMapping, uri: str, at: datetime) -> dict[str, Any]:
    is_claimed = row["claim_expires_at"] is not None and row["claim_expires_at"] > at
    return {
        "review_id": row["review_id"],
        "version": row["version"],
        "document_id": row["document_id"],
        "uri": uri,
        **{name: row[name] for name in ("document_type", "status", "kind", "role", "reasons", "confidence")},
        "priority": row["priority"],
        "due_at": row["due_at"] and row["due_at"].astimezone(UTC).isoformat(timespec="seconds"),
        "claimed_by": row["claimed_by"] if is_claimed else None,
        "is_blind": row["is_blind"],
        "fields": {} if row["is_blind"] else row["fields"] or {},
    }


def conditions(
    database: Database, connection: Connection, wanted: QueueFilter, at: datetime
) -> Iterator[ColumnElement[bool]]:
    """What the items of a filter have."""
    item = review.c
    for name in ("status", "document_type", "priority", "kind", "role"):
        value = getattr(wanted, name)
        if value is not None:
            yield item[name] == value
    if wanted.due_before is not None:
        yield item.due_at < wanted.due_before
    if wanted.opened_before is not None:
        yield item.created_at < wanted.opened_before
    if wanted.claimed_by is not None:
        yield and_(item.claimed_by == wanted.claimed_by, item.claim_expires_at > at)
    if wanted.reason is not None:
        yield _has_reason(database, connection, wanted.reason)
    if wanted.text is not None:
        yield _is_at(database, connection, wanted.text)


def _is_at(database: Database, connection: Connection, part: str) -> ColumnElement[bool]:
    """Documents at a URI with this part. Few of them are looked up first; of many, a walk finds the first soon."""
    # SQLite's LIKE compares letters in any case by itself, and faster than with lower().
    contains = sources.c.uri.contains if database.is_sqlite else sources.c.uri.icontains
    is_at = contains(part, autoescape=True)
    found = connection.execute(select(sources.c.document_id).where(is_at).limit(COUNTED + 1)).scalars().all()
    if len(found) <= COUNTED:
        return review.c.document_id.in_(found)
    same = sources.c.document_id == review.c.document_id
    return select(literal(1)).select_from(sources).where(same, is_at).correlate(review).exists()


def _has_reason(database: Database, connection: Connection, reason: str) -> ColumnElement[bool]:
    """A reason's code ends before its first colon."""
    is_code = reason.isascii() and reason.isidentifier() and len(reason) <= MAX_CODE
    if is_code and not database.is_sqlite:
        return _has_code(connection, reason)
    if is_code:
        # The text of the JSON is searched ten times as fast as its values. A quote within a reason is escaped there, so
        # that these four texts are the begin of a reason and nothing else.
        ends = (f"{begin}{reason}{end}" for begin in ('["', ',"') for end in ('"', ":"))
        return or_(*(cast(review.c.reasons, Text).contains(part, autoescape=True) for part in ends))
    each = func.json_each if database.is_sqlite else func.json_array_elements_text
    reasons = each(review.c.reasons).table_valued("value", name="reason")
    is_reason = or_(reasons.c.value == reason, reasons.c.value.startswith(f"{reason}:", autoescape=True))
    return select(literal(1)).select_from(reasons).where(is_reason).correlate(review).exists()


def _has_code(connection: Connection, code: str) -> ColumnElement[bool]:
    """Items with a code, by PostgreSQL's index of codes. Few are looked up first; of many, a walk finds some soon."""
    codes, wanted = literal_column(REASON_CODES, ARRAY(Text)), literal([code], ARRAY(Text))
    # PostgreSQL's statistics take a code that they do not have for half as common as the rarest one that they have, and
    # would have every item read. They do not look into a subquery.
    query = select(review.c.review_id).where(codes.contains(select(wanted).scalar_subquery())).limit(COUNTED + 1)
    found = connection.execute(query).scalars().all()
    return review.c.review_id.in_(found) if len(found) <= COUNTED else codes.contains(wanted)


def behind(connection: Connection, after: int | None) -> Iterator[ColumnElement[bool]]:
    """The condition for the items behind `after` in the order of work, by what that item is now."""
    if after is None:
        return
    item = review.c
    columns = (item.priority, item.due_at, item.confidence, item.review_id)
    if not 0 < after <= MAX_ID:
        raise ItemMissing(after)
    last = connection.execute(select(*columns).where(item.review_id == after)).one_or_none()
    if last is None:
        raise ItemMissing(after)
    same_due = item.due_at.is_(None) if last.due_at is None else item.due_at == last.due_at
    later_due = false() if last.due_at is None else or_(item.due_at > last.due_at, item.due_at.is_(None))
    less_sure = tuple_(item.confidence, item.review_id) > (last.confidence, last.review_id)
    yield item.priority >= last.priority
    yield or_(item.priority > last.priority, later_due, and_(same_due, less_sure))


def load_items(
    database: Database, wanted: QueueFilter = EVERY_OPEN, limit: int | None = None
) -> Iterator[tuple[Item, str]]:
    """Items with the places of their documents, in the order of `list_items`, a batch in memory at a time."""
    after, left = None, limit
    while left is None or left > 0:
        batch = _load_batch(database, wanted, BATCH if left is None else min(BATCH, left), after)
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1][0].review_id
        left = None if left is None else left - len(batch)


@survives_outages
def _load_batch(database: Database, wanted: QueueFilter, limit: int, after: int | None) -> list[tuple[Item, str]]:
    with database.read() as connection:
        at = database_time(connection)
        of_filter = tuple(conditions(database, connection, wanted, at))
        places = {row["review_id"]: row["uri"] for row in _listed_items(connection, of_filter, at, limit, after)}
        query = item_query().where(review.c.review_id.in_(places))
        items = {row["review_id"]: item_of(row) for row in connection.execute(query).mappings()}
    return [(items[review_id], uri) for review_id, uri in places.items()]


_LISTED = (
    "review_id",
    "version",
    "document_id",
    "document_type",
    "status",
    "kind",
    "role",
    "reasons",
    "confidence",
    "priority",
    "due_at",
    "is_blind",
)

_CLAIM = (review.c.claimed_by, review.c.claim_expires_at)
