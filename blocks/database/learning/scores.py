"""How sure the machine is of the documents of a type that nobody has decided on."""

from collections.abc import Iterator

from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.tables import results
from blocks.records import Record


class Scored(Record):
    """A document's current verdict: its confidence in [0, 1], and the reasons against it."""

    document_id: str
    confidence: float
    reasons: tuple[str, ...]


def read_scores(database: Database, document_type: str) -> Iterator[Scored]:
    """The current verdicts on documents of a type that no person has decided on."""
    row = results.c
    query = select(row.document_id, row.confidence, row.reasons).where(
        row.document_type == document_type, row.is_current, row.decided_by.is_(None)
    )
    with database.read() as connection:
        for found in connection.execute(query.execution_options(yield_per=2_000)):
            yield Scored(document_id=found.document_id, confidence=found.confidence, reasons=tuple(found.reasons))
