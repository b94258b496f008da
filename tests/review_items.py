"""Documents that wait for a person, for tests of the doors of review."""

from datetime import UTC, datetime

from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.results.results import NewResult, write_results
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.tables import review
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Evidence, Status, Validation
from blocks.review.records import Person, Role
from tests.doubles.scripted_stages import id_of

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
RECEIPT = DocumentType(
    name="receipt",
    title="Receipt",
    fields={"company": DocumentField(type=FieldType.TEXT), "total": DocumentField(type=FieldType.MONEY)},
)
TYPES = {"receipt": RECEIPT, "invoice": RECEIPT.model_copy(update={"name": "invoice"})}
ANN, BOB, SUE = Person(name="ann"), Person(name="bob"), Person(name="sue", role=Role.SENIOR)


def open_item(
    database: Database,
    name: str = "a",
    *,
    total: str = "9.00",
    fingerprint: str = "f",
    rules: ReviewRules | None = None,
    status: Status = Status.IN_REVIEW,
) -> int:
    """A document whose result waits for a person; returns the item's id."""
    verdict = Validation(
        document_type="receipt",
        status=status,
        confidence=0.5,
        reasons=("low_confidence:total",) if status is Status.IN_REVIEW else (),
        fields={"company": "Café", "total": total},
        confidences={"company": 0.9, "total": 0.5},
        evidence={"total": (Evidence(page=1, quote=f"Total {total}"),)},
    )
    document_id = id_of(name)
    with database.write() as connection:
        new = [NewResult(document_id, fingerprint, verdict, provisional=False)]
        write_results(database, connection, "run-1", new, AT)
        needs = [ReviewNeed(document_id, fingerprint, verdict, rules or ReviewRules())]
        sync_review(
            database, connection, "run-1", *((needs, []) if status is Status.IN_REVIEW else ([], [document_id])), AT
        )
        query = select(review.c.review_id).where(review.c.document_id == document_id, review.c.status == "open")
        return int(connection.execute(query).scalar_one_or_none() or 0)
