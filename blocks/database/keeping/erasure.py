"""Erasing documents: what was read of them, their places, what models replied, what people decided or labelled.

The row of `documents` stays, with `erased_at`: its id is a digest, and runs that worked on it keep their counts. So
does the audit trail: an event keeps the digest of its content, which the chain of hashes covers, and loses the content
itself. Calls of models keep their tokens and cost; the texts of those that showed the document as an example go too. A
document that was erased is not read again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, delete, func, or_, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.keeping import run_names
from blocks.database.keeping.errors import DocumentsInWork
from blocks.database.learning.tables import labels, memories, splits
from blocks.database.models.tables import model_call_examples
from blocks.database.pipeline.documents import lock_documents
from blocks.database.pipeline.leases import live_workers
from blocks.database.pipeline.sources import uris_of
from blocks.database.review import events
from blocks.database.review.events import NewEvent
from blocks.database.review.tables import review, review_answers, review_decisions, review_events, review_judgements
from blocks.database.tables import (
    documents,
    failures,
    model_call_texts,
    model_calls,
    reply_cache,
    results,
    run_documents,
    sources,
    stage_outputs,
    workers,
)
from blocks.review.chain import erased_content
from blocks.review.records import Event, ItemStatus
from blocks.review.trail import left_of

BATCH = 100
"""Documents that are erased in one transaction."""


def with_parts(database: Database, document_ids: Iterable[str]) -> frozenset[str]:
    """The documents and all that was found within them: attachments, members of archives, rows of tables.

    So are archives and tables of which nothing else is left: their names may say whose files they held.
    """
    known = set(document_ids)
    new = known
    with database.read() as connection:
        while new:
            new = set(connection.execute(_PARTS, {_IDS: new}).scalars()) - known
            known |= new
        new = known
        while new:
            containers = set(connection.execute(_CONTAINERS, {_IDS: new}).scalars()) - known
            left = {
                row.parent_id for row in connection.execute(_LEFT, {_IDS: containers}) if row.document_id not in known
            }
            new = containers - left
            known |= new
    return frozenset(known)


@dataclass(frozen=True, slots=True)
class Place:
    """A document, its type, and where it was seen last; the type and the place are empty where none is known."""

    document_id: str
    document_type: str
    uri: str


def places_of(database: Database, document_ids: Sequence[str]) -> tuple[Place, ...]:
    """What people know each document by."""
    with database.read() as connection:
        types = dict(connection.execute(_TYPES, {_IDS: document_ids}).tuples().all())
        uris = uris_of(connection, document_ids)
    return tuple(Place(id_, types.get(id_) or "", uris[id_][0]) for id_ in document_ids)


def held_rows(database: Database, document_ids: Iterable[str]) -> dict[str, int]:
    """How many rows of each table `erase` would delete or empty for these documents."""
    counts: dict[str, int] = {}
    for ids in _batches(document_ids):
        with database.read() as connection:
            for table, condition in (*_DELETED, *_EMPTIED):
                query = select(func.count()).select_from(table).where(condition)
                found = connection.execute(query, {_IDS: ids}).scalar_one()
                counts[table.name] = counts.get(table.name, 0) + found
    return {name: count for name, count in counts.items() if count}


def erase(
    database: Database, document_ids: Iterable[str], by: str, on_erased: Callable[[int], None] = lambda documents: None
) -> int:
    """Erase documents, a batch per transaction; returns how many there were.

    `by` is in the audit trail. The kept bytes of the containers that they came in go too: they hold them. So do their
    names in the rows of runs that were given one by its name, before anything else. To repeat it changes nothing.
    `on_erased` is called with the number of documents of each batch.

    Raises `DocumentsInWork` for documents that a live run has not finished. Earlier batches are erased then.
    """
    erased, wanted = 0, frozenset(document_ids)
    run_names.rename(database, run_names.naming_files(database, wanted))  # their places are still known
    for batch in _batches(wanted):
        with database.write() as connection:
            lock_documents(database, connection, batch)
            _check_work(connection, batch)
            ids = list(connection.execute(_NOT_ERASED, {_IDS: batch}).scalars())
            _erase_batch(database, connection, ids, by)
        erased += len(ids)
        on_erased(len(batch))
    return erased


def _batches(document_ids: Iterable[str]) -> Iterator[Sequence[str]]:
    ids = sorted(document_ids)
    return (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))


def _check_work(connection: Connection, ids: Sequence[str]) -> None:
    rows = connection.execute(_UNFINISHED, {_IDS: ids}).all()
    live = live_workers(connection, {row.worker_id for row in rows})
    in_work = {row.document_id: row.run_id for row in rows if row.worker_id in live}
    if in_work:
        raise DocumentsInWork(len(in_work), min(in_work.values()))


def _erase_batch(database: Database, connection: Connection, ids: Sequence[str], by: str) -> None:
    if not ids:
        return
    at = database_time(connection)
    for table, condition in _DELETED:
        connection.execute(delete(table).where(condition), {_IDS: ids})
    connection.execute(_MARK, {_IDS: ids, "at": at})
    ancestors: set[str] = set()
    parents: set[str] = set(ids)
    while parents := set(connection.execute(_PARENTS, {_IDS: parents}).scalars()) - ancestors:
        ancestors |= parents
    if ancestors:
        connection.execute(_EMPTY_CONTAINERS, {_IDS: ancestors})
    _erase_review(database, connection, ids, by, at)


def _erase_review(database: Database, connection: Connection, ids: Sequence[str], by: str, at: datetime) -> None:
    """Empty the rows of review. That people changed a value stays known; what it was does not."""
    logged = []
    for item in connection.execute(_ITEMS, {_IDS: ids}).all():
        own = {"of_item": item.review_id}
        left = ""
        for event in connection.execute(_EVENTS_OF_ITEM, own).all():
            content = erased_content(event.content)
            left = left_of(left, event.event_id, content)
            connection.execute(_EMPTY_EVENT, {"of_event": event.event_id, "new_content": content})
        for answer in connection.execute(_ANSWERS_OF_ITEM, own).all():
            connection.execute(_EMPTY_ANSWER, {"of_event": answer.event_id, "of_field": answer.field} | _marks(answer))
        connection.execute(_EMPTY_JUDGEMENTS, own)
        connection.execute(_EMPTY_DECISIONS, own)
        item_values = {
            "new_decision": None if item.decision is None else erased_content(item.decision),
            "new_status": ItemStatus.SUPERSEDED if item.status == ItemStatus.OPEN else item.status,
            "at": at,
        }
        connection.execute(_EMPTY_ITEM, own | item_values)
        content = {"version": item.version, "left": left}
        logged.append(NewEvent(item.review_id, Event.ERASED, content, actor=by))
    events.append(database, connection, logged, at)


def _marks(answer: Row[Any]) -> dict[str, str | None]:
    """What stands for the values of an answer: whether there was one, and whether a person changed it."""
    decided = "erased" if answer.shown == answer.decided else "erased, changed"
    return {
        "new_shown": None if answer.shown is None else "erased",
        "new_decided": None if answer.decided is None else decided,
    }


_IDS = "ids"

_QUOTING = select(model_call_examples.c.call_key).where(in_list(model_call_examples.c.document_id, _IDS))
"""Calls about other documents whose prompts show these as examples."""
_OF_CALL = or_(in_list(model_calls.c.document_id, _IDS), model_calls.c.call_key.in_(_QUOTING))
_CALLS = select(model_calls.c.call_key).where(_OF_CALL)
_REQUESTS = select(model_calls.c.request_digest).where(_OF_CALL)
_REVIEWS = select(review.c.review_id).where(in_list(review.c.document_id, _IDS))

_DELETED: tuple[tuple[Table, ColumnElement[bool]], ...] = (
    *(
        (table, in_list(table.c.document_id, _IDS))
        for table in (stage_outputs, results, failures, sources, labels, memories, splits)
    ),
    (model_call_texts, model_call_texts.c.call_key.in_(_CALLS)),
    (reply_cache, reply_cache.c.cache_key.in_(_REQUESTS)),
    (model_call_examples, in_list(model_call_examples.c.document_id, _IDS)),
)
"""The tables that lose their rows of a document."""

_EMPTIED: tuple[tuple[Table, ColumnElement[bool]], ...] = (
    (review, in_list(review.c.document_id, _IDS)),
    *(
        (table, table.c.review_id.in_(_REVIEWS))
        for table in (review_events, review_answers, review_judgements, review_decisions)
    ),
)
"""The tables whose rows of a document lose their content."""

_container = documents.alias("container")

_PARTS = select(documents.c.document_id).where(in_list(documents.c.parent_id, _IDS))

_LEFT = select(documents.c.parent_id, documents.c.document_id).where(
    in_list(documents.c.parent_id, _IDS), documents.c.erased_at.is_(None)
)

_OWN = in_list(documents.c.document_id, _IDS)

_TYPES = select(documents.c.document_id, documents.c.document_type).where(_OWN)

_PARENTS = select(documents.c.parent_id).where(_OWN, documents.c.parent_id.is_not(None))

_CONTAINERS = (
    select(_container.c.document_id.distinct())
    .join_from(documents, _container, _container.c.document_id == documents.c.parent_id)
    .where(_OWN, _container.c.is_container, _container.c.erased_at.is_(None))
)

_NOT_ERASED = select(documents.c.document_id).where(_OWN, documents.c.erased_at.is_(None))

_UNFINISHED = (
    select(run_documents.c.document_id, run_documents.c.run_id, workers.c.worker_id)
    .join_from(run_documents, workers, workers.c.run_id == run_documents.c.run_id)
    .where(in_list(run_documents.c.document_id, _IDS), run_documents.c.outcome.is_(None))
)

_MARK = (
    update(documents)
    .where(_OWN)
    .values(content=None, part=None, settled_under=None, settled_as=None, erased_at=bindparam("at"))
)

_EMPTY_CONTAINERS = update(documents).where(_OWN).values(content=None)

_ITEMS = select(review.c.review_id, review.c.version, review.c.status, review.c.decision).where(
    in_list(review.c.document_id, _IDS)
)

_OF_ITEM: ColumnElement[int] = bindparam("of_item")

_EMPTY_ITEM = (
    update(review)
    .where(review.c.review_id == _OF_ITEM)
    .values(
        reasons=[],
        decision=bindparam("new_decision"),
        status=bindparam("new_status"),
        updated_at=bindparam("at"),
        claimed_by=None,
        claimed_at=None,
        claim_expires_at=None,
    )
)

_EVENTS_OF_ITEM = (
    select(review_events.c.event_id, review_events.c.content)
    .where(review_events.c.review_id == _OF_ITEM)
    .order_by(review_events.c.event_id)
)

_EMPTY_EVENT = (
    update(review_events)
    .where(review_events.c.event_id == bindparam("of_event"))
    .values(content=bindparam("new_content"), salt=None)
)

_ANSWERS_OF_ITEM = select(*(review_answers.c[name] for name in ("event_id", "field", "shown", "decided"))).where(
    review_answers.c.review_id == _OF_ITEM
)

_EMPTY_ANSWER = (
    update(review_answers)
    .where(review_answers.c.event_id == bindparam("of_event"), review_answers.c.field == bindparam("of_field"))
    .values(shown=bindparam("new_shown"), decided=bindparam("new_decided"), evidence=[])
)

_EMPTY_JUDGEMENTS = (
    update(review_judgements).where(review_judgements.c.review_id == _OF_ITEM).values(shown=None, evidence=[])
)

_EMPTY_DECISIONS = (
    update(review_decisions).where(review_decisions.c.review_id == _OF_ITEM).values(value=None, note=None, message=None)
)
