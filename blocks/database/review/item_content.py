"""An item with the content that a person sees, and what a run changed in it since."""

from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, and_, select

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.tables import review, review_events
from blocks.database.tables import results
from blocks.review.errors import ItemMissing, ItemReplaced, VersionUnknown
from blocks.review.records import Event, Item, ItemStatus
from blocks.review.rules import changes

MAX_ID = 2**63 - 1
"""No column holds a larger number, and drivers refuse it."""

with_result = review.outerjoin(
    results, and_(results.c.document_id == review.c.document_id, results.c.fingerprint == review.c.fingerprint)
)


@survives_outages
def read_item(database: Database, review_id: int) -> Item:
    """An item as it is now. Raises `ItemMissing`."""
    with database.read() as connection:
        return load_item(connection, review_id)


def load_item(connection: Connection, review_id: int, *, lock: bool = False) -> Item:
    """An item within a transaction; with `lock`, no other transaction changes it meanwhile. Raises `ItemMissing`."""
    if not 0 < review_id <= MAX_ID:
        raise ItemMissing(review_id)
    query = item_query().where(review.c.review_id == review_id)
    if lock:
        query = query.with_for_update(of=review)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ItemMissing(review_id)
    return item_of(row)


def item_query() -> Select[Any]:
    """The columns of items that `item_of` reads."""
    return select(
        *(review.c[name] for name in _COLUMNS),
        results.c.status.label("result_status"),
        *(results.c[name] for name in ("score", "fields", "confidences", "evidence")),
    ).select_from(with_result)


def item_of(row: RowMapping) -> Item:
    """The item of a row of `item_query`."""
    return Item.model_validate({name: value for name, value in row.items() if value is not None})


@survives_outages
def changes_since(database: Database, item: Item, version: int) -> tuple[str, ...]:
    """What differs between an earlier version of the item and `item`, in words; nothing of a blind audit."""
    with database.read() as connection:
        return _changes(connection, item, version)


def check_version(connection: Connection, item: Item, shown: int) -> None:
    """Raises `ItemReplaced` where a run replaced the version of an open item that the person saw.

    Raises `VersionUnknown` where the item never had that version.
    """
    if shown > item.version:
        raise VersionUnknown(item.review_id, shown, item.version)
    if item.status is ItemStatus.OPEN and item.version != shown:
        raise ItemReplaced(item.review_id, shown, item.version, _changes(connection, item, shown))


def _changes(connection: Connection, item: Item, version: int) -> tuple[str, ...]:
    return () if item.is_blind else changes(_fields_at_version(connection, item, version), item.fields)


def _fields_at_version(connection: Connection, item: Item, version: int) -> dict[str, JsonValue]:
    """The values that an earlier version of the item had; empty where that version had none."""
    event = review_events.c
    query = select(event.content).where(
        event.review_id == item.review_id, event.event.in_([Event.OPENED, Event.UPDATED, Event.REOPENED])
    )
    for content in connection.execute(query).scalars():
        if content.get("version") == version:
            wanted = (results.c.document_id == item.document_id, results.c.fingerprint == content.get("fingerprint"))
            return connection.execute(select(results.c.fields).where(*wanted)).scalar_one_or_none() or {}
    return {}


_COLUMNS = (
    *("review_id", "document_id", "version", "kind", "status", "document_type", "fingerprint", "role", "reasons"),
    *("confidence", "priority", "due_at", "created_at", "claimed_by", "claimed_at", "claim_expires_at"),
    *("decided_by", "decided_at", "decisions_needed", "opinions", "drawn_with", "is_blind"),
)
