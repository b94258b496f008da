"""The audit trail: events are appended in one chain, each with the hash of the one before it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, insert, select, update

from blocks.database.column_types import storable
from blocks.database.engine import Database, as_stored
from blocks.database.review.tables import review_chain, review_events
from blocks.review.chain import Entry, Head, content_digest, entry_hash

_CHAIN_ID = 1


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `actor` is a person; `run_id` the run that caused it."""

    review_id: int
    event: str
    content: Mapping[str, JsonValue]
    actor: str | None = None
    run_id: str | None = None


def append(database: Database, connection: Connection, new: Sequence[NewEvent], at: datetime) -> list[Head]:
    """Append events; returns the id and hash of each.

    The chain's head stays locked until the transaction ends: call it late, so that writers wait shortly.
    """
    if not new:
        return []
    head = _locked_head(database, connection)
    rows, heads = [], []
    for event in new:
        actor = None if event.actor is None else storable(event.actor)
        content = as_stored(dict(event.content))
        salt = secrets.token_hex(16)
        digest = content_digest(content, salt)
        entry = Entry(head.event_id + 1, event.review_id, event.event, content, actor, event.run_id, at, digest, salt)
        hashed = entry_hash(head.hash, entry)
        rows.append(
            {
                "event_id": entry.event_id,
                "review_id": entry.review_id,
                "event": entry.event,
                "content": content,
                "content_digest": digest,
                "salt": salt,
                "actor": actor,
                "run_id": entry.run_id,
                "happened_at": at,
                "previous_hash": head.hash,
                "hash": hashed,
            }
        )
        head = Head(entry.event_id, hashed)
        heads.append(head)
    connection.execute(insert(review_events), rows)
    connection.execute(_MOVE_HEAD, {"event_id": head.event_id, "hash": head.hash})
    return heads


def chain_head(connection: Connection) -> Head:
    """The last event's id and hash, as the database has them."""
    row = connection.execute(_HEAD).one_or_none()
    return Head(*row) if row else Head()


def _locked_head(database: Database, connection: Connection) -> Head:
    row = connection.execute(_LOCK_HEAD).one_or_none()
    if row is None:
        first = {"chain_id": _CHAIN_ID, "event_id": 0, "hash": Head().hash}
        connection.execute(database.insert(review_chain).on_conflict_do_nothing(), first)
        row = connection.execute(_LOCK_HEAD).one()
    return Head(*row)


_HEAD = select(review_chain.c.event_id, review_chain.c.hash).where(review_chain.c.chain_id == _CHAIN_ID)

_LOCK_HEAD = _HEAD.with_for_update()

_MOVE_HEAD = update(review_chain).where(review_chain.c.chain_id == _CHAIN_ID)
