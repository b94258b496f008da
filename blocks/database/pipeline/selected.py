"""Known documents as the batch of a run: those of a selection, the newest first."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
)

from blocks.backfill.selection import Selection
from blocks.database.engine import Database, stored_json
from blocks.database.metadata import metadata
from blocks.database.outages import survives_outages
from blocks.database.pipeline.documents import FAILED, SKIPPED
from blocks.database.tables import backfill_documents, documents, failures, model_calls, results, run_documents, sources
from blocks.records import Rerun, Stage

NEWEST_FIRST = (documents.c.first_seen_at.desc(), documents.c.document_id)
"""The order in which a backfill takes its documents."""


@survives_outages
def record_selected(
    database: Database,
    run_id: str,
    selection: Selection,
    *,
    rerun: Rerun,
    pipeline_digest: str,
    chunk_size: int,
    reopen: bool = False,
) -> int:
    """Make the documents of a selection members of the run; returns their number. To repeat it changes nothing.

    A file that discover could not read stays `failed`: known documents are not read from their sources again. With
    `reopen`, no document that a person decided is skipped.
    """
    wanted = conditions(selection, pipeline_digest)
    outcome = outcome_at_once(rerun, pipeline_digest, reopen=reopen)
    return _record(database, run_id, wanted, outcome, chunk_size, selection.limit)


@survives_outages
def record_shard(  # noqa: PLR0913 - all but four are given by name
    database: Database,
    run_id: str,
    backfill_id: str,
    shard: int,
    *,
    rerun: Rerun,
    pipeline_digest: str,
    chunk_size: int,
    reopen: bool = False,
) -> int:
    """As `record_selected`, of the documents of a backfill's shard that are not erased."""
    slice_ = backfill_documents.c
    of_shard = _has(backfill_documents, slice_.backfill_id == backfill_id, slice_.shard == shard)
    wanted = (of_shard, documents.c.erased_at.is_(None))
    return _record(database, run_id, wanted, outcome_at_once(rerun, pipeline_digest, reopen=reopen), chunk_size)


def _record(
    database: Database,
    run_id: str,
    wanted: Sequence[ColumnElement[bool]],
    outcome: ColumnElement[str | None],
    chunk_size: int,
    limit: int | None = None,
) -> int:
    selected = (
        select(documents.c.document_id, documents.c.first_seen_at, outcome.label("outcome"))
        .where(*wanted)
        .order_by(*NEWEST_FIRST)
        .limit(limit)
    ).subquery()
    is_queued = selected.c.outcome.is_(None)
    newest_first = (selected.c.first_seen_at.desc(), selected.c.document_id)
    position = func.row_number().over(partition_by=is_queued, order_by=newest_first)
    chunk = case((is_queued, (position - 1) // chunk_size + 1), else_=None)
    with database.write() as connection:
        if not _count(connection, run_id):
            members = select(literal(run_id), selected.c.document_id, chunk, selected.c.outcome)
            connection.execute(
                insert(run_documents).from_select(["run_id", "document_id", "chunk", "outcome"], members)
            )
        return _count(connection, run_id)


def conditions(selection: Selection, pipeline_digest: str) -> Sequence[ColumnElement[bool]]:
    """What the documents of a selection have in common, as conditions on the table of documents."""
    of_property: dict[str, Callable[[Any], ColumnElement[bool]]] = {
        "document_type": lambda name: documents.c.document_type == name,
        "status": lambda status: _has_failure() if status == FAILED else _has_result(results.c.status == status),
        "reason": lambda reason: _has_result(_has_reason(reason)),
        "failure_kind": lambda kind: _has_failure(failures.c.kind == kind),
        "source": _is_at,
        "seen_from": lambda time: documents.c.first_seen_at >= time,
        "seen_before": lambda time: documents.c.first_seen_at < time,
        "run": lambda run_id: _has(run_documents, run_documents.c.run_id == run_id),
        "confidence_from": lambda least: _has_result(results.c.confidence >= least),
        "confidence_below": lambda below: _has_result(results.c.confidence < below),
        "model": lambda name: _has(model_calls, model_calls.c.model == name),
        "stale": lambda _: documents.c.settled_under.is_distinct_from(pipeline_digest),
        "reclassified": lambda _: and_(documents.c.settled_under.is_(None), _is_reclassified()),
    }
    given = selection.model_dump(exclude_defaults=True, exclude={"limit"})
    kept = (documents.c.is_container.is_(False), documents.c.erased_at.is_(None))
    return [*kept, *(of_property[name](value) for name, value in given.items())]


def outcome_at_once(rerun: Rerun, pipeline_digest: str, *, reopen: bool) -> ColumnElement[str | None]:
    """The outcome of a known document that a run does not compute; NULL for one that it computes."""
    document = documents.c
    is_reopened = and_(literal(reopen), _has_result(results.c.decided_by.is_not(None)))
    is_unread = _has_failure(failures.c.stage == Stage.DISCOVER.value)
    if rerun is Rerun.ALL:
        return case((is_unread, FAILED), else_=None)
    settled = document.settled_under == pipeline_digest
    is_settled_failure = and_(settled, document.settled_as == FAILED)
    is_done = _has_result() if rerun is Rerun.NEVER else and_(settled, document.settled_as != FAILED)
    stays_failed = is_unread if rerun is Rerun.FAILED else or_(is_unread, is_settled_failure)
    return case((and_(is_done, not_(is_reopened)), SKIPPED), (stays_failed, FAILED), else_=None)


def _has(table: Table, *properties: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(table.c.document_id == documents.c.document_id, *properties)


def _has_result(*properties: ColumnElement[bool]) -> ColumnElement[bool]:
    return _has(results, results.c.is_current, *properties)


def _has_failure(*properties: ColumnElement[bool]) -> ColumnElement[bool]:
    return _has(failures, failures.c.resolved_at.is_(None), *properties)


def _is_reclassified() -> ColumnElement[bool]:
    review = metadata.tables["review"]  # the room of review imports this room
    return _has(review, review.c.decided_by.is_not(None), review.c.decision["action"].as_string() == "reclassify")


def _is_at(place: str) -> ColumnElement[bool]:
    """Whether a document was seen at a place, in a folder of that name, or as a part of the file there."""
    place = place.rstrip("/")
    below = (func.substr(sources.c.uri, 1, len(place) + 1) == f"{place}{mark}" for mark in "/#")
    return _has(sources, or_(sources.c.uri == place, *below))


def _has_reason(reason: str) -> ColumnElement[bool]:
    """Whether a result has a reason: complete, or by its code, which ends before the first colon.

    Reasons are compared as JSON texts between quotes, which is exact: a quote within a reason is escaped.
    """
    begin = stored_json(reason).removesuffix('"')
    stored = cast(results.c.reasons, Text)
    return or_(*(stored.contains(f"{before}{begin}{after}", autoescape=True) for before in "[," for after in '":'))


def _count(connection: Connection, run_id: str) -> int:
    return connection.execute(
        select(func.count()).select_from(run_documents).where(run_documents.c.run_id == run_id)
    ).scalar_one()
