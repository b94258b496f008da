"""Values as people type them where only text can be typed."""

import pytest
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review.corrections import corrected_value
from blocks.review.errors import InvalidCorrection
from blocks.review.sheets import decisions_in
from blocks.review.typed_text import correction_of
from blocks.review.written import WrittenDecision
from blocks.values.given_values import text_of

TYPE = DocumentType(
    name="receipt",
    title="Receipt",
    fields={
        "total": DocumentField(type=FieldType.MONEY),
        "tags": DocumentField(type=FieldType.LIST),
        "lines": DocumentField(type=FieldType.TABLE, columns={"item": DocumentField(type=FieldType.TEXT)}),
    },
)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("total", "1.234,50", "1.234,50"),
        ("total", " ", None),
        ("total", None, None),
        ("total", "[1]", "[1]"),
        ("tags", "a, b", "a, b"),
        ("tags", '["a", "b"]', ["a", "b"]),
        ("lines", '[{"item": "Tea"}]', [{"item": "Tea"}]),
        ("unknown", "[1]", "[1]"),
    ],
)
def test_text_becomes_a_correction(field: str, text: str | None, value: JsonValue) -> None:
    assert correction_of(TYPE, field, text).value == value


def test_a_number_is_itself_in_every_language() -> None:
    german = TYPE.model_copy(update={"languages": ("de",)})
    prices = DocumentField(type=FieldType.TABLE, columns={"price": DocumentField(type=FieldType.NUMBER)})
    german = german.model_copy(update={"fields": {**TYPE.fields, "lines": prices}})
    [(_, row)] = decisions_in([{"review_id": 1.0, "version": 1.0, "field": "total", "new_value": 1.234}], "ann")["1"]
    assert isinstance(row, WrittenDecision)
    given = correction_of(german, "total", row.value, row.number)
    assert corrected_value(german, "total", given.value) == "1.234"
    assert corrected_value(german, "total", "1.234") == "1234.00"
    assert corrected_value(german, "lines", [{"price": 1.234}]) == [{"price": "1.234"}]
    assert correction_of(german, "tags", "7", 7.0).value == "7"


@pytest.mark.parametrize(("field", "text"), [("lines", "Tea"), ("lines", "[{"), ("tags", "[a")])
def test_broken_json_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidCorrection, match="it takes JSON"):
        correction_of(TYPE, field, text)


@pytest.mark.parametrize(
    ("field", "value"), [("total", None), ("total", "9.00"), ("tags", ["a"]), ("lines", [{"item": "Tée"}])]
)
def test_shown_values_can_be_typed_again(field: str, value: JsonValue) -> None:
    assert correction_of(TYPE, field, text_of(value)).value == value
