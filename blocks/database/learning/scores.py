"""How sure the machine is of the documents of a type that nobody has decided on."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.tables import results
from blocks.records import Record


class Scored(Record):
    """A document's current verdict: its confidences in [0, 1], and the reasons against it."""

    document_id: str
    status: str
    confidence: float
    confidences: dict[str, float]
    reasons: tuple[str, ...]


def read_scores(database: Database, document_type: str, since: datetime | None = None) -> Iterator[Scored]:
    """The current verdicts on documents of a type that no person has decided on; those made after `since`."""
    query = select(*(results.c[name] for name in Scored.model_fields)).where(
        results.c.document_type == document_type, results.c.is_current, results.c.decided_by.is_(None)
    )
    if since is not None:
        query = query.where(results.c.created_at > since)
    with database.read() as connection:
        for found in connection.execute(query.execution_options(yield_per=2_000)).mappings():
            yield Scored.model_validate(dict(found))
