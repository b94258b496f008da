"""The review queue: one open item per document that a person must look at, and the history of every item."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, nulls_last, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.pipeline.sources import uris_of
from blocks.database.tables import results, review, review_events
from blocks.records import Validation

OPEN, DECIDED, SUPERSEDED = "open", "decided", "superseded"

_ITEM = ("fingerprint", "document_type", "reasons", "confidence", "priority", "due_at")


@dataclass(frozen=True, slots=True)
class ReviewNeed:
    """A document that a person must look at, and its verdict."""

    document_id: str
    fingerprint: str
    validation: Validation


@dataclass(frozen=True, slots=True)
class _OpenItem:
    review_id: int
    created_at: datetime
    item: dict[str, Any]


def list_review(database: Database, *, status: str = OPEN) -> list[dict[str, Any]]:
    """Items in the order in which a reviewer would work: priority, due time, the least certain first.

    Keys, ready for JSON: review_id, document_id, uri, document_type, status, reasons, confidence, priority, due_at
    (ISO, UTC), fields.
    """
    item = review.c
    query = (
        select(review, results.c.fields)
        .outerjoin(results, and_(results.c.document_id == item.document_id, results.c.fingerprint == item.fingerprint))
        .where(item.status == str(status))
        .order_by(item.priority, nulls_last(item.due_at), item.confidence, item.review_id)
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


def sync_review(
    connection: Connection, run_id: str, needs: Collection[ReviewNeed], settled: Sequence[str], at: datetime
) -> None:
    """Open or update an item for each need, and supersede the open items of `settled` documents.

    A due time counts from the opening of the item: another run does not postpone it.
    """
    by_id = {need.document_id: need for need in needs}
    known = _open_items(connection, [*by_id, *settled])
    wanted = {id_: _item(need, known[id_].created_at if id_ in known else at) for id_, need in by_id.items()}
    new = {id_: item for id_, item in wanted.items() if id_ not in known}
    if new:
        opened = {"status": OPEN, "created_at": at, "run_id": run_id}
        connection.execute(insert(review), [item | opened | {"document_id": id_} for id_, item in new.items()])
        items = _open_items(connection, list(new))
        _log(connection, "opened", {items[id_].review_id: item["reasons"] for id_, item in new.items()}, run_id, at)
    changed = {known[id_].review_id: item for id_, item in wanted.items() if id_ in known and known[id_].item != item}
    if changed:
        rows = [
            {"b_id": review_id, "b_run_id": run_id} | {f"b_{name}": value for name, value in item.items()}
            for review_id, item in changed.items()
        ]
        connection.execute(_UPDATE, rows)
        _log(connection, "updated", {id_: item["reasons"] for id_, item in changed.items()}, run_id, at)
    closed = sorted(known[id_].review_id for id_ in settled if id_ in known)
    if closed:
        connection.execute(_SUPERSEDE, [{"b_id": review_id} for review_id in closed])
        _log(connection, SUPERSEDED, {review_id: [] for review_id in closed}, run_id, at)


def _item(need: ReviewNeed, opened_at: datetime) -> dict[str, Any]:
    verdict = need.validation
    due = None if verdict.due_minutes is None else opened_at + timedelta(minutes=verdict.due_minutes)
    return {
        "fingerprint": need.fingerprint,
        "document_type": verdict.document_type,
        "reasons": list(verdict.reasons),
        "confidence": verdict.confidence,
        "priority": verdict.priority,
        "due_at": due,
    }


def _open_items(connection: Connection, document_ids: Sequence[str]) -> dict[str, _OpenItem]:
    found = {}
    for row in connection.execute(_OPEN, {"ids": document_ids}).mappings():
        item = {name: row[name] for name in _ITEM}
        found[row["document_id"]] = _OpenItem(row["review_id"], row["created_at"], item)
    return found


def _log(connection: Connection, event: str, reasons: Mapping[int, list[str]], run_id: str, at: datetime) -> None:
    rows = [
        {"review_id": id_, "event": event, "content": {"reasons": item_reasons}, "run_id": run_id, "happened_at": at}
        for id_, item_reasons in reasons.items()
    ]
    connection.execute(insert(review_events), rows)


_OPEN = select(
    review.c.document_id, review.c.review_id, review.c.created_at, *(review.c[name] for name in _ITEM)
).where(in_list(review.c.document_id, "ids"), review.c.status == OPEN)

_UPDATE = (
    update(review)
    .where(review.c.review_id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in (*_ITEM, "run_id")})
)

_SUPERSEDE = update(review).where(review.c.review_id == bindparam("b_id")).values(status=SUPERSEDED)
