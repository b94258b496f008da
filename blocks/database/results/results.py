"""Results: a row per document and fingerprint, one of them current. No run replaces a person's decision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import in_byte_order, latest_uri, uris_of
from blocks.database.tables import columns_of, documents, results, run_documents
from blocks.errors import DocumentUnknown
from blocks.records import Status, Validation


@dataclass(frozen=True, slots=True)
class CurrentResult:
    """The current result of a document, as storing needs it."""

    fingerprint: str
    status: str
    provisional: bool
    decided_by: str | None
    run_id: str
    created_at: datetime
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class NewResult:
    """A verdict to store. It becomes the current result unless `is_current` is False."""

    document_id: str
    fingerprint: str
    validation: Validation
    provisional: bool
    is_current: bool = True

    @property
    def needs_review(self) -> bool:
        """Whether a person must look at the document."""
        return self.is_current and self.validation.status is Status.IN_REVIEW


def list_results(
    database: Database,
    *,
    document_type: str | None = None,
    status: str | None = None,
    run_id: str | None = None,
    limit: int | None = None,
    after: str | None = None,
) -> list[dict[str, Any]]:
    """Current results, one per document, sorted by place and ready for JSON: at most `limit`, behind document `after`.

    Keys: document_id, uri, uris, document_type, status, confidence, score, reasons, fields. With `run_id`, those of
    the run's documents, whether that run computed them or found them unchanged. Raises `DocumentUnknown`.
    """
    result = results.c
    names = ("document_type", "status", "confidence", "score", "reasons", "fields")
    place = in_byte_order(database, func.coalesce(latest_uri, ""))
    query = (
        select(result.document_id, *(result[name] for name in names))
        .join(documents, documents.c.document_id == result.document_id)
        .where(result.is_current)
        .order_by(place, result.document_id)
        .limit(limit)
    )
    if document_type is not None:
        query = query.where(result.document_type == document_type)
    if status is not None:
        query = query.where(result.status == str(status))
    if run_id is not None:
        members = select(run_documents.c.document_id).where(run_documents.c.run_id == run_id)
        query = query.where(result.document_id.in_(members))
    with database.read() as connection:
        if after is not None:
            last = connection.execute(select(place).where(documents.c.document_id == after)).scalar_one_or_none()
            if last is None:
                raise DocumentUnknown(after)
            query = query.where(tuple_(place, result.document_id) > (last, after))
        rows = connection.execute(query).mappings().all()
        uris = uris_of(connection, [row["document_id"] for row in rows])
    return [
        {"document_id": row["document_id"], "uri": seen[0], "uris": seen} | {name: row[name] for name in names}
        for row in rows
        for seen in [uris[row["document_id"]]]
    ]


@survives_outages
def accepted_by(database: Database, run_id: str) -> dict[str, int]:
    """How many rows of a run were accepted, by what accepted them, of types that promise an error."""
    by = results.c.accepted_by
    query = select(by, func.count()).where(results.c.run_id == run_id, by.is_not(None)).group_by(by)
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def current_results(connection: Connection, document_ids: Sequence[str]) -> dict[str, CurrentResult]:
    """The current results of these documents."""
    return {id_: CurrentResult(*row) for id_, *row in connection.execute(_CURRENT, {"ids": document_ids}).all()}


NOT_IN_ROWS = {"priority", "due_minutes", "role", "accepted_by", "raw_confidences"}
"""What a verdict has beside the columns of its row."""


def replace_decisions(connection: Connection, document_ids: Sequence[str]) -> None:
    """Make the decided results of these documents results of the past. The audit trail keeps the decisions."""
    connection.execute(_REPLACE_DECISIONS, {"b_ids": document_ids})


def write_results(
    database: Database, connection: Connection, run_id: str, new: Collection[NewResult], at: datetime
) -> None:
    """Write results. Each replaces the result under the same fingerprint, unless a person decided that result."""
    if not new:
        return
    ids = [result.document_id for result in new if result.is_current]
    connection.execute(_CLEAR_CURRENT, {"b_ids": ids})
    rows = []
    for result in new:
        verdict = result.validation.model_dump(mode="json", exclude=NOT_IN_ROWS)
        rows.append(
            verdict
            | {
                "document_id": result.document_id,
                "fingerprint": result.fingerprint,
                "is_current": result.is_current,
                "provisional": result.provisional,
                "decided_by": None,
                "accepted_by": result.validation.accepted_by,
                "run_id": run_id,
                "created_at": at,
            }
        )
    upsert = database.insert(results)
    replaced = {name: upsert.excluded[name] for name in rows[0] if name not in {"document_id", "fingerprint"}}
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=[results.c.document_id, results.c.fingerprint],
            set_=replaced,
            where=results.c.decided_by.is_(None),
        ),
        rows,
    )


_CURRENT = select(results.c.document_id, *columns_of(results, CurrentResult)).where(
    in_list(results.c.document_id, "ids"), results.c.is_current
)

_REPLACE_DECISIONS = (
    update(results)
    .where(in_list(results.c.document_id, "b_ids"), results.c.is_current, results.c.decided_by.is_not(None))
    .values(is_current=False)
)

_CLEAR_CURRENT = (
    update(results)
    .where(in_list(results.c.document_id, "b_ids"), results.c.is_current, results.c.decided_by.is_(None))
    .values(is_current=False)
)
