"""What was learnt, by document type and part: each time a new row, of which runs use the newest that its gate let pass.

A row of the part `calibration` has a `TypeCalibration` as content. One of the part `memory` has no content of its own:
`memories` has what is remembered of each decided document, in the memories from `since` on, and before `until`. So an
earlier state comes back by a change of one row. A row of the part `examples` names the memory of which models are shown
documents.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, func, insert, or_, select, text, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.learning.tables import learned, memories
from blocks.database.metadata import MAX_ROW_ID
from blocks.database.outages import survives_outages
from blocks.database.payloads import pack, unpack
from blocks.learning.memory_rows import MemoryRow
from blocks.records import Record

_AT_ONCE = 1_000


class Part(StrEnum):
    """What is learnt for a document type, each by itself. A promise is one look at what labels prove."""

    MEMORY = "memory"
    CALIBRATION = "calibration"
    EXAMPLES = "examples"
    PROMISE = "promise"


class LearnedState(StrEnum):
    """Whether runs use what was learnt. refused: its gate did not let it pass. rolled_back: a person took it back.
    closed: audits speak against the promise.
    """

    USED = "used"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    CLOSED = "closed"


class NewLearned(Record):
    """What was learnt. `digest` is of all that it is made of; `gate` says how it was measured, and what came of it."""

    document_type: str
    part: Part
    content: bytes = b"{}"
    digest: str
    labels: int
    gate: dict[str, JsonValue]
    is_used: bool


class Learned(Record):
    """A row of what was learnt. `changed_by` took it back."""

    learned_id: int
    document_type: str
    part: Part
    content: bytes
    digest: str
    labels: int
    gate: dict[str, JsonValue]
    state: LearnedState
    made_at: datetime
    changed_by: str | None = None


@survives_outages
def in_use(database: Database) -> dict[tuple[str, Part], Learned]:
    """What a run uses now, by document type and part."""
    with database.read() as connection:
        newest = (
            select(func.max(learned.c.learned_id))
            .where(learned.c.state == LearnedState.USED)
            .group_by(learned.c.document_type, learned.c.part)
        )
        rows = connection.execute(select(learned).where(learned.c.learned_id.in_(newest))).mappings().all()
    return {(found.document_type, found.part): found for found in (_learned(row) for row in rows)}


@survives_outages
def looks(database: Database, document_type: str, key: str) -> list[Learned]:
    """Every look at what labels prove of a type under this key, the newest first."""
    query = (
        select(learned)
        .where(learned.c.document_type == document_type, learned.c.part == Part.PROMISE, learned.c.digest == key)
        .order_by(learned.c.learned_id.desc())
    )
    with database.read() as connection:
        return [_learned(row) for row in connection.execute(query).mappings().all()]


@survives_outages
def newest_promises(database: Database) -> list[Learned]:
    """The last look at the promise of each document type, by type."""
    newest = (
        select(func.max(learned.c.learned_id)).where(learned.c.part == Part.PROMISE).group_by(learned.c.document_type)
    )
    query = select(learned).where(learned.c.learned_id.in_(newest)).order_by(learned.c.document_type)
    with database.read() as connection:
        return [_learned(row) for row in connection.execute(query).mappings().all()]


def closed_promises(database: Database, document_types: Collection[str]) -> list[str]:
    """The types whose last look is a promise that the alarm closed."""
    found = newest_promises(database)
    return [
        own.document_type for own in found if own.state is LearnedState.CLOSED and own.document_type in document_types
    ]


@survives_outages
def by_ids(database: Database, learned_ids: Collection[int]) -> dict[tuple[str, Part], Learned]:
    """What was learnt under these ids, for a worker that joins a run."""
    with database.read() as connection:
        query = select(learned).where(learned.c.learned_id.in_(learned_ids))
        rows = connection.execute(query).mappings().all()
    return {(found.document_type, found.part): found for found in (_learned(row) for row in rows)}


@survives_outages
def history(database: Database, document_type: str | None = None, limit: int = 50) -> list[Learned]:
    """What was learnt, the newest first."""
    query = select(learned).order_by(learned.c.learned_id.desc()).limit(limit)
    if document_type is not None:
        query = query.where(learned.c.document_type == document_type)
    with database.read() as connection:
        return [_learned(row) for row in connection.execute(query).mappings().all()]


def newest(connection: Connection, document_type: str, part: Part) -> Learned | None:
    """The newest row, whatever its state."""
    query = (
        select(learned)
        .where(learned.c.document_type == document_type, learned.c.part == part)
        .order_by(learned.c.learned_id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _learned(row)


def add(connection: Connection, new: NewLearned) -> int:
    """Write what was learnt. Returns its id."""
    row = {
        **new.model_dump(exclude={"content", "is_used"}),
        "content": pack(new.content),
        "state": LearnedState.USED if new.is_used else LearnedState.REFUSED,
        "made_at": database_time(connection),
    }
    return int(connection.execute(insert(learned).returning(learned.c.learned_id), row).scalar_one())


def add_look(connection: Connection, new: NewLearned, looks_before: int) -> int | None:
    """Write a look at what labels prove, and return its id. None, and nothing is written, if there are other looks than
    so many under its key: each is counted once.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer
        connection.execute(text("LOCK TABLE learned IN EXCLUSIVE MODE"))
    own = and_(learned.c.document_type == new.document_type, learned.c.digest == new.digest)
    number = connection.execute(
        select(func.count()).select_from(learned).where(own, learned.c.part == Part.PROMISE)
    ).scalar_one()
    return add(connection, new) if number == looks_before else None


