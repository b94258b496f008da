from collections.abc import Collection
from decimal import Decimal

import pytest

from blocks.evidence.quoted_values import has_currency, has_iban, has_number, has_phone, has_text, letters
from blocks.values.amounts import numbers

BERLIN = "+49301234567"


@pytest.mark.parametrize("quote", ["0711 123456, Ref A030 1234567", "0711 123456 or 030 12345678", "0711 123456_030"])
def test_digits_glued_to_a_word_or_to_more_digits_are_no_telephone_number(quote: str) -> None:
    assert not has_phone(quote, BERLIN, ("de",))


@pytest.mark.parametrize(
    "quote", ["0711 123456, 030 1234567", "0711 123456; (030) 12345-67", "0711 123456 / 0049 30 1234567"]
)
def test_a_second_telephone_number_of_a_quote_counts_too(quote: str) -> None:
    assert has_phone(quote, BERLIN, ("de",))


def test_a_plus_must_be_followed_by_the_country() -> None:
    assert has_phone("0711 123456, +49 (0)30 1234567", BERLIN, ("de",))
    assert not has_phone("0711 123456, +30 1234567", BERLIN, ("de",))
    assert has_phone("0711 123456, 011 49 30 1234567", BERLIN, ("de",)), "011 is how North America dials abroad"


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("-5.00", "-5.00"),
        ("\u22125.00", "-5.00"),
        ("Total: -5.00", "-5.00"),
        ("Total=-5.00", "-5.00"),
        ("Total -RM 5.00", "-5.00"),
        ("€-5.00", "-5.00"),
        ("5.00-", "-5.00"),
        ("5.00 -", "-5.00"),
        ("5.00€-", "-5.00"),
        ("5.00 CR", "-5.00"),
        ("(5.00)", "-5.00"),
    ],
)
def test_a_minus_that_touches_an_amount_is_its_sign(quote: str, value: str) -> None:
    assert has_number(quote, value, ("en",))


@pytest.mark.parametrize("quote", ["-5.00", "Total: -5.00", "5.00-", "5.00\u2212", "-RM5.00", "€-5.00"])
def test_a_quote_with_a_minus_has_no_amount_without_it(quote: str) -> None:
    assert not has_number(quote, "5.00", ("en",))


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("5.00 - 7.00", "-5.00"),
        ("5.00--", "-5.00"),
        ("5.00-7.00", "-5.00"),
        ("5.00-b", "-5.00"),
        ("Total - 5.00", "-5.00"),
        ("5.00 CRATES", "-5.00"),
        ("(5.00", "-5.00"),
        ("5.00)", "-5.00"),
        ("B-5x - 9", "-9"),
    ],
)
def test_a_dash_is_no_minus(quote: str, value: str) -> None:
    assert not has_number(quote, value, ("en",))


@pytest.mark.parametrize("value", ["5.00", "-5.00"])
@pytest.mark.parametrize("quote", ["(5.00)", "Total-5.00", "- 5.00", "x\n- 5.00", "5.00 CR"])
def test_what_may_be_a_minus_or_a_mark_leaves_both_signs(quote: str, value: str) -> None:
    assert has_number(quote, value, ("en",))


def test_a_minus_behind_a_whole_number_may_be_a_dash() -> None:
    assert has_number("5-", "5", ("en",))
    assert has_number("5-", "-5", ("en",))


@pytest.mark.parametrize(
    ("quote", "languages", "right"),
    [
        ("2 150,00", ("de",), "2150.00"),
        ("12 345 678", ("fr",), "12345678"),
        ("1'234.50", ("de",), "1234.50"),
        ("1’234", ("de",), "1234"),
        (",50", ("de",), "0.50"),
        (".50", ("en",), "0.50"),
        ("12,3456", ("de",), "12.3456"),
        ("50 .00", ("en",), "50.00"),
        ("50, 00", ("de",), "50.00"),
        ("19%", ("en",), "19"),
        ("19 %", ("en",), "19"),
        ("EUR9.00", ("en",), "9.00"),
        ("x9.00kg", ("en",), "9.00"),
    ],
)
def test_a_quote_has_a_number_as_it_is_printed(quote: str, languages: tuple[str, ...], right: str) -> None:
    assert has_number(quote, right, languages)


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("12 345 678", "345678"),
        ("12 345 678", "12345"),
        ("1'234.50", "234.50"),
        ("12345", "345"),
        ("12345", "123"),
        ("9.505", "9.50"),
        ("19%", "0.19"),
        ("nineteen", "19"),
        ("7.00", "seven"),
    ],
)
def test_a_piece_of_a_number_is_no_number_of_the_quote(quote: str, value: str) -> None:
    assert not has_number(quote, value, ("en",))


def test_a_group_of_three_before_a_percent_sign_belongs_to_the_percentage() -> None:
    assert [number.value for number in numbers("1 100%", ("en",))] == [1, 100]
    assert [number.value for number in numbers("1 100", ("en",))] == [1100]


