"""Parses text to typed values: money, dates, IBANs as documents of several languages write them.

Score uses it to recognise candidates, validate to type what a model read, evidence to check that a quote yields a
value. Results hold typed values: money and numbers as decimal strings, dates as ISO, integers as integers.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.values.dates import parse_date

NUMERIC = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER})
MINUS_SIGNS = "-\u2212\u2013\u2012"
SPACES = " \u00a0\u202f\u2009"
CURRENCY_SIGNS = {
    "€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "฿": "THB",
    "₫": "VND", "₱": "PHP", "₴": "UAH", "US$": "USD", "S$": "SGD", "A$": "AUD", "C$": "CAD", "HK$": "HKD", "R$": "BRL",
    "RM": "MYR", "RS": "INR", "RP": "IDR", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "SFR": "CHF", "FR": "CHF",
    "EURO": "EUR", "EUROS": "EUR", "DOLLAR": "USD", "DOLLARS": "USD", "POUND": "GBP", "POUNDS": "GBP",
    "RINGGIT": "MYR", "FRANKEN": "CHF", "RUPEES": "INR",
}  # fmt: skip
NUMBER = re.compile(
    rf"\d{{1,3}}(?:[.,'’{SPACES}]\d{{3}})+(?:[.,]\d{{1,5}})?(?!\d)|\d+(?:[.,]\d{{1,5}})?(?!\d)|[.,]\d\d(?!\d)"
)
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{2,3}(?:\1\d{2,3})*)?")
"""Digits in groups of three, or of two as in India, parted by one sign."""
EMAIL = re.compile(r"[\w.+%-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_TWO_DECIMALS = {sign: re.compile(rf"\d{re.escape(sign)}\d\d(?![\d.,])") for sign in ",."}
COUNTRY_OF_LANGUAGE = {"de": "DE", "fr": "FR", "en": "GB", "nl": "NL", "it": "IT", "es": "ES", "pl": "PL", "ms": "MY"}


class InvalidValue(ValueError):
    """A text that is no value of the wanted type."""

    def __init__(self, raw: object, wanted: str) -> None:
        super().__init__(f"{str(raw)[:80]!r} is no {wanted}")


def squeeze(text: str) -> str:
    """Text with single blanks for white space, and none at its ends."""
    return " ".join(text.split())


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Text as it is compared: without case, accents, white space, compatibility forms and typographic marks."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    kept = "".join(c for c in decomposed if not unicodedata.combining(c) and not c.isspace())
    return kept.translate({0x2019: "'", 0x2018: "'", 0x2010: "-", 0x2011: "-", 0x2013: "-", 0x2212: "-", 0xAD: None})


def parse_number(text: str, languages: tuple[str, ...] = ("en",)) -> Decimal:
    """The number that the complete `text` is.

    Of two different separators the last parts the decimals. A separator that repeats groups thousands. A single
    separator before exactly three digits has its meaning in `languages` (Unicode CLDR, by babel), and groups thousands
    where they differ. Raises `InvalidValue`.
    """
    body = "".join(c for c in text if c not in SPACES and c not in "'’\t").strip()
    negative = bool(re.match(rf"^\(.*\)$|^[{MINUS_SIGNS}]|.*[{MINUS_SIGNS}]$", body))
    body = body.strip("()" + MINUS_SIGNS + "+")
    if not re.fullmatch(r"\d*(?:[.,]\d+)*", body) or not any(c.isdigit() for c in body):
        raise InvalidValue(text, "number")
    separators = [c for c in body if c in ".,"]
    decimal = _decimal_separator(body, separators, languages)
    integer_part, _, digits = body.rpartition(decimal) if decimal else (body, "", "")
    if any(c in ".," for c in integer_part) and not _GROUPED.fullmatch(integer_part):
        raise InvalidValue(text, "number")
    value = Decimal("".join(c for c in integer_part if c.isdigit()) + (f".{digits}" if digits else ""))
    return -value if negative else value


def _decimal_separator(body: str, separators: list[str], languages: tuple[str, ...]) -> str | None:
    if not separators:
        return None
    last = separators[-1]
    if len(set(separators)) == 2:
        return last if separators.count(last) == 1 else None
    if len(separators) > 1:
        return None
    integer_part, digits = body.split(last)
    if len(digits) != 3 or integer_part in {"", "0"} or len(integer_part) > 3:
        return last
    is_decimal = any(decimal_symbol(language) == last for language in languages)
    return last if is_decimal and all(group_symbol(language) != last for language in languages) else None


@lru_cache(maxsize=64)
def decimal_symbol(language: str) -> str:
    """The sign before a number's decimals, by Unicode CLDR."""
    from babel.numbers import get_decimal_symbol

    return str(get_decimal_symbol(language.replace("-", "_")))


