"""What in a cell may be a value, by the field's type."""

import pytest

from blocks.document_types.schema import DocumentField, FieldHints, FieldType
from blocks.reader.candidates import (
    MISTYPED_IBAN,
    MISTYPED_IBAN_OF_LENGTH,
    UNUSUAL_ORDER,
    candidates,
    has_amount,
    identifier,
)
from blocks.reader.lines import Cell
from blocks.values.currencies import is_currency_word
from blocks.values.notation import Notation

NOTATION = Notation(("en", "de"), ("en", "de"))


def cell(text: str) -> Cell:
    return Cell(1, text, 0, len(text), 0)


def values(kind: FieldType, text: str, pattern: str | None = None) -> list[str]:
    field = DocumentField(type=kind, hints=FieldHints(pattern=pattern))
    return [found.value for found in candidates(field, cell(text), NOTATION)]


def weight(kind: FieldType, text: str) -> float:
    (found,) = candidates(DocumentField(type=kind), cell(text), NOTATION)
    return found.weight


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Total RM48.10", ["48.10"]),
        ("1.234,56 EUR and 7,00", ["1234.56", "7.00"]),
        ("19 % of 100.00", ["100.00"]),
        ("19% VAT", []),
        ("-5.00", ["-5.00"]),
        ("5.00-", ["-5.00"]),
        ("5.00-7.00", ["5.00", "7.00"]),
        ("€ -5.00", ["-5.00"]),
        ("on 03.05.2024 at 18:03", []),
        ("DE02 1203 0000 0000 2020 51", []),
        ("123456789", []),
        ("12/34", []),
        ("48.10kg", []),
        ("9.00 SR", ["9.00"]),
        (".50", ["0.50"]),
        ("A48.10", []),
    ],
)
def test_amounts_are_no_dates_times_rates_codes_or_quantities(text: str, amounts: list[str]) -> None:
    assert values(FieldType.MONEY, text) == amounts


def test_an_amount_is_likelier_with_decimals_a_currency_and_a_value() -> None:
    assert weight(FieldType.MONEY, "48.10") > weight(FieldType.MONEY, "48.1") > weight(FieldType.MONEY, "48")
    assert weight(FieldType.MONEY, "EUR 48.10") > weight(FieldType.MONEY, "48.10") > weight(FieldType.MONEY, "0.00")
    assert weight(FieldType.MONEY, "EUR 48") > weight(FieldType.MONEY, "48") + 2
    assert weight(FieldType.MONEY, "19 % of 48.10") == weight(FieldType.MONEY, "48.10") - 2.0


def test_the_quote_of_an_amount_has_its_sign() -> None:
    (found,) = candidates(DocumentField(type=FieldType.MONEY), cell("Discount € -5.00"), NOTATION)
    assert found.quote == "-5.00"
    assert found.place == (0, 11)


def test_numbers_and_integers() -> None:
    assert values(FieldType.NUMBER, "433.20 kg in 7 boxes, 18:03") == ["433.2", "7"]
    assert values(FieldType.INTEGER, "433.20 kg in 7 boxes") == ["7"]


def test_dates_of_unusual_years_or_of_an_unsure_order_weigh_less() -> None:
    assert values(FieldType.DATE, "3 May 2024 to 2024-06-01") == ["2024-06-01", "2024-05-03"]
    assert values(FieldType.DATE, "03/05/2024") == ["2024-05-03", "2024-03-05"]
    first, second = candidates(DocumentField(type=FieldType.DATE), cell("03/05/2024"), NOTATION)
    assert first.weight == weight(FieldType.DATE, "13/05/2024") == second.weight + UNUSUAL_ORDER
    assert weight(FieldType.DATE, "13.05.1975") == weight(FieldType.DATE, "13.05.2024") - 1.5


def test_an_iban_ends_before_the_word_behind_it() -> None:
    assert values(FieldType.IBAN, "IBAN DE02 1203 0000 0000 2020 51 BIC BYLADEM1001") == ["DE02120300000000202051"]
    assert weight(FieldType.IBAN, "DE02 1203 0000 0000 2020 51") == 3.0