@pytest.mark.parametrize(
    ("value", "beside", "expected"),
    [
        ("150.00", [Decimal(2)], True),
        ("2", [Decimal("150.00")], True),
        ("150.00", [], False),
        ("2", [], False),
        ("150.00", [Decimal(3)], False),
        ("2", [Decimal("151.00")], False),
        ("3", [Decimal(2)], False),
    ],
)
def test_a_blank_parts_two_columns_where_a_cell_beside_has_the_other_part(
    value: str, beside: Collection[Decimal], *, expected: bool
) -> None:
    assert has_number("2 150,00", value, ("de",), beside=beside) is expected


@pytest.mark.parametrize(
    ("quote", "value", "is_integer", "expected"),
    [
        ("on 31.12.2023", "2023", True, True),
        ("on 31.12.2023", "2023", False, False),
        ("on 31.12.2023", "31", True, False),
        ("on 31.12.2023", "12", True, False),
        ("on 31.12.2023", "2024", True, False),
    ],
)
def test_of_a_date_only_the_year_is_a_whole_number(quote: str, value: str, *, is_integer: bool, expected: bool) -> None:
    assert has_number(quote, value, ("de",), is_integer=is_integer) is expected


@pytest.mark.parametrize(
    ("quote", "value"),
    [("5 pln", "PLN"), ("pln 5", "PLN"), ("PLN", "PLN"), ("(pln)", "PLN"), ("5 zł", "PLN"), ("in dollars", "USD"),
     ("5 RM", "MYR"), ("Rs. 5", "INR"), ("A$ 5", "AUD"), ("5£", "GBP"), ("fr. 5", "CHF")],
)  # fmt: skip
def test_a_quote_has_a_currency_by_its_code_sign_or_name(quote: str, value: str) -> None:
    assert has_currency(quote, value)


@pytest.mark.parametrize(
    ("quote", "value"),
    [("try 5 times", "ALL"), ("all the best", "ALL"), ("we try it", "TRY"), ("FR and DE", "CHF"),
     ("5 ft and all", "ALL"), ("US$ 5", "EUR"), ("Sparks", "RSD"), ("EURO", "USD")],
)  # fmt: skip
def test_a_word_that_looks_like_a_code_is_no_currency(quote: str, value: str) -> None:
    assert not has_currency(quote, value)


@pytest.mark.parametrize(
    ("quote", "expected"),
    [("1. May 20.50", ["1", "20.50"]), ("2,5 Mai 2024", ["2.5", "2024"]), ("am 2. Mai 2024 und 3", ["3"])],
)
def test_a_date_takes_no_piece_of_a_number_with_decimals(quote: str, expected: list[str]) -> None:
    assert [str(number.value) for number in numbers(quote, ("de",))] == expected


@pytest.mark.parametrize(
    ("quote", "signs"),
    [
        ("5", (1,)),
        ("(5.00)", (1, -1)),
        ("- 5.00", (1, -1)),
        ("€ - 5.00", (1, -1)),
        ("Total - 5.00", (1,)),
        ("Total-5.00", (1, -1)),
        ("Total -5.00", (-1,)),
        ("5.00 CR", (1, -1)),
        ("5.00-", (-1,)),
        ("5.00 -", (1, -1)),
        ("5-", (1, -1)),
    ],
)
def test_a_number_has_the_signs_that_the_marks_beside_it_allow(quote: str, signs: tuple[int, ...]) -> None:
    assert [number.signs for number in numbers(quote, ("en",))] == [signs]


def test_an_iban_needs_its_checksum() -> None:
    assert has_iban("IBAN DE02 1203 0000 0000 2020 51", "DE02120300000000202051")
    assert not has_iban("IBAN DE03 1203 0000 0000 2020 51", "DE03120300000000202051")


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("Donaudampf-\nschifffahrts-\ngesellschaft mbH", "Donaudampfschifffahrtsgesellschaft mbH"),
        ("Soft\u00adware AG", "Software AG"),
        ("C#, C++ and C", "C#"),
        ("C, C#", "C"),
        ("A/B Testing", "A B testing"),
        ("Meridlan Steel 24 Ltd", "Meridian Steel 24 Ltd"),
        ("Rue de l’Étang", "rue de l'etang"),
        ("東京都千代田区", "千代田"),
    ],
)
def test_a_quote_has_its_words_whatever_their_marks(quote: str, value: str) -> None:
    assert has_text(quote, value)


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        ("C# and C++", "C"),
        ("Meridlan Steel 25 Ltd", "Meridian Steel 24 Ltd"),
        ("Meridlan", "Merilian"),
        ("Steel", "Steal"),
        ("Steel Ltd", ""),
        ("Steel Ltd", "--"),
        ("Meridian Steelworks Ltd", "Meridian Steel"),
        ("Completely other words", "Meridian Steel Holdings"),
    ],
)
def test_a_quote_has_no_other_words_and_no_pieces_of_words(quote: str, value: str) -> None:
    assert not has_text(quote, value)


def test_only_names_keep_their_signs_among_letters() -> None:
    assert [letters(text) for text in ("C++", "C#", "#5", "a+b", "5+", "C+ +")] == ["c++", "c#", "5", "ab", "5", "c+"]
