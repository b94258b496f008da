"""Parses text to typed values: money, dates, IBANs as documents of several languages write them.

Score uses it to recognise candidates, validate to type what a model read, evidence to check that a quote yields a
value. Results hold typed values: money and numbers as decimal strings, dates as ISO, integers as integers.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.values.amounts import parse_money
from blocks.values.currencies import parse_currency
from blocks.values.dates import parse_date
from blocks.values.errors import InvalidValue
from blocks.values.numbers import money_text, number_text, parse_integer, parse_number

NUMERIC = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER})
EMAIL = re.compile(r"[\w.+%-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
COUNTRY_OF_LANGUAGE = {"de": "DE", "fr": "FR", "en": "GB", "nl": "NL", "it": "IT", "es": "ES", "pl": "PL", "ms": "MY"}


def squeeze(text: str) -> str:
    """Text with single blanks for white space, and none at its ends."""
    return " ".join(text.split())


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Text as it is compared: without case, accents, white space, compatibility forms and typographic marks."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    kept = "".join(c for c in decomposed if not unicodedata.combining(c) and not c.isspace())
    return kept.translate({0x2019: "'", 0x2018: "'", 0x2010: "-", 0x2011: "-", 0x2013: "-", 0x2212: "-", 0xAD: None})


def is_readable(text: str) -> bool:
    """Whether every character of a text could be read.

    It has no replacement character (U+FFFD), no half of a surrogate pair, and no control character but white space.
    """
    if text.isprintable():
        return "\ufffd" not in text
    return not any(c == "\ufffd" or (unicodedata.category(c) in {"Cc", "Cs"} and not c.isspace()) for c in text)


def parse_text(text: str) -> str:
    """Text with single blanks. Raises `InvalidValue` if some of its characters could not be read."""
    if not is_readable(text):
        raise InvalidValue(text, "readable text")
    return squeeze(text)


def has_iban_length(compact: str) -> bool:
    """Whether a text without blanks is as long as the IBANs of the country that it begins with."""
    from schwifty import registry
    from schwifty.exceptions import SchwiftyException

    try:
        return registry.get_iban_spec(compact[:2]).iban_length == len(compact)
    except SchwiftyException:
        return False


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
    FieldType.TEXT: lambda text, _: parse_text(text),
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
        if item is not None and (text := parse_text(str(item))):
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
