"""Notices about items that wait too long.

The transaction that raises an item's level also writes the audit trail and the messages to send, one per notification
block. So each level of an item happens once, however many processes look at the same time, and whatever their clocks
say: the time is the database's.

A message is sent after that transaction. Its sender claims it for two minutes, sends, and confirms. A process that dies
before it confirms leaves the message to the next sender, so that a message may come twice, and none is lost: people
pass over a repeated message, but nobody misses one that never came. Messages about closed items are not sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, or_, select, update
from sqlalchemy.engine import Row

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review import events
from blocks.database.review.events import NewEvent
from blocks.database.review.tables import review, review_notices
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentType
from blocks.review.escalation import ESCALATION, Schedule, Step, next_step
from blocks.review.records import Event, ItemStatus, Role

SENDING_S = 120.0
"""How long a sender has to confirm a message before another one sends it."""
_AT_ONCE = 500
_NO_RULES = ReviewRules()


@dataclass(frozen=True, slots=True)
class Raised:
    """How many items were reminded of, and how many escalated."""

    reminded: int = 0
    escalated: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message says about one item."""

    review_id: int
    level: int
    document_type: str
    kind: str
    role: str
    due_at: datetime


def raise_levels(
    database: Database,
    types: Mapping[str, DocumentType],
    again_minutes: float,
    blocks: Sequence[str],
    at: datetime | None = None,
) -> Raised:
    """Raise the level of each item whose next one is due, with a message per block. `at`: the database's time.

    From the due time on, an item needs a senior. Who has claimed it may still decide on it.
    """
    reminded = escalated = 0
    while True:
        rows, raised = _raise_some(database, types, again_minutes, blocks, at)
        reminded += raised.reminded
        escalated += raised.escalated
        if rows < _AT_ONCE:
            return Raised(reminded, escalated)


@survives_outages
def claim_messages(database: Database, block: str, limit: int = 10_000) -> list[Notice]:
    """Claim the messages that the block has to send: one per open item, the earliest due first."""
    with database.write() as connection:
        at = database_time(connection)
        rows = connection.execute(_UNSENT, {"block": block, "at": at, "limit": limit}).all()
        if rows:
            until = at + timedelta(seconds=SENDING_S)
            keys = [{"b_id": row.review_id, "b_level": row.level, "b_block": block, "b_until": until} for row in rows]
            connection.execute(_CLAIM, keys)
    latest = {row.review_id: Notice(*row) for row in rows}  # in the order of levels
    return sorted(latest.values(), key=lambda notice: (notice.due_at, notice.review_id))


@survives_outages
def confirm_sent(database: Database, block: str, notices: Sequence[Notice]) -> None:
    """Write that the block has sent these, with all earlier messages about the same items."""
    with database.write() as connection:
        at = database_time(connection)
        connection.execute(
            _CONFIRM,
            [{"b_id": notice.review_id, "b_level": notice.level, "b_block": block, "b_at": at} for notice in notices],
        )


@survives_outages
def leave_unsent(database: Database, block: str, notices: Sequence[Notice], why: str) -> None:
    """Write why the block could not send these, and leave them to the next sender."""
    with database.write() as connection:
        connection.execute(
            _LEAVE,
            [{"b_id": notice.review_id, "b_level": notice.level, "b_block": block, "b_why": why} for notice in notices],
        )


@survives_outages
def _raise_some(
    database: Database,
    types: Mapping[str, DocumentType],
    again_minutes: float,
    blocks: Sequence[str],
    at: datetime | None,
) -> tuple[int, Raised]:
    with database.write() as connection:
        at = at or database_time(connection)
        rows = connection.execute(_LATE, {"at": at, "limit": _AT_ONCE}).all()
        steps = [(row, _step(row, types, again_minutes, at)) for row in rows]
        raised = [_raised(row, step, at) for row, step in steps]
        if raised:
            connection.execute(_RAISE, raised)
        levels = [
            (row, step.level, str(change["b_role"]))
            for (row, step), change in zip(steps, raised, strict=True)
            if step.level is not None
        ]
        _record_messages(connection, [(row, level) for row, level, _ in levels], blocks, at)
        logged = [
            NewEvent(row.review_id, _event(level), {"version": row.version, "level": level, "role": role})
            for row, level, role in levels
        ]
        events.append(database, connection, logged, at)
    escalated = sum(level >= ESCALATION for _, level, _ in levels)
    return len(rows), Raised(len(levels) - escalated, escalated)


def _step(row: Row[tuple[object, ...]], types: Mapping[str, DocumentType], again_minutes: float, at: datetime) -> Step:
    type_ = types.get(row.document_type)
    hours = (type_.review if type_ is not None else _NO_RULES).hours
    return next_step(Schedule(row.created_at, row.due_at, again_minutes, hours), row.notice_level, at)


def _raised(row: Row[tuple[object, ...]], step: Step, at: datetime) -> dict[str, object]:
    level = row.notice_level if step.level is None else step.level
    needs_senior = level >= ESCALATION and not Role(row.role).covers(Role.SENIOR)
    role = str(Role.SENIOR) if needs_senior else row.role
    return {"b_id": row.review_id, "b_level": level, "b_next": step.next_at, "b_role": role, "b_at": at}


def _event(level: int) -> Event:
    return Event.ESCALATED if level >= ESCALATION else Event.REMINDED


def _record_messages(
    connection: Connection, levels: Sequence[tuple[Row[tuple[object, ...]], int]], blocks: Sequence[str], at: datetime
) -> None:
    rows = [
        {"review_id": row.review_id, "level": level, "block": block, "recorded_at": at}
        for row, level in levels
        for block in blocks
    ]
    if rows:
        connection.execute(insert(review_notices), rows)


_LATE = (
    select(
        *(
            review.c[name]
            for name in ("review_id", "document_type", "version", "role", "created_at", "due_at", "notice_level")
        )
    )
    .where(review.c.status == ItemStatus.OPEN, review.c.notice_at <= bindparam("at"), review.c.due_at.is_not(None))
    .order_by(review.c.notice_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)

_RAISE = (
    update(review)
    .where(review.c.review_id == bindparam("b_id"))
    .values(
        notice_level=bindparam("b_level"),
        notice_at=bindparam("b_next"),
        role=bindparam("b_role"),
        updated_at=bindparam("b_at"),
    )
)

_UNSENT = (
    select(
        review_notices.c.review_id,
        review_notices.c.level,
        *(review.c[name] for name in ("document_type", "kind", "role", "due_at")),
    )
    .join_from(review_notices, review, review.c.review_id == review_notices.c.review_id)
    .where(
        review_notices.c.block == bindparam("block"),
        review_notices.c.sent_at.is_(None),
        or_(review_notices.c.sending_until.is_(None), review_notices.c.sending_until <= bindparam("at")),
        review.c.status == ItemStatus.OPEN,
        review.c.due_at.is_not(None),
    )
    .order_by(review_notices.c.review_id, review_notices.c.level)
    .limit(bindparam("limit"))
    .with_for_update(of=review_notices, skip_locked=True)
)

_is_message = (
    review_notices.c.review_id == bindparam("b_id"),
    review_notices.c.block == bindparam("b_block"),
    review_notices.c.sent_at.is_(None),
    review_notices.c.level <= bindparam("b_level"),
)

_CLAIM = update(review_notices).where(*_is_message).values(sending_until=bindparam("b_until"))

_CONFIRM = update(review_notices).where(*_is_message).values(sent_at=bindparam("b_at"), message=None)

_LEAVE = update(review_notices).where(*_is_message).values(sending_until=None, message=bindparam("b_why"))
