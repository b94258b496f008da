"""Deleting what nobody needs any more, by age: old outputs, members of old runs, old calls of models.

What people decided, the results that count and the audit trail stay; `erasure` is for these.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, literal, select, tuple_

from blocks.backfill.selection import Selection
from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.models.tables import model_call_examples
from blocks.database.pipeline.chunk_state import STARTED
from blocks.database.pipeline.selected import NEWEST_FIRST, conditions
from blocks.database.review.tables import review
from blocks.database.tables import (
    documents,
    model_call_texts,
    model_calls,
    reply_cache,
    results,
    run_chunks,
    run_documents,
    runs,
    stage_outputs,
)
from blocks.records import MOST_DAYS, Record

BATCH = 2_000
"""Rows that are deleted in one transaction, so that runs wait shortly."""


class Retention(Record):
    """For how many days each kind of row is kept; None keeps it for good."""

    outputs_days: float | None = Field(None, ge=0, le=MOST_DAYS)
    """Outputs of stages and results that newer ones have replaced. Without them, going back to an earlier prompt or
    setting computes again."""
    members_days: float | None = Field(None, ge=0, le=MOST_DAYS)
    """Which documents a run worked on, in which chunks, since its end. The run itself stays."""
    calls_days: float | None = Field(None, ge=0, le=MOST_DAYS)
    """Calls of models, with tokens and cost."""
    texts_days: float | None = Field(None, ge=0, le=MOST_DAYS)
    """Prompts and replies, where they are kept."""
    replies_days: float | None = Field(None, ge=0, le=MOST_DAYS)
    """Replies that are kept to be used again, since their last use."""


def expired_rows(database: Database, retention: Retention) -> dict[str, int]:
    """How many rows of each table `retain` would delete now."""
    counts = {}
    with database.read() as connection:
        for table, condition in _expired(retention, database_time(connection)):
            query = select(func.count()).select_from(table).where(condition)
            counts[table.name] = connection.execute(query).scalar_one()
    return {name: count for name, count in counts.items() if count}


def retain(
    database: Database, retention: Retention, on_deleted: Callable[[int], None] = lambda rows: None
) -> dict[str, int]:
    """Delete what is older than `retention` says, in short transactions; returns the rows deleted by table.

    Runs may work meanwhile. `on_deleted` is called with the number of rows of each transaction.
    """
    counts: dict[str, int] = {}
    with database.read() as connection:
        at = database_time(connection)
    for table, condition in _expired(retention, at):
        key = tuple_(*table.primary_key.columns)
        for keys in _batches(database, table, condition):
            with database.write() as connection:
                # The condition again: a run may have taken up one of these rows meanwhile.
                deleted = connection.execute(delete(table).where(condition, key.in_(keys))).rowcount
            counts[table.name] = counts.get(table.name, 0) + deleted
            on_deleted(deleted)
    return {name: count for name, count in counts.items() if count}


def selected_ids(database: Database, selection: Selection) -> tuple[str, ...]:
    """The documents of a selection that are not erased, containers left out, the newest first.

    A selection of stale documents needs the configuration of a run; here it is taken as none.
    """
    query = select(documents.c.document_id).where(*conditions(selection, "")).order_by(*NEWEST_FIRST)
    with database.read() as connection:
        return tuple(connection.execute(query.limit(selection.limit)).scalars())


def _batches(database: Database, table: Table, condition: ColumnElement[bool]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The keys of the rows under a condition, in their order: a batch begins behind the last one.

    Batches that all began at the front would pass the rows that stay, and on PostgreSQL the deleted ones, each time.
    """
    columns = table.primary_key.columns
    query = select(*columns).where(condition).order_by(*columns).limit(BATCH)
    behind = query
    while True:
        with database.read() as connection:
            keys = [tuple(row) for row in connection.execute(behind)]
        if keys:
            yield keys
        if len(keys) < BATCH:
            return
        last = tuple_(*(literal(value, column.type) for column, value in zip(columns, keys[-1], strict=True)))
        behind = query.where(tuple_(*columns) > last)


def _expired(retention: Retention, at: datetime) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    def before(days: float) -> datetime:
        return at - timedelta(days=days)

    if (days := retention.outputs_days) is not None:
        output = stage_outputs.c
        yield (
            stage_outputs,
            and_(output.is_current.is_(False), output.updated_at < before(days), output.state != STARTED),
        )
        yield results, and_(_REPLACED, results.c.created_at < before(days))
    if (days := retention.members_days) is not None:
        ended = select(runs.c.run_id).where(runs.c.finished_at < before(days))
        yield run_documents, run_documents.c.run_id.in_(ended)
        yield run_chunks, run_chunks.c.run_id.in_(ended)
    if (days := retention.texts_days) is not None:
        yield model_call_texts, model_call_texts.c.kept_at < before(days)
    if (days := retention.calls_days) is not None:
        old = and_(model_calls.c.called_at < before(days), model_calls.c.outcome != "open")
        yield model_call_texts, exists().where(model_calls.c.call_key == model_call_texts.c.call_key, old)
        yield model_call_examples, exists().where(model_calls.c.call_key == model_call_examples.c.call_key, old)
        yield model_calls, old
    if (days := retention.replies_days) is not None:
        yield reply_cache, reply_cache.c.used_at < before(days)


_IS_SHOWN = exists().where(review.c.document_id == results.c.document_id, review.c.fingerprint == results.c.fingerprint)

_REPLACED = and_(results.c.is_current.is_(False), results.c.decided_by.is_(None), ~_IS_SHOWN)
"""Results that neither count nor are shown in a review item, nor were decided by a person."""
