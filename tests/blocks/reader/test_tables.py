"""Tables with and without word boxes: headers, rows, columns, confidence."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.reader.lexicon import Lexicon
from blocks.reader.sheet import open_sheet
from blocks.reader.table_rows import MAX_QUOTE_CHARACTERS
from blocks.reader.tables import ADDS_UP, ROW_ALIGNED, ROW_BY_ORDER, TableReader
from blocks.records import FieldReading, Page
from tests.blocks.reader.drawn_pages import draw, typed


def column(kind: FieldType, *aliases: str) -> DocumentField:
    return DocumentField(type=kind, aliases=aliases)


GOODS = DocumentField(
    type=FieldType.TABLE,
    columns={
        "article": column(FieldType.TEXT, "Article"),
        "pieces": column(FieldType.NUMBER, "Pieces"),
        "value": column(FieldType.MONEY, "Value"),
    },
)
TOTAL = column(FieldType.MONEY, "Total")


def read(*pages: Page, table: DocumentField = GOODS) -> FieldReading | None:
    document_type = DocumentType(name="note", title="Note", fields={"goods": table, "total": TOTAL})
    return TableReader(table).read(open_sheet(document_type, Lexicon(document_type), pages))[0]


def rows(*pages: Page, table: DocumentField = GOODS) -> list[tuple[object, ...]]:
    reading = read(*pages, table=table)
    values = reading.value if reading is not None else []
    assert isinstance(values, list)
    return [tuple(row.values()) for row in values if isinstance(row, dict)]


HEADER = ((40, 100, "Article"), (250, 100, "Pieces"), (400, 100, "Value"))


def test_values_belong_to_the_column_above_them_in_any_order() -> None:
    page = draw(*HEADER, (400, 120, "80.00"), (250, 120, "4"), (40, 120, "Oak board"))
    assert rows(page) == [("Oak board", "4", "80.00")]


def test_without_boxes_the_last_amount_counts_and_a_factor_of_it() -> None:
    assert rows(typed("Article Pieces Value\nOak board 4 20.00 80.00")) == [("Oak board", "4", "80.00")]
    assert rows(typed("Article Pieces Value\nOak board 3 20.00 80.00")) == [("Oak board", None, "80.00")]
    assert rows(typed("Article Pieces Value\nOak board 20.50 4 82.00")) == [("Oak board", "4", "82.00")]


def test_confidence_comes_from_boxes_and_from_rows_that_add_up() -> None:
    adding = read(typed("Article Pieces Value\nOak board 4 20.00 80.00"))
    plain = read(typed("Article Pieces Value\nOak board 80.00"))
    drawn = read(draw(*HEADER, (40, 120, "Oak board"), (250, 120, "4"), (400, 120, "80.00")))
    assert [found and found.confidence for found in (adding, plain, drawn)] == [
        ROW_BY_ORDER + ADDS_UP, ROW_BY_ORDER, ROW_ALIGNED,
    ]  # fmt: skip


def test_half_of_the_rows_must_add_up() -> None:
    head = "Article Pieces Value\nOak board 4 20.00 80.00\nPine board 9.00\n"
    for text, confidence in ((head, ROW_BY_ORDER + ADDS_UP), (head + "Ash board 7.00\n", ROW_BY_ORDER)):
        reading = read(typed(text))
        assert reading is not None
        assert reading.confidence == confidence


def test_a_table_ends_at_the_total_and_at_the_end_of_its_page() -> None:
    text = "Article Pieces Value\nOak board 80.00\nTotal 80.00\nPine board 9.00"
    assert rows(typed(text)) == [("Oak board", None, "80.00")]
    assert rows(typed("Article Pieces Value\nOak board 80.00"), typed("Pine board 9.00", number=2)) == [
        ("Oak board", None, "80.00")
    ]


def test_a_header_on_the_next_page_goes_on_with_the_table() -> None:
    pages = (typed("Article Pieces Value\nOak board 80.00"), typed("Article Pieces Value\nPine board 9.00", number=2))
    assert rows(*pages) == [("Oak board", None, "80.00"), ("Pine board", None, "9.00")]


def test_a_header_has_the_amount_and_another_column_and_no_amount_of_its_own() -> None:
    assert rows(typed("Value\nOak board 80.00")) == []
    assert rows(typed("Article Pieces\nOak board 80.00")) == []
    assert rows(typed("Article 7.00 Value\nOak board 80.00")) == []
    assert rows(typed("Article\nPieces\nValue\nOak board 80.00")) == [("Oak board", None, "80.00")]


def test_labels_in_one_cell_are_no_header_where_boxes_part_cells() -> None:
    assert rows(draw((40, 100, "Article Value"), (40, 120, "Oak board"), (400, 120, "80.00"))) == []


def test_two_further_lines_of_a_text_belong_to_its_row() -> None:
    page = typed("Article Pieces Value\nOak board 80.00\nplaned smooth\nfour metres\nnotes here\nPine board 9.00")
    assert rows(page)[0] == ("Oak board planed smooth four metres", None, "80.00")


def test_a_key_with_its_value_is_no_text_of_the_row() -> None:
    assert rows(typed("Article Pieces Value\nOak board 80.00\nColour: brown"))[0][0] == "Oak board"


def test_a_text_above_its_amounts_names_the_row() -> None:
    assert rows(typed("Article Pieces Value\nOak board\n4 20.00 80.00")) == [("Oak board", "4", "80.00")]


def test_an_amount_a_little_lower_completes_its_row() -> None:
    page = draw(*HEADER, (40, 120, "Oak board"), (250, 120, "4"), (400, 127, "80.00"))
    assert rows(page) == [("Oak board", "4", "80.00")]


def test_rows_without_a_value_that_most_have_are_notes() -> None:
    head = "Article Pieces Value\nOak board 4 20.00 80.00\nPine board 2 4.50 9.00\n"
    assert rows(typed(head + "Discount -1.00")) == [("Oak board", "4", "80.00"), ("Pine board", "2", "9.00")]


@pytest.mark.parametrize(("x", "number"), [(250, "4"), (262, "4"), (340, None)])
def test_a_number_stands_under_or_close_to_the_label_of_its_column(x: float, number: str | None) -> None:
    page = draw(*HEADER, (40, 120, "Oak board"), (x, 120, "4"), (400, 120, "80.00"))
    assert rows(page) == [("Oak board", number, "80.00")]


def test_a_table_without_money_has_rows_by_its_first_typed_column() -> None:
    shifts = DocumentField(
        type=FieldType.TABLE,
        columns={
            "day": column(FieldType.DATE, "Day"),
            "until": column(FieldType.DATE, "Until"),
            "who": column(FieldType.TEXT, "Who"),
        },
    )
    page = typed("Day  Until  Who\n2024-05-03  2024-05-04  Ann Moss\n2024-05-06  2024-05-07  2024-05-08  Ben Moss")
    found = rows(page, table=shifts)
    assert [row[0] for row in found] == ["2024-05-04", "2024-05-08"], "without boxes the last value of a line counts"


def test_the_evidence_of_a_row_is_its_text_on_the_page() -> None:
    reading = read(typed("Article Pieces Value\nOak board 4 20.00 80.00\nPine board 2 4.50 9.00"))
    assert reading is not None
    assert [found.quote for found in reading.evidence] == ["Oak board 4 20.00 80.00", "Pine board 2 4.50 9.00"]


def test_a_row_whose_cells_are_far_apart_in_the_text_quotes_its_amount() -> None:
    filler = [(40.0, 300.0 + 12 * at, "words of another part") for at in range(60)]
    page = draw(*HEADER, (40, 120, "Oak board"), *filler, (400, 120, "80.00"))
    assert len(page.text) > MAX_QUOTE_CHARACTERS
    reading = read(page)
    assert reading is not None
    assert reading.evidence[0].quote == "80.00"


def test_a_row_takes_nothing_from_the_row_above_it() -> None:
    first = ((40, 120, "Oak board"), (250, 120, "4"), (400, 120, "80.00"))
    page = draw(*HEADER, *first, (40, 140, "Pine"), (400, 140, "9.00"))
    assert rows(page) == [("Oak board", "4", "80.00"), ("Pine", None, "9.00")]


def test_cells_of_plain_text_belong_to_the_column_in_their_place() -> None:
    head = "Article  Pieces  Value\n"
    assert rows(typed(head + "Oak board 20 mm  4  80.00")) == [("Oak board 20 mm", "4", "80.00")]
    assert rows(typed(head + "Oak board  4  20.00  80.00")) == [("Oak board", "4", "80.00")], "by the factor"
    marked = "| Article | Pieces | Value |\n|---|---|---|\n| Oak board | 4 | 80.00 |"
    assert rows(typed(marked)) == [("Oak board", "4", "80.00")]


def test_a_table_goes_on_at_the_top_of_the_next_page() -> None:
    first = draw(*HEADER, (40, 120, "Oak board"), (250, 120, "4"), (400, 120, "80.00"))
    second = draw((40, 20, "Pine board"), (250, 20, "2"), (400, 20, "9.00"), number=2)
    assert rows(first, second) == [("Oak board", "4", "80.00"), ("Pine board", "2", "9.00")]


def test_a_row_that_lacks_a_value_stays_where_the_total_needs_it() -> None:
    head = "Article Pieces Value\nOak board 4 20.00 80.00\nPine board 2 4.50 9.00\nDelivery 11.00\n"
    assert len(rows(typed(head + "Total 100.00"))) == 3
    assert len(rows(typed(head + "Total 89.00"))) == 2


def test_a_text_below_another_label_stands_below_its_amount() -> None:
    page = draw(
        (40, 90, "Number"), (250, 90, "Pieces"), (400, 90, "Value"), (40, 102, "Article"),
        (40, 120, "A-4711"), (250, 120, "4"), (400, 120, "80.00"), (40, 132, "Oak board"),
    )  # fmt: skip
    assert rows(page) == [("Oak board", "4", "80.00")]


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u202f", "\u2009"])
def test_a_blank_groups_thousands_where_the_number_has_a_cell_of_its_own(blank: str) -> None:
    header = "Article  Pieces  Price  Value\n"
    assert rows(typed(f"{header}Oak board  2  1{blank}120,50  2{blank}241,00")) == [("Oak board", "2", "2241.00")]
    assert rows(typed(f"{header}Oak board  1  2{blank}150.00  2{blank}150.00")) == [("Oak board", "1", "2150.00")]


def test_a_blank_parts_number_and_amount_where_no_cell_has_the_number() -> None:
    assert rows(typed("Article  Pieces Value\nOak board  2 150.00")) == [("Oak board", "2", "150.00")]


@pytest.mark.parametrize(
    ("first", "second"),
    [("Carried forward", "Brought forward"), ("Übertrag", "Übertrag von Seite 1"), ("À reporter", "Report"),
     ("A riportare", "Riporto"), ("Suma y sigue", "Suma anterior"), ("C/F", "B/F"), ("Zwischensumme / Übertrag", "")],
)  # fmt: skip
def test_a_sum_that_is_carried_to_the_next_page_is_no_row(first: str, second: str) -> None:
    one = typed(f"Article  Pieces  Value\nOak board  4  80.00\n{first}  80.00")
    two = typed(f"Article  Pieces  Value\n{second or first}  80.00\nLinseed oil  1  12.50\nTotal 92.50", number=2)
    assert rows(one, two) == [("Oak board", "4", "80.00"), ("Linseed oil", "1", "12.50")]


def test_a_word_for_a_carried_sum_may_name_goods() -> None:
    page = typed("Article  Pieces  Value\nSurvey  1  80.00\nReport  1  90.00\nTransport  1  30.00")
    assert rows(page) == [("Survey", "1", "80.00"), ("Report", "1", "90.00"), ("Transport", "1", "30.00")]
