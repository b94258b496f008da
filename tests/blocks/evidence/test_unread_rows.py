"""Lines that look like rows of a table and were not read; totals, notes and rows that were read are none."""

import pytest

from blocks.evidence.unread_rows import unread_rows
from blocks.records import Evidence, Page

TEXT = """Item            Quantity   Price   Amount
Tea                    2    3.00     6.00
Cake                   1    4.50     4.50
  with a candle
Bread                  3    2.00     6.00
Milk                   1    1.20     1.20
Subtotal                            17.70
VAT 7 %                              1.24
Total                               18.94
Paid on 3 May 2026 by card 4711
"""
LINES = TEXT.splitlines()
TEA, CAKE, BREAD, MILK = LINES[1], LINES[2], LINES[4], LINES[5]


def unread(*rows: str, others: tuple[str, ...] = (), text: str = TEXT) -> tuple[str, ...]:
    page = Page(number=1, method="parsed", text=text)
    quotes = [[Evidence(page=1, quote=quote) for quote in group] for group in (rows, others)]
    return unread_rows(page, *quotes)


def test_where_every_row_was_read_there_is_none() -> None:
    assert unread(TEA, CAKE, BREAD, MILK) == ()


@pytest.mark.parametrize(
    ("read", "missing"),
    [
        ((TEA, BREAD, MILK), ("Cake 1 4.50 4.50",)),
        ((TEA, CAKE, MILK), ("Bread 3 2.00 6.00",)),
        ((TEA, MILK), ("Cake 1 4.50 4.50", "Bread 3 2.00 6.00")),
        ((CAKE, BREAD, MILK), ("Tea 2 3.00 6.00",)),
        ((TEA, CAKE), ("Bread 3 2.00 6.00", "Milk 1 1.20 1.20")),
    ],
)
def test_a_row_among_those_that_were_read_is_named(read: tuple[str, ...], missing: tuple[str, ...]) -> None:
    assert unread(*read) == missing


def test_what_another_field_quotes_ends_the_table() -> None:
    assert unread(CAKE, BREAD, MILK, others=("Tea",)) == ()
    assert unread(TEA, CAKE, others=("Bread",)) == ()


def test_a_table_with_a_single_column_of_numbers_is_not_searched_below_its_last_row() -> None:
    text = "Tea      6.00\nCake     4.50\nMilk     1.20\nTotal   11.70\n"
    assert unread("Tea      6.00", "Milk     1.20", text=text) == ("Cake 4.50",)
    assert unread("Tea      6.00", "Cake     4.50", text=text) == ()


def test_without_rows_nothing_is_known() -> None:
    assert unread() == ()
    assert unread("no line of the page") == ()
