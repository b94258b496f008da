"""Review items as runs make them: one open item per document, replaced by later results, and closed by them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.review import events
from blocks.database.review.events import NewEvent
from blocks.database.review.tables import review, review_notices
from blocks.document_types.review_rules import ReviewRules
from blocks.records import Validation
from blocks.review.due_times import due_time
from blocks.review.escalation import half_time
from blocks.review.records import Event, ItemKind, ItemStatus, Role
from blocks.review.trail import item_values

_ITEM = (
    "kind",
    "fingerprint",
    "document_type",
    "reasons",
    "confidence",
    "priority",
    "due_at",
    "role",
    "decisions_needed",
    "drawn_with",
    "is_blind",
)


@dataclass(frozen=True, slots=True)
class ReviewNeed:
    """A document that a person must look at, its verdict, and its type's rules of review.

    `drawn_with` is the probability with which chance drew it from all documents of its type; None: chance did not.
    """

    document_id: str
    fingerprint: str
    validation: Validation
    rules: ReviewRules = field(default_factory=ReviewRules)
    kind: ItemKind = ItemKind.VERDICT
    drawn_with: float | None = None


@dataclass(frozen=True, slots=True)
class _OpenItem:
    review_id: int
    version: int
    created_at: datetime
    item: dict[str, Any]


def sync_review(
    database: Database,
    connection: Connection,
    run_id: str,
    needs: Collection[ReviewNeed],
    settled: Sequence[str],
    at: datetime,
    reopened: Collection[str] = (),
) -> None:
    """Open or replace an item for each need, and supersede the open items of `settled` documents.

    A due time counts from the opening of the item: another run does not postpone it. A replaced item has a new
    version, and the decisions so far on the old one do not count; it keeps the role that it was escalated to. The last
    decided item of a `reopened` document is opened again, and due as a new one; where there is no need, superseded.
    """
    by_id = {need.document_id: need for need in needs}
    logged = _reopen(connection, run_id, by_id, reopened, at)
    known = _open_items(connection, [*by_id, *settled])
    wanted = {id_: _item(need, known[id_].created_at if id_ in known else at) for id_, need in by_id.items()}
    new = {id_: item for id_, item in wanted.items() if id_ not in known}
    if new:
        opened = {"status": ItemStatus.OPEN, "created_at": at, "run_id": run_id}
        connection.execute(
            insert(review),
            [
                item | opened | {"document_id": id_, "notice_at": _notice_at(by_id[id_], item, at)}
                for id_, item in new.items()
            ],
        )
        items = _open_items(connection, list(new))
        logged += [
            _event(Event.OPENED, items[id_].review_id, 1, {"document_id": id_, **item}, run_id)
            for id_, item in new.items()
        ]
    changed = {id_: _kept_role(item, known[id_]) for id_, item in wanted.items() if _is_changed(item, known.get(id_))}
    if changed:
        rows = [
            _replacement(item, known[id_].review_id, known[id_].version + 1, run_id, at)
            | {"b_notice_at": _notice_at(by_id[id_], item, known[id_].created_at)}
            for id_, item in changed.items()
        ]
        connection.execute(_REPLACE, rows)
        logged += [
            _event(Event.UPDATED, known[id_].review_id, known[id_].version + 1, {"document_id": id_, **item}, run_id)
            for id_, item in changed.items()
        ]
    closed = [known[id_] for id_ in settled if id_ in known]
    if closed:
        connection.execute(_SUPERSEDE, [{"b_id": item.review_id, "b_at": at} for item in closed])
        logged += [_event(Event.SUPERSEDED, item.review_id, item.version, {}, run_id) for item in closed]
    events.append(database, connection, logged, at)


def _reopen(
    connection: Connection,
    run_id: str,
    needs: Mapping[str, ReviewNeed],
    reopened: Collection[str],
    at: datetime,
) -> list[NewEvent]:
    """Open the last decided item of each reopened document again, with due times that are reminded of anew.

    Where nobody needs to look at the document, its item is superseded: the decision on it counts no longer.
    """
    if not reopened:
        return []
    found = connection.execute(_LAST_DECIDED, {"ids": list(reopened)}).mappings()
    decided = {row["document_id"]: row for row in found}  # by id, so that the last one counts
    logged, rows, closed = [], [], []
    for id_, last in decided.items():
        review_id, version = last["review_id"], last["version"]
        if id_ not in needs:
            closed.append({"b_id": review_id, "b_at": at})
            logged.append(_event(Event.SUPERSEDED, review_id, version, {}, run_id))
            continue
        item = _item(needs[id_], at)
        notice = {"b_notice_at": _notice_at(needs[id_], item, at)}
        rows.append(_replacement(item, review_id, version + 1, run_id, at) | notice)
        logged.append(_event(Event.REOPENED, review_id, version + 1, {"document_id": id_, **item}, run_id))
    if closed:
        connection.execute(_SUPERSEDE, closed)
    if rows:
        connection.execute(_OPEN_AGAIN, rows)
        connection.execute(_FORGET_NOTICES, [{"b_id": row["b_id"]} for row in rows])
    return logged


def _replacement(item: Mapping[str, Any], review_id: int, version: int, run_id: str, at: datetime) -> dict[str, Any]:
    content = {f"b_{name}": value for name, value in item.items()}
    return {"b_id": review_id, "b_run_id": run_id, "b_version": version, "b_at": at} | content


def _item(need: ReviewNeed, opened_at: datetime) -> dict[str, Any]:
    verdict, is_audit = need.validation, need.kind is ItemKind.AUDIT
    due = None if verdict.due_minutes is None else due_time(opened_at, verdict.due_minutes, need.rules.hours)
    return {
        "kind": str(need.kind),
        "fingerprint": need.fingerprint,
        "document_type": verdict.document_type,
        "reasons": list(verdict.reasons),
        "confidence": verdict.confidence,
        "priority": verdict.priority,
        "due_at": due,
        "role": verdict.role,
        "decisions_needed": need.rules.decisions,
        "drawn_with": need.drawn_with,
        "is_blind": is_audit and need.rules.blind,
    }


def _is_changed(item: Mapping[str, Any], known: _OpenItem | None) -> bool:
    """Whether an open item has new content. Its role is no content: people and due times escalate it."""
    return known is not None and known.item | {"role": item["role"]} != item


def _kept_role(item: dict[str, Any], known: _OpenItem) -> dict[str, Any]:
    roles = (Role(item["role"]), Role(known.item["role"]))
    return item | {"role": str(roles[0] if roles[0].covers(roles[1]) else roles[1])}


def _notice_at(need: ReviewNeed, item: Mapping[str, Any], opened_at: datetime) -> datetime | None:
    """When to look first whether people must hear that the item waits."""
    return None if item["due_at"] is None else half_time(opened_at, item["due_at"], need.rules.hours)


def _event(event: Event, review_id: int, version: int, item: Mapping[str, Any], run_id: str) -> NewEvent:
    """An event of a run. Where it is about the item's content it has all of it, so that a changed item is found."""
    content: dict[str, JsonValue] = {"version": version}
    if item:
        content |= {name: item[name] for name in ("document_id", "fingerprint", "reasons", "role")}
        content["item"] = item_values(item)
    return NewEvent(review_id, event, content, run_id=run_id)


