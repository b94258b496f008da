"""Reading the review queue: its order, and an item with the content that a person sees."""

from datetime import UTC
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, and_, select

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.review.tables import review, review_events
from blocks.database.tables import results
from blocks.review.errors import ItemMissing
from blocks.review.records import Event, Item, ItemStatus

in_work_order = (
    review.c.priority,
    review.c.due_at.is_(None),
    review.c.due_at,
    review.c.confidence,
    review.c.review_id,
)
"""The order in which a reviewer would work: priority, due time, the least certain first."""

_with_result = review.outerjoin(
    results, and_(results.c.document_id == review.c.document_id, results.c.fingerprint == review.c.fingerprint)
)


def list_review(database: Database, *, status: str = ItemStatus.OPEN) -> list[dict[str, Any]]:
    """Items in the order in which a reviewer would work.

    Keys, ready for JSON: review_id, document_id, uri, document_type, status, reasons, confidence, priority, due_at
    (ISO, UTC), fields.
    """
    query = (
        select(review, results.c.fields)
        .select_from(_with_result)
        .where(review.c.status == str(status))
        .order_by(*in_work_order)
    )
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
        uris = uris_of(connection, [row["document_id"] for row in rows])
    return [
        {
            "review_id": row["review_id"],
            "document_id": row["document_id"],
            "uri": uris[row["document_id"]][0],
            "document_type": row["document_type"],
            "status": row["status"],
            "reasons": row["reasons"],
            "confidence": row["confidence"],
            "priority": row["priority"],
            "due_at": row["due_at"] and row["due_at"].astimezone(UTC).isoformat(timespec="seconds"),
            "fields": row["fields"] or {},
        }
        for row in rows
    ]


@survives_outages
def read_item(database: Database, review_id: int) -> Item:
    """An item as it is now. Raises `ItemMissing`."""
    with database.read() as connection:
        return load_item(connection, review_id)


def load_item(connection: Connection, review_id: int, *, lock: bool = False) -> Item:
    """An item within a transaction; with `lock`, no other transaction changes it meanwhile. Raises `ItemMissing`."""
    query = (
        select(
            *(review.c[name] for name in _COLUMNS),
            results.c.status.label("result_status"),
            *(results.c[name] for name in ("score", "fields", "confidences", "evidence")),
        )
        .select_from(_with_result)
        .where(review.c.review_id == review_id)
    )
    if lock:
        query = query.with_for_update(of=review)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ItemMissing(review_id)
    return Item.model_validate({name: value for name, value in row.items() if value is not None})


def fields_at_version(connection: Connection, item: Item, version: int) -> dict[str, JsonValue]:
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
    "review_id",
    "document_id",
    "version",
    "kind",
    "status",
    "document_type",
    "fingerprint",
    "role",
    "reasons",
    "confidence",
    "priority",
    "due_at",
    "created_at",
    "claimed_by",
    "claimed_at",
    "claim_expires_at",
    "decided_by",
    "decided_at",
    "decisions_needed",
    "opinions",
    "drawn_with",
    "is_blind",
)
