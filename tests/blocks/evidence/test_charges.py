"""Rows that add to a sum: what they are, and where they count."""

from decimal import Decimal

import pytest

from blocks.evidence.charges import between, charge_of, sums_with
from blocks.records import Evidence, Page

ENGLISH = ("en",)


@pytest.mark.parametrize(
    ("line", "added"),
    [
        ("Shipping  GBP 10.00", ["10.00"]),
        ("Versandkosten 4,90 EUR", ["4.90"]),
        ("Frais de port   12,50 €", ["12.50"]),
        ("Eco levy 5.00", ["5.00"]),
        ("Pfand 2,25", ["2.25"]),
        ("Service charge 12.5%  18.00", ["18.00"]),
        ("Voucher SPRING  -50.00", ["-50.00"]),
        ("Discount 5%  62.00", ["62.00", "-62.00"]),
        ("Deposit paid  GBP -88.00", ["-88.00"]),
        ("Rounding 0.44", ["0.44", "-0.44"]),
    ],
)
def test_a_row_is_one_by_its_words_and_has_one_amount(line: str, added: list[str]) -> None:
    charge = charge_of(line, ("de", "fr", "en"))
    assert charge is not None
    assert charge.added == tuple(map(Decimal, added))


@pytest.mark.parametrize(
    "line",
    [
        "VAT on shipping 20%  2.00",
        "PST 7%  84.00",
        "IRPF -15 %  -150.00",
        "CIS deduction -50.00",
        "incl. shipping 10.00",
        "Subtotal with delivery 1,250.00",
        "Weight 6.00",
        "Paid by card 6.00",
        "Rounding 4.40",
        "Shipping 10.00 12.00",
        "Shipping 10",
        "Shipping  10.00 per parcel to all places on the mainland",
        "Shipping",
    ],
)
def test_taxes_payments_totals_and_rows_without_such_a_word_are_none(line: str) -> None:
    assert charge_of(line, ENGLISH) is None


def evidence(quote: str, page: int = 1) -> tuple[Evidence, ...]:
    return (Evidence(page=page, quote=quote),)


def added_between(text: str) -> set[str]:
    pages = (Page(number=1, method="parsed", text=text),)
    charges = between([evidence("200.00"), evidence("40.00")], evidence("246.00"), pages, ENGLISH)
    return {str(amount) for amount in sums_with(charges)}


def test_only_rows_between_the_parts_and_the_total_count() -> None:
    assert added_between("Net 200.00\nVAT 20% 40.00\nTip 6.00\nTotal 246.00") == {"0", "6.00"}
    assert added_between("Net 200.00\nTip 6.00\nVAT 20% 40.00\nTotal 246.00") == {"0", "6.00"}
    assert added_between("Tip 6.00\nNet 200.00\nVAT 20% 40.00\nTotal 246.00") == {"0"}
    assert added_between("Net 200.00\nVAT 20% 40.00\nTotal 246.00\nTip 6.00") == {"0"}


def test_the_parts_and_the_total_stand_close_together_and_the_total_below() -> None:
    assert added_between("Net 200.00\nVAT 20% 40.00\n" + "Please pay.\n" * 20 + "Tip 6.00\nTotal 246.00") == {"0"}
    assert added_between("Total 246.00\nNet 200.00\nTip 6.00\nVAT 20% 40.00") == {"0"}


def test_of_a_total_printed_twice_the_one_by_its_parts_counts() -> None:
    assert added_between("Net 200.00\nVAT 40.00\nTotal 246.00\nTip 6.00\nAmount due 246.00") == {"0"}
    assert added_between("Amount due 246.00\nNet 200.00\nVAT 40.00\nTip 6.00\nTotal 246.00") == {"0", "6.00"}


def test_a_quote_is_no_piece_of_a_longer_number() -> None:
    assert added_between("Net 1,200.00\nVAT 40.00\nTip 6.00\nTotal 246.00") == {"0"}


def test_rows_add_up_in_all_ways() -> None:
    assert added_between("Net 200.00\nVAT 40.00\nTip 6.00\nPost voucher 2.00\nTotal 246.00") == {
        "0", "6.00", "2.00", "-2.00", "8.00", "4.00",
    }  # fmt: skip
