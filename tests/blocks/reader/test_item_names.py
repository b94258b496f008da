"""The names of a table's rows, from the lines of their column."""

import pytest

from blocks.reader.item_names import NameColumn, goes_on, without_description
from blocks.reader.lines import read_rows
from tests.blocks.reader.drawn_pages import draw


def name(*texts: tuple[float, float, str], row: int = 0, others: tuple[int, ...] = ()) -> str:
    page = draw(*texts)
    rows = read_rows((page,))
    column = NameColumn(rows, (page,), 40.0, 200.0, {row})
    return " ".join(cell.text for cell in column.name(row, others))


def test_a_line_whose_first_word_had_no_room_above_goes_on_with_the_name() -> None:
    assert (
        name((40, 100, "Oak board, planed"), (40, 112, "smooth on one side")) == "Oak board, planed smooth on one side"
    )


def test_a_line_that_had_room_above_is_a_description() -> None:
    assert name((40, 100, "Oak"), (40, 112, "planed smooth, with a certificate")) == "Oak"


@pytest.mark.parametrize(
    "second",
    [
        (40, 112, "Art.-Nr.: 4711"),
        (40, 112, "4012345001235"),
        (40, 140, "on one side, smooth"),
        (52, 112, "smooth on one side"),
    ],
)
def test_codes_notes_and_lines_of_elsewhere_are_no_part_of_a_name(second: tuple[float, float, str]) -> None:
    assert name((40, 100, "Oak board, planed"), second) == "Oak board, planed"


def test_the_next_row_of_the_table_ends_a_name() -> None:
    assert name((40, 100, "Oak board, planed"), (40, 112, "Beech board, planed"), others=(1,)) == "Oak board, planed"


def test_only_the_words_of_the_column_count() -> None:
    assert name((10, 100, "1"), (40, 100, "Oak board"), (220, 100, "4.00")) == "Oak board"


@pytest.mark.parametrize(
    ("text", "following", "expected"),
    [
        ("Oak board", "planed smooth", True),
        ("Oak, ash and", "Beech", False),
        ("Oak -", "Beech", True),
        ("Oak", "Beech", False),
    ],
)
def test_a_line_of_text_goes_on_where_it_begins_small_or_the_name_ends_openly(
    text: str, following: str, *, expected: bool
) -> None:
    assert goes_on(text, following) is expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Balloons: red, 500 ml", "Balloons"),
        ("Hot air (litre): fresh", "Hot air (litre)"),
        ("Hot air:", "Hot air"),
        ("GTIN: 4012345001235 Oak", "GTIN: 4012345001235 Oak"),
        ("Ratio 1:2 mix", "Ratio 1:2 mix"),
        ("A: Oak", "A: Oak"),
    ],
)
def test_a_colon_parts_a_name_from_its_description(text: str, name: str) -> None:
    assert without_description(text) == name
