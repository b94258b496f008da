"""The documents that chance drew from all of a type, and what became of each: the sample that proves something.

A sample without its hard documents would prove too much. So it has those that nobody has decided on yet, those that
were rejected or given another type, and those that an import drew.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, exists, func, select

from blocks.database.engine import Database
from blocks.database.learning.tables import labels
from blocks.database.review.tables import review
from blocks.database.tables import documents
from blocks.records import Record
from blocks.review.records import Action, ItemStatus


class DrawnOutcome(StrEnum):
    """What became of a drawn document: it waits, its values are labels, or a person found that it has no right row."""

    OPEN = "open"
    LABELLED = "labelled"
    REFUSED = "refused"


class DrawnDocument(Record):
    """A drawn document. `due_at` is when it should have been decided; None for audits, and for imports.

    `drawn_at` is when its item was opened, or its first label imported. `fingerprint` is that of the row that was
    drawn; None for imports. Of a document that was drawn several times there is a record for each.
    """

    document_id: str
    drawn_with: float
    drawn_at: datetime
    outcome: DrawnOutcome
    due_at: datetime | None = None
    fingerprint: str | None = None


def read_drawn(database: Database, document_type: str) -> Iterator[DrawnDocument]:
    """Every draw of rows of a type, by document, and every draw by an import, whatever type its labels are of: they may
    say that a row is of another type than it was read as. Erased documents are left out.

    Items that a later run superseded are none: their documents were drawn anew. Forgetting labels leaves an item's draw
    `labelled`, and takes the draw of an import away with the labels.
    """
    with database.snapshot() as connection:
        for row in connection.execute(_ITEMS, {"type": document_type}).mappings():
            yield DrawnDocument.model_validate(
                {name: row[name] for name in _COLUMNS} | {"outcome": _outcome(row["status"], row["action"])}
            )
        for row in connection.execute(_IMPORTED).mappings():
            yield DrawnDocument.model_validate(dict(row) | {"outcome": DrawnOutcome.LABELLED})


def _outcome(status: str, action: str | None) -> DrawnOutcome:
    if status == ItemStatus.OPEN:
        return DrawnOutcome.OPEN
    return DrawnOutcome.LABELLED if action in {Action.ACCEPT, Action.CORRECT} else DrawnOutcome.REFUSED


_COLUMNS = ("document_id", "drawn_with", "drawn_at", "due_at", "fingerprint")

_ITEMS = (
    select(
        review.c.document_id,
        review.c.drawn_with,
        review.c.created_at.label("drawn_at"),
        review.c.due_at,
        review.c.fingerprint,
        review.c.status,
        review.c.decision["action"].as_string().label("action"),
    )
    .where(
        review.c.document_type == bindparam("type"),
        review.c.drawn_with.is_not(None),
        review.c.status.in_([ItemStatus.OPEN, ItemStatus.DECIDED]),
        exists().where(documents.c.document_id == review.c.document_id, documents.c.erased_at.is_(None)),
    )
    .order_by(review.c.document_id, review.c.review_id)
)

_IMPORTED = (
    select(
        labels.c.document_id,
        func.max(labels.c.drawn_with).label("drawn_with"),
        func.min(labels.c.labelled_at).label("drawn_at"),
    )
    .where(labels.c.drawn_with.is_not(None))
    .group_by(labels.c.document_id)
    .order_by(labels.c.document_id)
)