@lru_cache(maxsize=64)
def group_symbol(language: str) -> str:
    """The sign between a number's thousands, by Unicode CLDR."""
    from babel.numbers import get_group_symbol

    return str(get_group_symbol(language.replace("-", "_")))


def number_languages(texts: Sequence[str], languages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `languages` that have the decimal sign of most amounts with two decimals in a document's pages.

    It decides what "5,000" is: in a document with "27,50" it is five.
    """
    commas, points = (sum(_two_decimals(text, symbol) for text in texts) for symbol in ",.")
    if commas == points:
        return languages
    symbol = "," if commas > points else "."
    return tuple(language for language in languages if decimal_symbol(language) == symbol) or languages


@lru_cache(maxsize=256)
def _two_decimals(text: str, symbol: str) -> int:
    return len(_TWO_DECIMALS[symbol].findall(text))


@lru_cache(maxsize=1)
def currency_codes() -> frozenset[str]:
    """The ISO 4217 codes, by babel."""
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


def parse_currency(text: str) -> str:
    """The ISO 4217 code of a code, a sign or a name in use (``€``, ``RM``, ``euros``). Raises `InvalidValue`."""
    token = squeeze(text).strip(".:;,()[] ").upper()
    code = CURRENCY_SIGNS.get(token, token)
    if len(code) == 3 and code in currency_codes():
        return code
    raise InvalidValue(text, "currency")


def parse_money(text: str, languages: tuple[str, ...] = ("en",)) -> Decimal:
    """The amount that the complete `text` is, with or without a currency. Raises `InvalidValue`."""
    body = squeeze(text)
    for sign in ("US$", "HK$", "S$", "A$", "C$", "R$"):
        body = body.replace(sign, "")
    body = "".join(c for c in body if unicodedata.category(c) != "Sc")
    words = re.findall(r"[^\W\d_]+\.?", body)
    for word in words:
        upper = word.rstrip(".").upper()
        if upper not in CURRENCY_SIGNS and upper not in currency_codes():
            raise InvalidValue(text, "amount of money")
        body = body.replace(word, "", 1)
    try:
        return parse_number(body.strip(" :="), languages)
    except InvalidValue as error:
        raise InvalidValue(text, "amount of money") from error


def money_text(value: Decimal) -> str:
    """An amount as results hold it: a decimal string of two decimals, more only where they are not zero."""
    integer_part, _, digits = f"{value:f}".partition(".")
    return f"{integer_part}.{digits.rstrip('0').ljust(2, '0')}"


def number_text(value: Decimal) -> str:
    """A number as results hold it: a decimal string without zeros at its end."""
    plain = f"{value:f}"
    return (plain.rstrip("0").rstrip(".") or "0") if "." in plain else plain


def parse_iban(text: str) -> str:
    """The IBAN without blanks, its checksum verified. Raises `InvalidValue`."""
    import schwifty
    from schwifty.exceptions import SchwiftyException

    compact = re.sub(r"[^A-Za-z0-9]", "", text).upper().removeprefix("IBAN")
    try:
        return str(schwifty.IBAN(compact))
    except SchwiftyException as error:
        raise InvalidValue(text, "IBAN") from error


def parse_phone(text: str, languages: tuple[str, ...] = ("en",)) -> str:
    """A telephone number in E.164. National forms are tried with the countries of `languages`, then as North American.

    The first number in an assigned range is taken, else the first of the right length. Raises `InvalidValue`.
    """
    import phonenumbers

    possible: str | None = None
    for region in (None, *(_region(language) for language in languages), "US"):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        written = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        if phonenumbers.is_valid_number(number):
            return written
        if possible is None and phonenumbers.is_possible_number(number):
            possible = written
    if possible is None:
        raise InvalidValue(text, "telephone number")
    return possible


def is_assigned_phone(e164: str) -> bool:
    """Whether a number in E.164 is in an assigned range, by the tables of phonenumbers."""
    import phonenumbers

    return bool(phonenumbers.is_valid_number(phonenumbers.parse(e164)))


def _region(language: str) -> str:
    _, _, territory = language.replace("_", "-").partition("-")
    return territory.upper() or COUNTRY_OF_LANGUAGE.get(language, language.upper())


def typed_value(field: DocumentField, raw: JsonValue, languages: tuple[str, ...] = ("en",)) -> JsonValue:
    """The typed value of a reading of `field`; None for None or a blank text. Raises `InvalidValue`.

    A list field takes a list or a text with commas. A table field takes a list of objects and types them column by
    column; a cell that is no value of its column becomes None.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None
    if field.type is FieldType.LIST:
        return _typed_list(raw)
    if field.type is FieldType.TABLE:
        return _typed_table(field, raw, languages)
    if isinstance(raw, (list, dict, bool)):
        raise InvalidValue(raw, str(field.type))
    if field.type is FieldType.ENUM:
        return parse_enum(str(raw), field.enum)
    return _PARSERS[field.type](str(raw), languages)


def parse_integer(text: str, languages: tuple[str, ...] = ("en",)) -> int:
    """A whole number. Raises `InvalidValue`, for fractions too."""
    value = parse_number(squeeze(text), languages)
    if value != value.to_integral_value():
        raise InvalidValue(text, "whole number")
    return int(value)


def iso_date(text: str, languages: tuple[str, ...] = ("en",)) -> str:
    """The date that the complete `text` is, as YYYY-MM-DD. Raises `InvalidValue`."""
    parsed = parse_date(text, languages)
    if parsed is None:
        raise InvalidValue(text, "date")
    return parsed.isoformat()


def parse_email(text: str) -> str:
    """An e-mail address, its domain in lower case. Raises `InvalidValue`."""
    address = text.strip().removeprefix("mailto:").strip("<>() ,;")
    if not EMAIL.fullmatch(address):
        raise InvalidValue(text, "e-mail address")
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def parse_enum(text: str, values: tuple[str, ...]) -> str:
    """The value that `text` is, whatever its case, accents or dashes. Raises `InvalidValue`."""
    wanted = re.sub(r"[\W_]", "", fold(text))
    for value in values:
        if re.sub(r"[\W_]", "", fold(value)) == wanted:
            return value
    raise InvalidValue(text, f"one of {', '.join(values[:8])}")


_PARSERS: Mapping[FieldType, Callable[[str, tuple[str, ...]], JsonValue]] = {
    FieldType.TEXT: lambda text, _: squeeze(text),
    FieldType.MONEY: lambda text, languages: money_text(parse_money(text, languages)),
    FieldType.NUMBER: lambda text, languages: number_text(parse_number(text, languages)),
    FieldType.INTEGER: parse_integer,
    FieldType.DATE: iso_date,
    FieldType.CURRENCY: lambda text, _: parse_currency(text),
    FieldType.IBAN: lambda text, _: parse_iban(text),
    FieldType.PHONE: parse_phone,
    FieldType.EMAIL: lambda text, _: parse_email(text),
}


def _typed_list(raw: JsonValue) -> JsonValue:
    items = raw if isinstance(raw, list) else str(raw).split(",")
    seen: dict[str, str] = {}
    for item in items:
        if item is not None and (text := squeeze(str(item))):
            seen.setdefault(fold(text), text)
    return list(seen.values())


def _typed_table(field: DocumentField, raw: JsonValue, languages: tuple[str, ...]) -> JsonValue:
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        raise InvalidValue(raw, "list of rows")
    rows: list[JsonValue] = []
    for row in raw:
        assert isinstance(row, dict)
        typed: dict[str, JsonValue] = {}
        for name, column in field.columns.items():
            try:
                typed[name] = typed_value(column, row.get(name), languages)
            except InvalidValue:
                typed[name] = None
        rows.append(typed)
    return rows