def test_an_iban_with_a_wrong_checksum_is_kept_as_printed() -> None:
    (found,) = candidates(DocumentField(type=FieldType.IBAN), cell("DE03 1203 0000 0000 2020 51 SWIFT"), NOTATION)
    assert (found.value, found.weight) == ("DE03120300000000202051", MISTYPED_IBAN_OF_LENGTH)
    (short,) = candidates(DocumentField(type=FieldType.IBAN), cell("DE03 1203 0000 0000 2020"), NOTATION)
    assert (short.value, short.weight) == ("DE03120300000000202020"[:20], MISTYPED_IBAN)


@pytest.mark.parametrize("text", ["1,4?8.00", "1,48?.00", "1,4\ufffd8.00", "1,4*8.00", "1488€00"])
def test_a_piece_of_an_amount_that_cannot_be_read_is_no_amount(text: str) -> None:
    assert not {"8.00", "7.00", "1.00", "0.00", "1.40"} & set(values(FieldType.MONEY, f"Total {text}"))


@pytest.mark.parametrize("text", ["**1,488.00**", "***1,488.00"])
def test_asterisks_around_an_amount_are_none_of_its_figures(text: str) -> None:
    assert values(FieldType.MONEY, text) == ["1488.00"]


@pytest.mark.parametrize("blank", ["\u202f", "\u2009", "\u2007", "\u00a0"])
def test_narrow_blanks_group_thousands(blank: str) -> None:
    assert values(FieldType.MONEY, f"1{blank}488,00 €")[0] == "1488.00"


def test_telephone_numbers_are_no_dates_and_no_order_numbers() -> None:
    assert values(FieldType.PHONE, "Tel 0711 123456 since 03.05.2024") == ["+49711123456"]
    assert values(FieldType.PHONE, "order 12345678") == []
    assert values(FieldType.PHONE, "Tel 12 34 5") == []
    assert weight(FieldType.PHONE, "+49 711 123456") > weight(FieldType.PHONE, "0711 123456")


def test_e_mail_addresses() -> None:
    assert values(FieldType.EMAIL, "write to Ann@Example.ORG, or call") == ["Ann@example.org"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("€ 5", ["EUR"]),
        ("all in EUR", ["EUR"]),
        ("ALL the best", []),
        ("ALL 500.00", ["ALL"]),
        ("500.00 ALL", ["ALL"]),
        ("RM48.10", ["MYR"]),
        ("euros", ["EUR"]),
        ("eur", []),
    ],
)
def test_currency_words_that_are_other_words_too_need_an_amount_beside_them(text: str, codes: list[str]) -> None:
    assert values(FieldType.CURRENCY, text) == codes


def test_a_pattern_keeps_what_it_matches_as_a_whole() -> None:
    assert values(FieldType.INTEGER, "7 or 12345", pattern=r"\d{5}") == ["12345"]
    assert values(FieldType.TEXT, "see AB-12 and CD-345", pattern=r"[A-Z]{2}-\d+") == ["AB-12", "CD-345"]
    assert values(FieldType.TEXT, "see AB-12") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("No. 4711", "4711"),
        ("F 1234/20", "F 1234/20"),
        ("(copy) 4711", "4711"),
        ("INV-77.", "INV-77"),
        ("of 3 May 2024", None),
        ("one two three four five 6", None),
        ("four words before it 6", "6"),
        ("without digits", None),
    ],
)
def test_an_identifier_has_a_digit_and_may_have_a_prefix(text: str, value: str | None) -> None:
    found = identifier(cell(text), 0, len(text), NOTATION)
    assert (found and found.value) == value


def test_an_identifier_loses_by_words_before_it_and_by_looking_like_an_amount() -> None:
    def at(text: str) -> float:
        found = identifier(cell(text), 0, len(text), NOTATION)
        assert found is not None
        return found.weight

    assert at("4711") == at("No. 4711") == 0.0
    assert at("for 4711") == -0.5
    assert at("48.10") == -1.5
    assert at("12") == -1.0


def test_currency_words_and_amounts() -> None:
    assert [is_currency_word(word) for word in ("EUR", "eur", "Euro", "€", "Rs.", "Total")] == [
        True, False, True, True, True, False,
    ]  # fmt: skip
    assert has_amount("Total 48.10", NOTATION)
    assert has_amount("EUR 48", NOTATION)
    assert not has_amount("48 boxes", NOTATION)