def _open_items(connection: Connection, document_ids: Sequence[str]) -> dict[str, _OpenItem]:
    found = {}
    for row in connection.execute(_OPEN, {"ids": document_ids}).mappings():
        item = {name: row[name] for name in _ITEM}
        found[row["document_id"]] = _OpenItem(row["review_id"], row["version"], row["created_at"], item)
    return found


_OPEN = select(
    review.c.document_id, review.c.review_id, review.c.version, review.c.created_at, *(review.c[name] for name in _ITEM)
).where(in_list(review.c.document_id, "ids"), review.c.status == ItemStatus.OPEN)

_REPLACE = (
    update(review)
    .where(review.c.review_id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in (*_ITEM, "notice_at", "run_id", "version")})
    .values(updated_at=bindparam("b_at"), opinions=[])
)

_LAST_DECIDED = (
    select(review.c.document_id, review.c.review_id, review.c.version)
    .where(in_list(review.c.document_id, "ids"), review.c.status == ItemStatus.DECIDED)
    .order_by(review.c.review_id)
)

_OPEN_AGAIN = _REPLACE.values(
    status=ItemStatus.OPEN,
    created_at=bindparam("b_at"),
    decided_by=None,
    decided_at=None,
    decision=None,
    notice_level=0,
)

_FORGET_NOTICES = delete(review_notices).where(review_notices.c.review_id == bindparam("b_id"))

_SUPERSEDE = (
    update(review)
    .where(review.c.review_id == bindparam("b_id"))
    .values(status=ItemStatus.SUPERSEDED, updated_at=bindparam("b_at"), claimed_by=None, claim_expires_at=None)
)
