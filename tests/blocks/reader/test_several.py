"""Files that hold several documents."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.reading import read
from blocks.records import Page

BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "number": DocumentField(
            type=FieldType.TEXT,
            required=True,
            aliases=("Bill number",),
            hints=FieldHints(kind="identifier", pick="first"),
        ),
        "total": DocumentField(type=FieldType.MONEY, required=True, aliases=("Total",), hints=FieldHints(pick="last")),
    },
)
FIRST = "Bill number: B-17\nTea 4.00\nTotal: 4.00\n"
SECOND = "Bill number: B-18\nCups 9.00\nTotal: 9.00\n"


DATED = BILL.model_copy(
    update={
        "fields": {
            **BILL.fields,
            "date": DocumentField(type=FieldType.DATE, required=True, aliases=("Bill date",)),
        }
    }
)


def doubts(*texts: str) -> tuple[str, ...]:
    pages = tuple(Page(number=at, method="parsed", text=text) for at, text in enumerate(texts, start=1))
    return read(BILL, pages).doubts


@pytest.mark.parametrize("texts", [(FIRST + SECOND,), (FIRST, SECOND)])
def test_a_second_number_and_a_second_total_are_a_second_document(texts: tuple[str, ...]) -> None:
    assert doubts(*texts) == ("several_documents:B-17,B-18",)


@pytest.mark.parametrize(
    "texts",
    [
        (FIRST,),
        (FIRST, FIRST),
        ("Bill number: B-17\nCarried over: 4.00\n", "Bill number: B-17\nTotal: 4.00\n"),
        ("Bill number: B-17\nBill number: B-16\nTotal: 4.00\n",),
        (FIRST + "Bill number: B-16\n",),
    ],
)
def test_a_number_that_is_repeated_or_has_no_total_of_its_own_is_none(texts: tuple[str, ...]) -> None:
    assert doubts(*texts) == ()


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("Bill date: 3 May 2024\nCups 9.00\nTotal: 9.00\n", ("several_documents:B-17,one without a number",)),
        ("Bill number: B-17\nBill date: 2 May 2024\nCups 9.00\nTotal: 9.00\n", ()),
        ("Bill date: 2 May 2024\nTea 4.00\nTotal: 4.00\n", ()),
        ("Cups 9.00\nTotal: 9.00\n", ()),
    ],
)
def test_a_date_between_two_totals_begins_a_document_without_a_number(second: str, expected: tuple[str, ...]) -> None:
    first = "Bill number: B-17\nBill date: 2 May 2024\nTea 4.00\nTotal: 4.00\n"
    pages = (Page(number=1, method="parsed", text=first), Page(number=2, method="parsed", text=second))
    assert read(DATED, pages).doubts == expected