def set_state(connection: Connection, learned_id: int, state: LearnedState, by: str) -> None:
    """Have runs use what was learnt, or use it no longer."""
    connection.execute(update(learned).where(learned.c.learned_id == learned_id).values(state=state, changed_by=by))


def remembered(connection: Connection, document_type: str) -> dict[str, str]:
    """The documents of a type that are remembered in its newest memory, each with what it was made of."""
    query = select(memories.c.document_id, memories.c.made_of).where(
        memories.c.document_type == document_type, memories.c.until.is_(None)
    )
    return dict(connection.execute(query).tuples().all())


def replace_memories(
    connection: Connection, learned_id: int, document_type: str, added: Sequence[MemoryRow], ended: Collection[str]
) -> None:
    """From the memory of this id on, remember the `added` documents, and forget the `ended` ones of before."""
    for first in range(0, len(ended), _AT_ONCE):
        ids = sorted(ended)[first : first + _AT_ONCE]
        connection.execute(_END, {"b_ids": ids, "b_type": document_type, "b_until": learned_id})
    for first in range(0, len(added), _AT_ONCE):
        rows = [
            {
                "document_id": row.document_id,
                "document_type": document_type,
                "since": learned_id,
                "made_of": row.made_of,
                "text_digest": row.text_digest,
                "content": pack(row.content),
            }
            for row in added[first : first + _AT_ONCE]
        ]
        connection.execute(insert(memories), rows)


@survives_outages
def load_memories(database: Database, document_type: str, learned_id: int) -> list[MemoryRow]:
    """All that is remembered of a type in the memory of this id, what was remembered last at the end."""
    with database.read() as connection:
        return list(_memories(connection, document_type, learned_id))


@survives_outages
def newest_memories(database: Database, document_type: str) -> list[MemoryRow]:
    """All that is remembered of a type in its newest memory, whether or not runs use it."""
    with database.read() as connection:
        return list(_memories(connection, document_type, MAX_ROW_ID))


@survives_outages
def latest_remembered(database: Database, document_type: str, learned_id: int, most: int) -> list[tuple[str, str]]:
    """The documents that were remembered last in the memory of this id, each with the digest of its text."""
    own = memories.c
    query = (
        select(own.document_id, own.text_digest)
        .where(_is_in(document_type, learned_id))
        .order_by(own.since.desc(), own.document_id)
        .limit(most)
    )
    with database.read() as connection:
        return [(row.document_id, row.text_digest) for row in connection.execute(query)]


def _is_in(document_type: str, learned_id: int) -> ColumnElement[bool]:
    own = memories.c
    return and_(
        own.document_type == document_type,
        own.since <= learned_id,
        or_(own.until.is_(None), own.until > learned_id),
    )


def _memories(connection: Connection, document_type: str, learned_id: int) -> Iterator[MemoryRow]:
    own = memories.c
    query = (
        select(own.document_id, own.made_of, own.text_digest, own.content)
        .where(_is_in(document_type, learned_id))
        .order_by(own.since, own.document_id)
    )
    for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        yield MemoryRow(row.document_id, row.made_of, row.text_digest, unpack(row.content))


def _learned(row: RowMapping) -> Learned:
    return Learned.model_validate({**row, "content": unpack(row["content"])})


_END = (
    update(memories)
    .where(
        in_list(memories.c.document_id, "b_ids"),
        memories.c.document_type == bindparam("b_type"),
        memories.c.until.is_(None),
    )
    .values(until=bindparam("b_until"))
)
