"""The labels of a document, and what a sheet knows of its cells."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader import sheet as sheets
from blocks.reader.lexicon import Lexicon
from blocks.reader.sheet import Sheet, open_sheet
from tests.blocks.reader.drawn_pages import draw, typed

TYPE = DocumentType(
    name="bill",
    title="Bill",
    languages=("en", "de"),
    fields={
        "total": DocumentField(
            type=FieldType.MONEY,
            aliases=("Grand total", "Total"),
            required=True,
            hints=FieldHints(not_near=("Subtotal",)),
        ),
        "carrier": DocumentField(type=FieldType.TEXT, aliases=("Carrier",)),
    },
)


def sheet_of(text: str) -> Sheet:
    return open_sheet(TYPE, Lexicon(TYPE), (typed(text),))


def test_labels_are_sorted_by_alias_and_followed_in_reading_order() -> None:
    sheet = sheet_of("Total 1.00\nGrand total 2.00\nTotal 3.00\nSubtotal 4.00")
    assert [label.cell.row for label in sheet.labels_of("total")] == [1, 0, 2]
    assert [label.cell.row for label, _ in sheet.weighed_labels("total")] == [0, 1, 2], "not_near is no label"
    assert sheet.labels_of("carrier") == []


def test_the_strongest_of_too_many_labels_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_LABELS", 2)
    sheet = sheet_of("Total 1.00\nGrand total 2.00\nTotal 3.00\nGrand total 4.00")
    assert [label.cell.row for label, _ in sheet.weighed_labels("total")] == [1, 3]


def test_a_misread_label_is_looked_for_only_where_a_required_field_has_no_other() -> None:
    assert [label.cell.row for label in sheet_of("Grand tota1 9.00").labels_of("total")] == [0]
    assert [label.cell.row for label in sheet_of("Grand tota1 9.00\nTotal 9.00").labels_of("total")] == [1]
    assert sheet_of("Carr1er: Blitz").labels_of("carrier") == [], "an optional field"
    assert sheet_of("Grand tota1 9.00 " + "and a sentence after it " * 3).labels_of("total") == []


def test_a_table_ends_at_the_amount_of_the_document() -> None:
    assert sheet_of("Total 9.00\nTotal of boxes\nfor Total 9.00\nSubtotal 8.00\nCarrier 7.00").table_ends == {0}


def test_a_label_cell_holds_nothing_else() -> None:
    sheet = sheet_of("Total:\nTotal 9.00\nSubtotal\nCarrier  Blitz")
    assert {row for row, _ in sheet.label_cells} == {0, 3}


def test_a_key_has_a_colon_behind_it_or_in_the_next_cell() -> None:
    sheet = sheet_of("Name:  Ann\nPhone  : 0711\nCarrier  Blitz\nalone")
    assert [sheet.is_key(row.cells[0]) for row in sheet.rows] == [True, True, False, False]
    assert [sheet.cell_after(row.cells[-1]) for row in sheet.rows] == [None] * 4
    following = sheet.cell_after(sheet.rows[0].cells[0])
    assert following is not None
    assert following.text == "Ann"


def test_numbers_are_read_by_the_languages_that_the_amounts_fit() -> None:
    assert sheet_of("Total 27,50").notation.numbers == ("de",)
    assert sheet_of("Total 27.50").notation.numbers == ("en",)
    assert sheet_of("no amount").notation.numbers == ("en", "de")
    mixed = open_sheet(TYPE, Lexicon(TYPE), (typed("1,20"), typed("1.30 and 1.40", number=2)))
    assert mixed.notation.numbers == ("en",)


def test_rows_of_all_pages_are_one_sequence() -> None:
    sheet = open_sheet(TYPE, Lexicon(TYPE), (typed("Total 1.00"), draw((40, 100, "Total"), number=2)))
    assert [(row.index, row.page) for row in sheet.rows] == [(0, 1), (1, 2)]
    assert [label.cell.page for label in sheet.labels_of("total")] == [1, 2]


def test_a_mail_s_header_is_its_envelope() -> None:
    assert sheet_of("From: a@example.org\nSubject: Bill\nDate: 3 May 2024\n\nBill").envelope == {0, 1, 2}
    assert sheet_of("Date: 3 May 2024\nBill").envelope == frozenset()
