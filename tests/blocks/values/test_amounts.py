"""The grammar of numbers and amounts in running text."""

from decimal import Decimal

import pytest

from blocks.values.amounts import Number, numbers, parse_money
from blocks.values.errors import InvalidValue

ENGLISH = ("en",)


def only(text: str, languages: tuple[str, ...] = ENGLISH) -> Number:
    (found,) = numbers(text, languages)
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 500.00", "1500.00"),
        ("1\u00a0500.00", "1500.00"),
        ("1\u202f500,00", "1500.00"),
        ("12 924 500.00", "12924500.00"),
        ("1'234.50", "1234.50"),
        ("1’234’567.50", "1234567.50"),
        ("1´234.50", "1234.50"),
        ("1,00,000.00", "100000.00"),
        ("12,34,567.50", "1234567.50"),
        ("1.234.567,89", "1234567.89"),
        ("1'500.-", "1500"),
        ("12,--", "12"),
        ("1,2\u200b34.50", "1234.50"),
        ("\ufeff1\u00a0234\u2060,50", "1234.50"),
        ("1,234⁵⁰", "1234.50"),
        ("1.234⁵⁰", "1234.50"),
        ("12⁹⁹", "12.99"),
    ],
)
def test_thousands_are_grouped_by_blanks_points_commas_and_apostrophes(text: str, value: str) -> None:
    assert only(text).value == Decimal(value)


@pytest.mark.parametrize(
    ("text", "signed", "quote"),
    [
        ("Total GBP (240.00)", "-240.00", "(240.00)"),
        ("(£240.00)", "-240.00", "(£240.00)"),
        ("(GBP 240.00)", "-240.00", "(GBP 240.00)"),
        ("240.00 CR", "-240.00", "240.00 CR"),
        ("240.00CR", "-240.00", "240.00CR"),
        ("240.00 DR", "240.00", "240.00"),
        ("240.00-", "-240.00", "240.00-"),
        ("240.00 -", "-240.00", "240.00 -"),
        ("- 240.00", "-240.00", "- 240.00"),
        ("-£240.00", "-240.00", "-£240.00"),
        ("£-240.00", "-240.00", "-240.00"),
        ("Oak board  - 240.00", "-240.00", "- 240.00"),
        ("Oak board - 240.00", "240.00", "240.00"),
        ("Total (3)", "3", "3"),
        ("192.00 (32.00)", "32.00", "32.00"),
    ],
)
def test_the_likelier_sign_is_that_of_the_marks_beside_the_number(text: str, signed: str, quote: str) -> None:
    found = numbers(text, ENGLISH)[-1]
    assert (found.signed, text[found.first : found.last]) == (Decimal(signed), quote)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("A$220.00", "A$"),
        ("NZ$ 5.00", "NZ$"),
        ("CDN$ 226.00", "CDN$"),
        ("226.00 CAD", "CAD"),
        ("RM48.10", "RM"),
        ("Rs.500", "Rs."),
        ("(GBP 5.00)", "GBP"),
        ("5.00 kg", ""),
        ("Total 5.00", ""),
    ],
)
def test_a_number_knows_the_currency_beside_it(text: str, currency: str) -> None:
    assert only(text).currency == currency


def test_a_blank_may_part_two_numbers() -> None:
    joined = only("4 100.00")
    assert joined.value == Decimal("4100.00")
    assert [(part.value, part.start) for part in joined.parts] == [(Decimal(4), 0), (Decimal("100.00"), 2)]
    assert only("12 345 678", ("fr",)).parts == ()


def test_figures_of_a_date_are_no_numbers() -> None:
    assert [number.value for number in numbers("on 12.03.2025: 5.00", ("de",))] == [Decimal("5.00")]


@pytest.mark.parametrize(
    ("text", "value"),
    [("(£240.00)", "-240.00"), ("240.00 CR", "-240.00"), ("DR", None), ("240.00 DR", "240.00"),
     ("NZ$ 1 500.00", "1500.00"), ("CDN$ 5", "5"), ("XQ$ 5", None), ("₦ 5.00", "5.00")],
)  # fmt: skip
def test_a_complete_text_is_an_amount_with_its_marks(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(InvalidValue):
            parse_money(text)
    else:
        assert parse_money(text) == Decimal(value)


def test_a_number_with_characters_of_no_width_or_raised_decimals_covers_them() -> None:
    text = "Total\u200b GBP 1,2\u200b34⁵⁰ due, deposit 2\u200b0.00"
    found = numbers(text, ENGLISH)
    assert [(text[number.start : number.end], number.value) for number in found] == [
        ("1,2\u200b34⁵⁰", Decimal("1234.50")), ("2\u200b0.00", Decimal("20.00")),
    ]  # fmt: skip
    assert found[0].currency == "GBP"


def test_a_raised_note_is_no_part_of_the_number() -> None:
    assert only("1,234.50¹").value == Decimal("1234.50")
    assert only("1,234.50¹²").value == Decimal("1234.50")
    assert only("1234¹").value == Decimal(1234)
