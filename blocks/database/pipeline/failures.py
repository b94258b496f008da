"""Failures: one row per document and stage. A failure is open until the document passes that stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, or_, select, update

from blocks.database.column_types import storable
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.pipeline.sources import uris_of
from blocks.database.tables import failures, run_documents, sources
from blocks.errors import DocumentUnknown
from blocks.records import Failure, Stage


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A document's failure, and the attempts that it took."""

    document_id: str
    failure: Failure
    attempts: int = 1


def list_failures(
    database: Database, *, run_id: str | None = None, limit: int | None = None, after: str | None = None
) -> list[dict[str, Any]]:
    """Open failures, the latest first: document_id, uri, stage, kind, message, attempts, retry.

    With `run_id`, those of the run's documents. At most `limit`, behind those of the document `after`. Raises
    `DocumentUnknown` where that document never failed.
    """
    failure = failures.c
    query = select(
        failure.document_id, failure.stage, failure.kind, failure.message, failure.attempts, failure.retry
    ).where(failure.resolved_at.is_(None))
    if run_id is not None:
        members = select(run_documents.c.document_id).where(run_documents.c.run_id == run_id)
        query = query.where(failure.document_id.in_(members))
    query = query.order_by(failure.last_at.desc(), failure.document_id).limit(limit)
    with database.read() as connection:
        if after is not None:
            last = connection.execute(_PLACE, {"b_id": after}).scalar_one()
            if last is None:
                raise DocumentUnknown(after)
            query = query.where(or_(failure.last_at < last, and_(failure.last_at == last, failure.document_id > after)))
        rows = connection.execute(query).mappings().all()
        uris = uris_of(connection, [row["document_id"] for row in rows])
    return [
        {"document_id": row["document_id"], "uri": uris[row["document_id"]][0]}
        | {name: row[name] for name in ("stage", "kind", "message", "attempts", "retry")}
        for row in rows
    ]


def record_failures(
    database: Database, connection: Connection, run_id: str, failed: Sequence[FailedDocument], at: datetime
) -> None:
    """Write failures. Each replaces the failure of the same document and stage; an open one keeps its first time.

    Discover counts no attempts: its failures count the runs that recorded them.
    """
    if not failed:
        return
    upsert = database.insert(failures)
    new = upsert.excluded
    is_new_run = and_(new.stage == Stage.DISCOVER.value, failures.c.run_id != new.run_id)
    is_same_run = and_(new.stage == Stage.DISCOVER.value, failures.c.run_id == new.run_id)
    upsert = upsert.on_conflict_do_update(
        index_elements=[failures.c.document_id, failures.c.stage],
        set_={
            **{name: new[name] for name in ("kind", "message", "retry", "run_id", "last_at", "resolved_at")},
            "attempts": case(
                (is_new_run, failures.c.attempts + 1), (is_same_run, failures.c.attempts), else_=new.attempts
            ),
            "first_at": case((failures.c.resolved_at.is_(None), failures.c.first_at), else_=new.first_at),
        },
    )
    rows = [
        {
            "document_id": document.document_id,
            "stage": document.failure.stage.value,
            "kind": document.failure.kind,
            "message": document.failure.message,
            "attempts": document.attempts,
            "retry": document.failure.retry.value,
            "run_id": run_id,
            "first_at": at,
            "last_at": at,
            "resolved_at": None,
        }
        for document in sorted(failed, key=lambda document: document.document_id)
    ]
    connection.execute(upsert, rows)


def resolve_unread(connection: Connection, uris: Sequence[str], at: datetime) -> None:
    """Close discover's failures at places that could be read, except failures that were recorded at `at`."""
    connection.execute(_RESOLVE_UNREAD, {"b_uris": [storable(uri) for uri in uris], "b_at": at})


def resolve_failures(connection: Connection, still_failing: Mapping[str, str | None], at: datetime) -> None:
    """Close the open failures of {document_id: stage that still fails, else None}, except those of that stage."""
    for stage in sorted({stage or "" for stage in still_failing.values()}):
        ids = sorted(id_ for id_, failing in still_failing.items() if (failing or "") == stage)
        connection.execute(_RESOLVE, {"b_ids": ids, "b_stage": stage, "b_at": at})


# Where a document stands in the list: by its open failures, else by the one that was resolved since it was listed.
_PLACE = select(
    func.coalesce(func.min(failures.c.last_at).filter(failures.c.resolved_at.is_(None)), func.max(failures.c.last_at))
).where(failures.c.document_id == bindparam("b_id"))

_RESOLVE = (
    update(failures)
    .where(
        in_list(failures.c.document_id, "b_ids"),
        failures.c.stage != bindparam("b_stage"),
        failures.c.resolved_at.is_(None),
    )
    .values(resolved_at=bindparam("b_at"))
)

_RESOLVE_UNREAD = (
    update(failures)
    .where(
        failures.c.stage == Stage.DISCOVER.value,
        failures.c.resolved_at.is_(None),
        failures.c.document_id.in_(select(sources.c.document_id).where(in_list(sources.c.uri, "b_uris"))),
        failures.c.last_at != bindparam("b_at"),
    )
    .values(resolved_at=bindparam("b_at"))
)
