"""Documents of the made-up bill with their labels, as a reader could have read them."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import JsonValue

from blocks.learning.evaluation import ReadDocument
from blocks.records import ResultStatus

LABELS: Mapping[str, JsonValue] = {
    "seller": "Acme Trading",
    "number": "A-17",
    "issued": "2025-04-03",
    "total": "10.00",
    "area": None,
}


def read_document(
    name: str = "one",
    *,
    labels: Mapping[str, JsonValue] = LABELS,
    values: Mapping[str, JsonValue] | None = None,
    confidences: Mapping[str, float] | None = None,
    status: ResultStatus = "accepted",
    confidence: float = 0.9,
    drawn_with: float | None = 1.0,
    read_as: str = "bill",
) -> ReadDocument:
    """A document that was read as its labels have it, but for `values`."""
    found = {**labels, **(values or {})}
    return ReadDocument(
        document_id=name,
        labels=labels,
        drawn_with=drawn_with,
        read_as=read_as,
        status=status,
        confidence=confidence,
        values=found,
        confidences=confidences or dict.fromkeys(found, confidence),
        cost_usd=Decimal("0.25"),
        duration_s=2.0,
    )
