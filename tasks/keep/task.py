"""Deletes old rows and erases old documents, and says in the run's log what went."""

import logging
from datetime import timedelta

from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.backfill.selection import Selection
from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.keeping import erasure, retention
from blocks.database.keeping.retention import Retention
from blocks.records import Record, Status

BY = "the flow retain"
"""Who erased a document, in the audit trail."""

log = logging.getLogger(__name__)


class Kept(Record):
    """What the flow deleted: rows by table, and documents."""

    rows: dict[str, int]
    erased: int


def delete_old_rows(database: Database, ages: Retention) -> dict[str, int]:
    """Delete the rows that are older than `ages` say; returns how many by table."""
    rows = retention.retain(database, ages)
    for table, count in rows.items():
        log.info("%s: %d rows were deleted", table, count)
    return rows


def erase_old_documents(
    database: Database, days: float | None, document_type: str | None, status: Status | None
) -> int:
    """Erase the documents of this type and status that were first seen before so many days; none if it is None.

    Days are counted by the database's clock, as those of rows.
    """
    if days is None:
        return 0
    with database.read() as connection:
        before = database_time(connection) - timedelta(days=days)
    chosen = retention.selected_ids(database, Selection(document_type=document_type, status=status, seen_before=before))
    erased = erasure.erase(database, erasure.with_parts(database, chosen), BY)
    log.info("%d documents were erased", erased)
    return erased


def closing_state(kept: Kept) -> State[Kept]:
    """The flow's final state, with what went in its message."""
    return Completed(message=f"{sum(kept.rows.values()):,} rows deleted, {kept.erased:,} documents erased", data=kept)
