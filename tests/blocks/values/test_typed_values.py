from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.values.typed_values import (
    InvalidValue,
    fold,
    money_text,
    parse_currency,
    parse_iban,
    parse_money,
    parse_phone,
    typed_value,
)

GERMAN = ("de",)
ENGLISH = ("en",)


@pytest.mark.parametrize(
    ("text", "languages", "amount"),
    [
        ("1.234,56", ENGLISH, "1234.56"),
        ("1,234.56", GERMAN, "1234.56"),
        ("1'234.56", ENGLISH, "1234.56"),
        ("1 234,56 €", ("fr",), "1234.56"),
        ("1\u202f234,56 €", ("fr",), "1234.56"),
        ("€ -5,00", GERMAN, "-5.00"),
        ("5,00-", GERMAN, "-5.00"),
        ("(3.20)", ENGLISH, "-3.20"),
        ("RM 15.90", ENGLISH, "15.90"),
        ("Rs 1939", ENGLISH, "1939.00"),
        ("EUR 34,73", GERMAN, "34.73"),
        ("3.441.812 Euros", ("fr",), "3441812.00"),
        (".50", ENGLISH, "0.50"),
    ],
)
def test_money_is_read_in_any_notation(text: str, languages: tuple[str, ...], amount: str) -> None:
    assert money_text(parse_money(text, languages)) == amount


def test_a_single_separator_before_three_digits_follows_the_language() -> None:
    assert parse_money("1.234", GERMAN) == 1234
    assert parse_money("9.000", ENGLISH) == 9
    assert parse_money("1.234", ("de", "en")) == 1234, "where languages differ, it groups thousands"
    assert parse_money("0.500", GERMAN) == Decimal("0.5")


@pytest.mark.parametrize("text", ["", "twelve", "12 apples", "1.2.3,4,5", "19/03/2018", "12:30"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_money(text)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_a_typed_amount_is_typed_the_same_again(amount: Decimal) -> None:
    field = DocumentField(type=FieldType.MONEY)
    once = typed_value(field, money_text(amount), ("de", "fr", "en"))
    assert typed_value(field, once, ("de", "fr", "en")) == once
    assert Decimal(str(once)) == amount


def test_money_keeps_decimals_that_say_something() -> None:
    assert money_text(Decimal("9.9000")) == "9.90"
    assert money_text(Decimal("0.0205")) == "0.0205"
    assert money_text(Decimal(-7)) == "-7.00"


@pytest.mark.parametrize(
    ("text", "code"), [("€", "EUR"), ("RM", "MYR"), ("chf", "CHF"), ("Rs.", "INR"), ("US$", "USD")]
)
def test_currencies_have_one_code(text: str, code: str) -> None:
    assert parse_currency(text) == code


def test_an_iban_with_a_wrong_checksum_is_refused() -> None:
    assert parse_iban("IBAN DE02 1203 0000 0000 2020 51") == "DE02120300000000202051"
    with pytest.raises(InvalidValue):
        parse_iban("DE03120300000000202051")


def test_a_national_number_is_read_by_the_languages_country() -> None:
    assert parse_phone("0711 123456", GERMAN) == "+49711123456"
    assert parse_phone("+33 4 72 07 08 56", GERMAN) == "+33472070856"


def test_text_is_compared_without_case_accents_and_blanks() -> None:
    assert fold("Straße  des Étangs") == fold("STRASSE DES ETANGS")


def test_typed_values_have_the_form_of_results() -> None:
    assert typed_value(DocumentField(type=FieldType.DATE), "3. März 2024", GERMAN) == "2024-03-03"
    assert typed_value(DocumentField(type=FieldType.INTEGER), "1.200", GERMAN) == 1200
    assert typed_value(DocumentField(type=FieldType.EMAIL), "mailto:Ann@Example.ORG") == "Ann@example.org"
    assert typed_value(DocumentField(type=FieldType.LIST), "Python, SQL,python") == ["Python", "SQL"]
    assert typed_value(DocumentField(type=FieldType.TEXT), "  ") is None
    status = DocumentField(type=FieldType.ENUM, enum=("IN-TRANSIT", "DONE"))
    assert typed_value(status, "in transit") == "IN-TRANSIT"


def test_a_table_types_its_columns_and_blanks_what_is_none_of_theirs() -> None:
    table = DocumentField(
        type=FieldType.TABLE,
        columns={"name": DocumentField(type=FieldType.TEXT), "price": DocumentField(type=FieldType.MONEY)},
    )
    rows: JsonValue = [{"name": "Apple ", "price": "1,50"}, {"name": "Pear", "price": "free"}]
    assert typed_value(table, rows, GERMAN) == [{"name": "Apple", "price": "1.50"}, {"name": "Pear", "price": None}]
    with pytest.raises(InvalidValue):
        typed_value(table, "Apple 1,50", GERMAN)
