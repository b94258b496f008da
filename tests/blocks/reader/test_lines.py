"""Rows and cells of pages with and without word boxes."""

import pytest

from blocks.reader.lines import MAX_LINE_CHARACTERS, overlap, read_rows
from blocks.records import Box, Page, Words
from tests.blocks.reader.drawn_pages import draw, typed


def cells(*pages: Page) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in read_rows(pages)]


def test_a_line_of_text_is_a_row_and_wide_gaps_part_its_cells() -> None:
    assert cells(typed("Total  10.00\tEUR\n\n  \nPaid in cash\n")) == [["Total", "10.00", "EUR"], ["Paid in cash"]]
    assert cells(typed("Total\u00a0due")) == [["Total\u00a0due"]], "a no-break space holds words together"


def test_a_cell_is_the_literal_text_of_its_page() -> None:
    pages = (typed("Invoice  4711\r\nof 3 May"), typed("Page 2", number=2))
    for row in read_rows(pages):
        for cell in row.cells:
            assert pages[cell.page - 1].text[cell.start : cell.end] == cell.text
    assert [(row.index, row.page) for row in read_rows(pages)] == [(0, 1), (1, 1), (2, 2)]


def test_a_long_line_is_cut_between_words_where_it_has_any() -> None:
    rows = read_rows((typed("word " * 200),))
    assert len(rows) == 3
    assert all(row.text.split() == ["word"] * len(row.text.split()) for row in rows)
    assert [len(row.text) for row in read_rows((typed("x" * 1000),))] == [MAX_LINE_CHARACTERS] * 2 + [200]


def test_words_of_one_height_are_a_row_in_any_order_of_the_text() -> None:
    page = draw((300, 102, "48.10"), (40, 100, "Total"), (40, 130, "Thank you"))
    assert cells(page) == [["Total", "48.10"], ["Thank you"]]
    assert [row.top is None for row in read_rows((page,))] == [False, False]


def test_a_row_half_a_line_lower_is_another_row() -> None:
    assert cells(draw((40, 100, "Total"), (300, 106, "48.10"))) == [["Total"], ["48.10"]]


def test_the_box_of_a_cell_surrounds_its_words() -> None:
    ((row,),) = [read_rows((draw((40, 100, "Gross weight")),))]
    assert row.cells[0].box == (40, 100, 98, 110)


def spaced(text: str, *boxes: Box) -> Page:
    spans, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    return Page(number=1, method="ocr", text=text, width=500, height=500, words=Words(spans=tuple(spans), boxes=boxes))


@pytest.mark.parametrize(
    ("text", "gap", "expected"),
    [
        ("net gross", 8, [["net gross"]]),
        ("net gross", 10, [["net", "gross"]]),
        ("net | gross", 20, [["net | gross"]]),
        ("net | gross", 30, [["net", "|", "gross"]]),
        ("net gross  tax", 15, [["net gross", "tax"]]),
        ("net\ngross", 3, [["net", "gross"]]),
        ("net    gross", 3, [["net", "gross"]]),
    ],
)
def test_a_gap_parts_cells_by_its_width_and_by_the_text(text: str, gap: float, expected: list[list[str]]) -> None:
    boxes, left = [], 0.0
    for word in text.split():
        boxes.append((left, 0.0, left + 20.0 if len(word) > 1 else left + 2.0, 10.0))
        left = boxes[-1][2] + (gap if word != "gross" else 60.0)
    assert cells(spaced(text, *boxes)) == expected


def test_words_in_another_order_than_the_text_do_not_share_a_cell() -> None:
    page = spaced("one two", (30.0, 0.0, 50.0, 10.0), (0.0, 0.0, 25.0, 10.0))
    assert cells(page) == [["two", "one"]]


def test_overlap_is_the_shared_part_of_the_narrower_width() -> None:
    assert overlap((0, 0, 10, 5), (5, 50, 30, 60)) == 0.5
    assert overlap((0, 0, 10, 5), (2, 0, 4, 5)) == 1.0
    assert overlap((0, 0, 10, 5), (11, 0, 20, 5)) == 0.0
    assert overlap((0, 0, 0, 5), (0, 0, 20, 5)) == 0.0
