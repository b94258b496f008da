"""Which labels count, how rows are typed, and what is written is read back."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.learning.errors import DrawInvalid, LabelRefused
from blocks.learning.labels import (
    Label,
    Origin,
    fold_of,
    new_label,
    probability_of,
    that_count,
    typed_label,
    written_value,
)
from blocks.values.numbers import money_text, number_text
from tests.review_items import RECEIPT

AT = datetime(2026, 11, 1, tzinfo=UTC)
COLUMNS = {"name": DocumentField(type=FieldType.TEXT), "weight": DocumentField(type=FieldType.NUMBER)}
FIELDS = {
    "weight": DocumentField(type=FieldType.NUMBER),
    "total": DocumentField(type=FieldType.MONEY),
    "day": DocumentField(type=FieldType.DATE),
    "tags": DocumentField(type=FieldType.LIST),
    "lines": DocumentField(type=FieldType.TABLE, columns=COLUMNS),
}
GERMAN = DocumentType(name="note", title="Note", languages=("de",), fields=FIELDS)
ENGLISH = GERMAN.model_copy(update={"languages": ("en",)})
TYPES = {"receipt": RECEIPT, "note": GERMAN}


def label(field: str = "total", value: JsonValue = "1.00", hour: int = 0, **content: object) -> Label:
    own = {"label_id": f"i{hour}", "document_id": "d", "document_type": "receipt", "type_version": "v", "field": field}
    said = {"value": value, "labelled_by": "ann", "labelled_at": AT + timedelta(hours=hour), "origin": Origin.IMPORT}
    return Label.model_validate(own | said | content)


def test_the_latest_label_of_a_field_counts_in_whatever_order_they_come() -> None:
    found = [label(hour=2, value="3.00"), label("date", None, 1), label(hour=1, value="2.00")]
    for given_order in (found, found[::-1]):
        assert [(each.field, each.value) for each in that_count(given_order)] == [("date", None), ("total", "3.00")]
    assert that_count([]) == ()


def test_a_document_that_chance_drew_stays_drawn_when_it_is_labelled_again() -> None:
    (counting,) = that_count([label(hour=1, drawn_with=0.1), label(hour=2, value="2.00")])
    assert (counting.value, counting.drawn_with, counting.label_id) == ("2.00", 0.1, "i2")
    (counting,) = that_count([label(hour=1, drawn_with=0.1), label(hour=2, drawn_with=0.5)])
    assert counting.drawn_with == 0.5


def test_labels_of_another_type_than_the_latest_do_not_count() -> None:
    given_type = label("document_type", "invoice", 2, document_type="invoice")
    assert that_count([label(hour=1), given_type]) == (given_type,)
    assert [each.field for each in that_count([label(hour=3), given_type])] == ["total"]


def test_folds_keep_an_issuer_together_and_are_about_equal() -> None:
    assert {fold_of(str(number), "DE123") for number in range(50)} == {fold_of("other", "DE123")}
    sizes = Counter(fold_of(str(number)) for number in range(5_000))
    assert sorted(sizes) == [0, 1, 2, 3, 4]
    assert all(abs(size - 1_000) < 4 * 28.3 for size in sizes.values()), "28.3 is the standard deviation"
    assert {fold_of(str(number), "", folds=2) for number in range(50)} == {0, 1}, "an empty key is none"


@pytest.mark.parametrize(
    ("text", "probability"),
    [("all", 1.0), ("chosen", None), ("random:0.1", 0.1), ("Random:10%", 0.1), ("random:1", 1.0), (" all ", 1.0)],
)
def test_how_documents_were_picked(text: str, probability: float | None) -> None:
    assert probability_of(text) == probability


@pytest.mark.parametrize("text", ["", "random", "random:", "random:0", "random:2", "random:x", "random:nan", "some:1"])
def test_how_documents_were_picked_is_refused_where_it_has_no_meaning(text: str) -> None:
    with pytest.raises(DrawInvalid, match=r"random:0\.1"):
        probability_of(text)


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        ("total", "1.234,50", "1234.50"),
        ("weight", "1.234", "1234"),
        ("weight", 1.234, "1.234"),
        ("day", "3. Mai 2018", "2018-05-03"),
        ("day", "", None),
        ("day", None, None),
        ("tags", "a, b", ["a", "b"]),
        ("tags", '["a, b"]', ["a, b"]),
        ("lines", '[{"name": "Tee", "weight": "1,5"}]', [{"name": "Tee", "weight": "1.5"}]),
        ("lines", [{"name": "Tee", "weight": 1.5}], [{"name": "Tee", "weight": "1.5"}]),
        ("lines", "[]", []),
    ],
)
def test_what_people_write_is_typed_as_the_field(field: str, raw: JsonValue, value: JsonValue) -> None:
    assert typed_label(GERMAN, field, raw) == value


@pytest.mark.parametrize(
    ("field", "raw", "why"),
    [
        ("total", "much", "total: 'much' is no amount of money"),
        ("nope", "1", "there is no field 'nope'; the type has: weight, total, day, tags, lines"),
        ("lines", "Tee", "lines: it takes JSON, such as"),
        ("lines", '[{"name": "Tee", "weight": "heavy"}]', "lines, row 1, weight: 'heavy' is no number"),
        ("lines", [{"colour": "red"}], "there is no field 'lines.colour'"),
        ("total", True, "total: 'True' is no money"),
    ],
)
def test_what_is_no_value_of_the_field_is_refused(field: str, raw: JsonValue, why: str) -> None:
    with pytest.raises(LabelRefused) as refused:
        typed_label(GERMAN, field, raw)
    assert why in str(refused.value)
    assert "nothing was decided" not in str(refused.value)


decimals = st.decimals(-(10**7), 10**7, places=3, allow_nan=False)


@given(decimals, st.sampled_from([GERMAN, ENGLISH]))
def test_a_written_number_is_read_as_the_same_number_in_every_language(value: Decimal, type_: DocumentType) -> None:
    for field, canonical in (("weight", number_text(value)), ("total", money_text(value))):
        assert typed_label(type_, field, written_value(type_.fields[field], canonical)) == canonical
    rows: JsonValue = [{"name": "Tee", "weight": number_text(value)}]
    assert typed_label(type_, "lines", written_value(type_.fields["lines"], rows)) == rows


def test_a_row_may_leave_open_who_and_when() -> None:
    found = new_label("d", "receipt", {"field": "total", "value": "9"}, TYPES)
    assert (found.value, found.document_type, found.type_version) == ("9.00", "receipt", RECEIPT.version)
    assert (found.labelled_by, found.labelled_at, found.origin, found.drawn_with) == (None, None, "import", None)


def test_a_row_may_say_all() -> None:
    cells = {"field": "day", "value": "2.3.2026", "document_type": "note", "type_version": "v", "labelled_by": "ann"}
    cells |= {"labelled_at": "2026-11-01T10:00:00+01:00", "origin": "audit", "drawn_with": "2%"}
    found = new_label("d", "receipt", cells, TYPES)
    assert (found.document_type, found.type_version, found.value) == ("note", "v", "2026-03-02")
    assert (found.labelled_by, found.labelled_at) == ("ann", datetime(2026, 11, 1, 9, tzinfo=UTC))
    assert (found.origin, found.drawn_with) == (Origin.AUDIT, 0.02)


def test_a_row_may_say_of_which_type_the_document_is() -> None:
    found = new_label("d", "receipt", {"field": "document_type", "value": "note"}, TYPES)
    assert (found.document_type, found.field, found.value) == ("note", "document_type", "note")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"document_type": "nope"}, "the document is of type nope, which is none of: note, receipt"),
        ({"field": ""}, "the field is missing"),
        ({"field": "document_type", "value": "nope"}, "no document type is called 'nope'"),
        ({"labelled_at": "yesterday"}, "labelled_at is 'yesterday'"),
        ({"labelled_at": "2999-01-01"}, "is still to come"),
        ({"origin": "rumour"}, "origin is 'rumour'; it is one of: queue, audit, blind_audit, import"),
        ({"drawn_with": "0"}, "drawn_with is '0'"),
    ],
)
def test_a_row_that_is_wrong_says_why(cells: dict[str, JsonValue], why: str) -> None:
    with pytest.raises(LabelRefused) as refused:
        new_label("d", "receipt", {"field": "total", "value": "1"} | cells, TYPES)
    assert why in str(refused.value)
    with pytest.raises(LabelRefused, match="has no type yet"):
        new_label("d", "", {"field": "total", "value": "1"}, TYPES)


@pytest.mark.parametrize(
    ("field", "raw"), [("total", {"a": 1}), ("day", {}), ("lines", {"name": "tea"}), ("lines", [{"name": {"a": 1}}])]
)
def test_an_object_is_no_value_of_a_field(field: str, raw: JsonValue) -> None:
    with pytest.raises(LabelRefused):
        typed_label(GERMAN, field, raw)
