"""Numbers whose figures stand apart, and rows of numbers that are none."""

import pytest

from blocks.reader.spaced_out import spaced_numbers, spaced_texts
from tests.blocks.reader.test_traps import INVOICE, reading


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in spaced_numbers(text)]


@pytest.mark.parametrize(
    "written",
    ["1 2 3 4.56", "1 2 3 4 . 5 6", "1 , 2 3 4 . 5 6", "2 4 0 . 0 0", "2 4 0.00", "1 . 2 3 4 , 5 6", "£1 2 3 4,56",
     "1 2 3 4", "1, 234.56", "1 ,234.56", "1. 234,56", "GBP 12 34.56", "€ 1 2.50"],
)  # fmt: skip
def test_figures_that_stand_apart_are_one_number(written: str) -> None:
    assert pieces(f"Total {written}") == [written]


@pytest.mark.parametrize(
    "row",
    ["1 2 3.50 7.00", "12 3 4 5.00", "1 234.56", "1 234 567.89", "2 x 40.00", "7 12.34", "GBP 1 234.56", "VAT 7 12.34",
     "1  2  3  4.56", "3, 4 and 5", "10.00 2 0 0"],
)  # fmt: skip
def test_numbers_side_by_side_are_several(row: str) -> None:
    assert pieces(row) == []


def test_texts_that_are_spaced_out() -> None:
    text = "Invoice number: K W - 3 1 1"
    assert [text[start:end] for start, end in spaced_texts(text)] == ["K W - 3 1 1"]
    assert spaced_texts("Invoice KW 311 of 4 March") == ()


@pytest.mark.parametrize("written", ["1 2 3 4.56", "2 4 0 . 0 0", "1 , 2 3 4 . 5 6", "1, 234.56", "1 2 3 4"])
@pytest.mark.parametrize("form", ["Total {} GBP", "Total: GBP {}", "Total GBP {}\nThank you\nCarriage GBP 12.00"])
def test_no_piece_of_a_spaced_out_number_is_the_total(form: str, written: str) -> None:
    found = reading(totals=form.format(written))
    assert "grand_total" not in found or found["grand_total"].confidence < INVOICE.review.accept_at


def test_no_piece_of_a_spaced_out_number_is_the_invoice_s() -> None:
    found = reading("Invoice number: K W - 3 1 1\nInvoice date: 4 March 2024")
    assert "invoice_number" not in found or found["invoice_number"].confidence < INVOICE.review.accept_at
