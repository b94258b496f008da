"""A decided document as a reply: its values in the form of a reply, and quotes that its text has."""

import json

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.gateway.model import ModelRequest
from blocks.gateway.replies.json_text import read_object
from blocks.gateway.replies.schema_fit import fit
from blocks.learning.worked import CONFIDENCE, reply_fields
from tests.blocks.learning.documents import page

BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "seller": DocumentField(type=FieldType.TEXT),
        "issued": DocumentField(type=FieldType.DATE),
        "total": DocumentField(type=FieldType.MONEY),
        "count": DocumentField(type=FieldType.INTEGER),
        "area": DocumentField(type=FieldType.ENUM, enum=("office", "travel")),
        "tags": DocumentField(type=FieldType.LIST),
        "answer": DocumentField(type=FieldType.TEXT, written=True),
        "due": DocumentField(type=FieldType.DATE),
        "lines": DocumentField(
            type=FieldType.TABLE,
            columns={"what": DocumentField(type=FieldType.TEXT), "price": DocumentField(type=FieldType.MONEY)},
        ),
    },
)
PAGES = page(
    """ACME  Trading
14 March 2026
Pens, blue   1.200,50
Paper        3,00
Total        1.203,50
2 items, urgent, by train"""
)
VALUES: dict[str, JsonValue] = {
    "seller": "Acme Trading",
    "issued": "2026-03-14",
    "total": "1203.50",
    "count": 2,
    "area": "office",
    "tags": ["urgent", "by ship"],
    "answer": "urgent",
    "due": None,
    "lines": [{"what": "Pens, blue", "price": "1200.50"}, {"what": "Paper", "price": "3.00"}],
}


def quotes(name: str) -> list[str]:
    reply = reply_fields(BILL, PAGES, VALUES)[name]
    assert isinstance(reply, dict)
    return [str(quote["quote"]) for quote in reply["evidence"]]  # type: ignore[union-attr, index, call-overload]


def test_values_are_quoted_as_the_document_prints_them() -> None:
    assert quotes("seller") == ["ACME  Trading"]
    assert quotes("issued") == ["14 March 2026"]
    assert quotes("total") == ["1.203,50"]
    assert quotes("tags") == ["urgent"]
    assert quotes("lines") == ["Pens, blue   1.200,50", "Paper        3,00"]


def test_what_does_not_stand_in_the_text_has_no_quote() -> None:
    assert quotes("area") == []
    assert quotes("answer") == []
    elsewhere = reply_fields(BILL, PAGES, {"total": "5.00", "lines": [{"what": "Ink", "price": "9.00"}]})
    assert all(reply["evidence"] == [] for reply in elsewhere.values())  # type: ignore[index, call-overload]


def test_the_reply_is_one_that_a_model_may_give() -> None:
    fields = reply_fields(BILL, PAGES, VALUES)
    assert fields["due"] is None
    assert list(fields) == list(VALUES)
    read = read_object("it", json.dumps({"fields": fields}), is_complete=True)
    assert read is not None
    fitted = fit("it", ModelRequest(document_id="d", document_type=BILL, pages=PAGES), read.body)
    values = {name: reading.value for name, reading in fitted.fields.items()}
    assert values == {name: value for name, value in VALUES.items() if value is not None} | {"count": "2"}
    assert {reading.signals and reading.signals.stated for reading in fitted.fields.values()} == {CONFIDENCE}
