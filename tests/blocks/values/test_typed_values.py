from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.values.amounts import parse_money
from blocks.values.currencies import parse_currency
from blocks.values.errors import InvalidValue
from blocks.values.numbers import money_text, number_languages, number_text, parse_integer, parse_number
from blocks.values.typed_values import (
    fold,
    is_assigned_phone,
    parse_email,
    parse_enum,
    parse_iban,
    parse_phone,
    squeeze,
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


@pytest.mark.parametrize(
    ("text", "languages", "number"),
    [
        ("1.234.567", ENGLISH, "1234567"), ("12,34,567.50", ENGLISH, "1234567.50"), ("1,234", ENGLISH, "1234"),
        ("1,234", GERMAN, "1.234"), ("0,123", ENGLISH, "0.123"), (",123", ENGLISH, "0.123"),
        ("1234,567", ENGLISH, "1234.567"),
        ("1.5", GERMAN, "1.5"), ("1,234", ("pt-BR",), "1.234"), ("-7", ENGLISH, "-7"), ("\u22127", ENGLISH, "-7"),
        ("+7", ENGLISH, "7"), ("(7)", ENGLISH, "-7"), ("7-", ENGLISH, "-7"), ("1\u20092", ENGLISH, "12"),
    ],
)  # fmt: skip
def test_separators_group_thousands_or_part_decimals(text: str, languages: tuple[str, ...], number: str) -> None:
    assert parse_number(text, languages) == Decimal(number)


@pytest.mark.parametrize("text", ["1,2,345", "1.2345.678", "1.234,5.6", "12.34.5", ".", "1,", "--", "1a", "1..2"])
def test_what_no_language_writes_is_no_number(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no number"):
        parse_number(text)


def test_a_document_writes_numbers_as_most_of_its_amounts_are_written() -> None:
    assert number_languages(["27,50 and 1,20", "3.00"], ("en", "de")) == GERMAN
    assert number_languages(["27,50", "3.00"], ("en", "de")) == ("en", "de"), "neither has more"
    assert number_languages(["27,50"], ENGLISH) == ENGLISH, "a type keeps its languages where none fits"
    assert number_languages(["1,250 and 3,1"], ("en", "de")) == ("en", "de"), "no amounts of two decimals"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("5 kr SEK", None), ("HK$ 5", "5.00"), ("5 zł", "5.00"), ("5 ₹", "5.00"), ("EUR EUR 5", "5.00")],
)
def test_money_has_known_currency_words_only(text: str, amount: str | None) -> None:
    if amount is None:
        with pytest.raises(InvalidValue, match="is no amount of money"):
            parse_money(text)
    else:
        assert money_text(parse_money(text)) == amount


@pytest.mark.parametrize("text", ["EURO5", "XXQ", "", "E", "dollarsign"])
def test_other_words_are_no_currency(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no currency"):
        parse_currency(text)


def test_numbers_have_no_zeros_at_their_end() -> None:
    assert [number_text(Decimal(text)) for text in ("7.50", "7.00", "700", "0.0", "-0.10")] == [
        "7.5",
        "7",
        "700",
        "0",
        "-0.1",
    ]
    assert [money_text(Decimal(text)) for text in ("0", "-0.5", "1E+3", "7.125")] == [
        "0.00",
        "-0.50",
        "1000.00",
        "7.125",
    ]


def test_integers_have_no_fraction() -> None:
    assert parse_integer(" 1,200 ") == 1200
    assert parse_integer("7.0") == 7
    with pytest.raises(InvalidValue, match="is no whole number"):
        parse_integer("7.5")


@pytest.mark.parametrize("text", ["ann@example", "ann example@x.org", "@example.org", "ann@-x.org", "a@b.c"])
def test_what_is_no_e_mail_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no e-mail address"):
        parse_email(text)
    assert parse_email(" <Ann.Moss@Example.ORG>; ") == "Ann.Moss@example.org"


def test_an_enum_names_some_of_its_values_where_it_refuses_another() -> None:
    assert parse_enum("In_Transit", ("lost", "in transit")) == "in transit"
    assert parse_enum("ÉTÉ", ("ete",)) == "ete"
    with pytest.raises(InvalidValue, match="'sent' is no one of lost, done"):
        parse_enum("sent", ("lost", "done"))


def test_an_assigned_telephone_number_goes_before_one_of_the_right_length() -> None:
    assert parse_phone("(650) 253-0000", ("en",)) == "+16502530000"
    assert is_assigned_phone("+16502530000")
    assert not is_assigned_phone("+15550000000")
    with pytest.raises(InvalidValue, match="is no telephone number"):
        parse_phone("seven", GERMAN)


def test_a_message_shows_no_more_than_80_characters_of_a_value() -> None:
    assert str(InvalidValue("x" * 100, "date")) == f"'{'x' * 80}' is no date"


def test_squeezed_text_has_single_blanks() -> None:
    assert squeeze("  a \n\t b\u00a0c ") == "a b c"
    assert fold("\u2019 A\u00ad\u2013b") == "'a-b"


@pytest.mark.parametrize("raw", [["7"], {"a": 7}, True])
def test_a_scalar_field_takes_no_list_object_or_boolean(raw: JsonValue) -> None:
    with pytest.raises(InvalidValue):
        typed_value(DocumentField(type=FieldType.NUMBER), raw)


def test_a_list_has_each_item_once_and_no_blanks() -> None:
    assert typed_value(DocumentField(type=FieldType.LIST), ["a ", None, "", "A", 7]) == ["a", "7"]


def test_a_row_of_a_table_has_every_column() -> None:
    table = DocumentField(type=FieldType.TABLE, columns={"day": DocumentField(type=FieldType.DATE)})
    assert typed_value(table, [{"other": 1}]) == [{"day": None}]
    with pytest.raises(InvalidValue, match="list of rows"):
        typed_value(table, ["a row"])
