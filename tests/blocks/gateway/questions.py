"""A small document type, a document of it, and questions about it, for tests of what surrounds a model."""

import json
import time
from typing import Any

from blocks.document_types.schema import Criterion, DocumentField, DocumentType, FieldHints, FieldType, Rubric
from blocks.gateway.model import ModelRequest, Question, Usage
from blocks.gateway.replies.wire_reply import Finish, WireReply
from blocks.records import Page

PAGE_1 = "Baker & Sons Ltd\nInvoice INV-7 of 2 March 2024\nFlour 2 x 3.50   7.00\nYeast 1 x 2.00   2.00\nTotal 9.00 EUR"
PAGE_2 = "Terms: payable within 30 days.\nThank you for your custom, Jane Roe."

BILL = DocumentType(
    name="bill",
    title="Bill",
    description="What somebody has to pay.",
    languages=("en", "de"),
    fields={
        "seller": DocumentField(type=FieldType.TEXT, required=True, description="Who sells."),
        "total": DocumentField(type=FieldType.MONEY, required=True, description="What is to be paid."),
        "kind": DocumentField(type=FieldType.ENUM, enum=("goods", "services", "none"), description="What is sold."),
        "days": DocumentField(type=FieldType.INTEGER, description="Days until it is due."),
        "tags": DocumentField(type=FieldType.LIST, hints=FieldHints(keywords={"food": ("flour",), "tools": ("saw",)})),
        "names": DocumentField(type=FieldType.LIST),
        "lines": DocumentField(
            type=FieldType.TABLE,
            columns={"item": DocumentField(type=FieldType.TEXT), "amount": DocumentField(type=FieldType.MONEY)},
        ),
        "answer": DocumentField(type=FieldType.TEXT, written=True, description="A letter to the seller."),
    },
    rubric=Rubric(
        criteria=(
            Criterion(name="clear", description="It is clear what is sold."),
            Criterion(name="polite", description="The answer is polite.", judges="answer"),
        )
    ),
)
PAGES = (Page(number=1, method="parsed", text=PAGE_1), Page(number=2, method="parsed", text=PAGE_2))


def ask(request: ModelRequest | None = None, seconds: float = 30.0, **changes: Any) -> Question:
    """A question about the bill, with `seconds` to answer it."""
    asked = request or ModelRequest(document_id="d1", document_type=BILL, pages=PAGES)
    return Question(request=asked, run_id="run", deadline=time.monotonic() + seconds, **changes)


def read(value: object, quote: object, page: object = 1, confidence: object = 0.9) -> dict[str, Any]:
    """One field of a reply."""
    return {"value": value, "evidence": [{"page": page, "quote": quote}], "confidence": confidence}


def valid_reply(**fields: object) -> dict[str, Any]:
    """A reply that fits the schema, with some fields exchanged."""
    found: dict[str, Any] = {
        "seller": read("Baker & Sons Ltd", "Baker & Sons Ltd"),
        "total": read("9.00", "Total 9.00 EUR"),
        "kind": read("goods", "Flour"),
        "days": read("30", "payable within 30 days", page=2),
        "tags": None,
        "names": read(["Jane Roe"], "Jane Roe", page=2),
        "lines": {
            "value": [{"item": "Flour", "amount": "7.00"}, {"item": "Yeast", "amount": "2.00"}],
            "evidence": [{"page": 1, "quote": "Flour 2 x 3.50   7.00"}, {"page": 1, "quote": "Yeast 1 x 2.00   2.00"}],
            "confidence": 0.8,
        },
        "answer": {"value": "Dear Sir, thank you.", "evidence": [], "confidence": 0.7},
    }
    grade = {"grade": 1.0, "evidence": [{"page": 1, "quote": "Flour"}], "confidence": 0.9}
    return {"fields": found | fields, "criteria": {"clear": grade, "polite": {**grade, "evidence": []}}}


def wire(text: object, finish: Finish = Finish.STOP, **changes: Any) -> WireReply:
    """What a provider gave back; anything but text as JSON."""
    said = text if isinstance(text, str) else json.dumps(text)
    usage = Usage(input_tokens=100, output_tokens=50)
    fields: dict[str, Any] = {"text": said, "finish": finish, "usage": usage, "served_by": "m-2024"}
    return WireReply(**fields | changes)
