"""The texts in a cell that could be a field's value by its type alone: amounts, dates, identifiers, addresses.

A candidate's `weight` is in log odds, 0 for a text of the type's usual form. `ranking.py` adds those of its place.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.lines import Cell
from blocks.values.dates import FoundDate, find_dates
from blocks.values.typed_values import (
    CURRENCY_SIGNS,
    EMAIL,
    IBAN,
    InvalidValue,
    currency_codes,
    is_assigned_phone,
    money_text,
    number_text,
    parse_currency,
    parse_email,
    parse_iban,
    parse_number,
    parse_phone,
    squeeze,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible value: [start, end) in the cell's text, the normalised value, and how well it fits the type.

    `more` are the further cells of a value of several lines.
    """

    cell: Cell
    start: int
    end: int
    value: str
    weight: float = 0.0
    more: tuple[Cell, ...] = ()

    @property
    def quote(self) -> str:
        """The literal text."""
        return self.cell.text[self.start : self.end]

    @property
    def place(self) -> tuple[int, int]:
        """Its row in the document, and where it begins in the text of its page."""
        return self.cell.row, self.cell.start + self.start


MISTYPED_IBAN = -3.0
"""Log odds of an IBAN with a wrong checksum: worth showing beside its label, not elsewhere."""
USUAL_YEARS = range(1990, 2040)
"""Years on the documents of today; two digits of another year are mostly no year."""

_AMOUNT = re.compile(
    r"(?<![\w.,:/])"
    r"(?P<number>\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+(?:[.,]\d{1,5})?|\d{1,3}(?: \d{3})+,\d{2}"
    r"|\d+(?:[.,]\d{1,5})?|[.,]\d\d)"
    r"(?![\d:/]|[.,]\d)"
)
_SIGNS = sorted(CURRENCY_SIGNS, key=len, reverse=True)
_CURRENCY = r"(?:" + "|".join(re.escape(sign) for sign in _SIGNS if not sign.isalpha()) + r"|[A-Za-zŁłČč]{2,7}\.?)"
_CURRENCY_BEFORE = re.compile(rf"(?<![^\W\d_])({_CURRENCY})\s{{0,2}}$")
_CURRENCY_AFTER = re.compile(rf"\s{{0,2}}({_CURRENCY})(?![^\W\d_])")
_GLUED_CURRENCY = re.compile(
    r"(?<![^\W\d_])(RM|Rs\.?|Rp|EUR|USD|GBP|CHF|MYR|SGD|INR|PLN|[A-Z]{3})(?=[\d])", re.IGNORECASE
)
_TIME = re.compile(r"\b\d{1,2}[:.]\d\d(?:[:.]\d\d)?\s?(?:am|pm|uhr)\b|\b\d{1,2}:\d\d(?::\d\d)?\b", re.IGNORECASE)
_SIGNED = re.compile(r"(?:^|[\s(:€$£])[-\u2212\u2013]\s?$")
_PHONE = re.compile(r"(?<![\w.,/])\+?\(?\d[\d\s()./\u2011-]{5,20}\d(?![\w/])")
_RATE_OF = re.compile(r"%\)?\s*(?:on|of|from|von|auf|aus|sur|de)\s*[€$£]?\s*$", re.IGNORECASE)
"""Text before the amount that a rate applies to: the value of "19 % of 100.00" is another amount."""
_PRINTED_IBAN = re.compile(r"[A-Z]{2}\d\d(?:[ \u00a0]?[A-Z0-9]{4})*(?:[ \u00a0]?[A-Z0-9]{1,3}(?![A-Z0-9]))?")
"""An IBAN as it is printed: groups of four, the last one shorter."""
_AMOUNT_AFTER = re.compile(r"\s?-?\d[\d.,'’ ]*[.,]\d\d(?!\d)|\s?-?\d+(?![\w.,])")
_AMOUNT_BEFORE = re.compile(r"\d[.,]\d\d\s?$|(?<![\w.,])\d+\s?$")
_TOKEN = re.compile(r"\S+")
_CURRENCY_WORD = re.compile(r"US\$|[€$£¥₹]|(?<!\w)(?:[A-Z]{3}|RM|Rs|Rp|zł|Kč|Euros?|EUROS?|euros?)(?![^\W\d_])")
_NUMBER_WORDS = frozenset(["nr", "no", "nº", "n°", "number", "num", "numero", "numéro", "nummer", "#", ":", "-", "id"])


def candidates(field: DocumentField, cell: Cell, languages: tuple[str, ...]) -> list[Candidate]:
    """The possible values of a field in a cell, left to right. A text field has some only by its hint `pattern`."""
    finder = _FINDERS.get(field.type)
    found = list(finder(cell, languages)) if finder else []
    if field.hints.pattern is None:
        return found
    pattern = re.compile(field.hints.pattern)
    if finder:
        return [option for option in found if pattern.fullmatch(option.quote) or pattern.fullmatch(option.value)]
    matches = pattern.finditer(cell.text)
    return [Candidate(cell, *match.span(), squeeze(match[0]), 0.5) for match in matches if match[0].strip()]


@lru_cache(maxsize=4096)
def _dates_in(text: str, languages: tuple[str, ...]) -> tuple[FoundDate, ...]:
    return tuple(find_dates(text, languages)) if any(c.isdigit() for c in text) else ()


def _touches_date(span: tuple[int, int], text: str, languages: tuple[str, ...]) -> bool:
    return any(span[0] < found.end and span[1] > found.start for found in _dates_in(text, languages))


@lru_cache(maxsize=4096)
def _times_and_ibans(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for pattern in (_TIME, IBAN) for match in pattern.finditer(text))


def _is_number(span: tuple[int, int], text: str, languages: tuple[str, ...]) -> bool:
    """Whether the figures at a span are no part of a date, a time or an IBAN."""
    is_in_other = any(span[0] < end and span[1] > start for start, end in _times_and_ibans(text))
    return not is_in_other and not _touches_date(span, text, languages)


def _amounts(cell: Cell, languages: tuple[str, ...]) -> Iterator[Candidate]:
    text = _GLUED_CURRENCY.sub(lambda m: " " * len(m[0]), cell.text)
    glued = {match.end(): match.start() for match in _GLUED_CURRENCY.finditer(cell.text)}
    if not any(c.isdigit() for c in text):
        return
    for match in _AMOUNT.finditer(text):
        start, end = match.span("number")
        if _is_number((start, end), cell.text, languages) and (
            found := _amount(cell, start, end, glued.get(start), languages)
        ):
            yield found


def _amount(cell: Cell, start: int, end: int, glued: int | None, languages: tuple[str, ...]) -> Candidate | None:
    text, number = cell.text, cell.text[start:end]
    rest = text[end:]
    after = _CURRENCY_AFTER.match(rest)
    if after and not is_currency_word(after[1]):
        after = None
    if re.match(r"\s?%", rest) or (re.match(r"[^\W_]", rest) and not after and not re.match(r"[A-Z]{1,2}(?!\w)", rest)):
        return None
    before = _CURRENCY_BEFORE.search(text[:start])
    has_currency = bool(glued is not None or after or (before and is_currency_word(before[1])))
    first = glued if glued is not None else before.start(1) if before and is_currency_word(before[1]) else start
    sign = _SIGNED.search(text[:start]) or _SIGNED.search(text[:first])
    trailing = re.match(r"\s?[-\u2212](?!\s?\d|\w)", rest)
    try:
        value = parse_number(number, languages)
    except InvalidValue:
        return None
    digits = re.search(r"[.,](\d+)$", number)
    decimals = len(digits[1]) if digits else 0
    if decimals == 0 and (len(number) > 7 or re.match(r"\s?[-/]\s?\d", rest) or re.search(r"[-/]$", text[:start])):
        return None
    weight = 0.0 if decimals == 2 else -0.6 if decimals else -2.5
    weight += 0.3 if has_currency else 0.0
    weight += 1.9 if has_currency and not decimals else 0.0
    weight += -0.7 if value == 0 else 0.0
    weight -= 2.0 if _RATE_OF.search(text[:first]) else 0.0
    if sign or (trailing and decimals == 2):
        value = -value
    begin = text.rfind(sign[0].strip(" (:€$£"), 0, start) if sign else start
    return Candidate(cell, min(begin, start), end, money_text(value), weight)


def is_currency_word(word: str) -> bool:
    """Whether a word or sign is a currency; a code must be in capitals."""
    token = word.strip(". ").upper()
    return token in CURRENCY_SIGNS or (len(token) == 3 and token in currency_codes() and word[:3].isupper())


def _numbers(cell: Cell, languages: tuple[str, ...]) -> Iterator[Candidate]:
    for match in _AMOUNT.finditer(cell.text):
        if _is_number(match.span(), cell.text, languages):
            try:
                yield Candidate(cell, *match.span(), number_text(parse_number(match[0], languages)))
            except InvalidValue:
                continue


def _integers(cell: Cell, languages: tuple[str, ...]) -> Iterator[Candidate]:
    return (number for number in _numbers(cell, languages) if "." not in number.value)


def _dates(cell: Cell, languages: tuple[str, ...]) -> Iterator[Candidate]:
    for found in _dates_in(cell.text, languages):
        weight = (0.0 if found.is_sure else -0.1) - (0.0 if found.value.year in USUAL_YEARS else 1.5)
        yield Candidate(cell, found.start, found.end, found.value.isoformat(), weight)


def _ibans(cell: Cell, _languages: tuple[str, ...]) -> Iterator[Candidate]:
    for match in IBAN.finditer(cell.text):
        ends = [token.end() for token in _TOKEN.finditer(match[0])]
        valid = next((end for end in reversed(ends) if _is_iban(match[0][:end])), None)
        printed = _PRINTED_IBAN.match(match[0])
        end = valid or (printed.end() if printed else len(match[0]))
        value = re.sub(r"\W", "", match[0][:end])
        yield Candidate(cell, match.start(), match.start() + end, value, 3.0 if valid else MISTYPED_IBAN)


def _is_iban(text: str) -> bool:
    try:
        return bool(parse_iban(text))
    except InvalidValue:
        return False


def _emails(cell: Cell, _languages: tuple[str, ...]) -> Iterator[Candidate]:
    for match in EMAIL.finditer(cell.text):
        yield Candidate(cell, *match.span(), parse_email(match[0]), 2.5)


def _phones(cell: Cell, languages: tuple[str, ...]) -> Iterator[Candidate]:
    for match in _PHONE.finditer(cell.text):
        digits = sum(c.isdigit() for c in match[0])
        if not 7 <= digits <= 15 or _touches_date(match.span(), cell.text, languages):
            continue
        if match[0].isdigit() and digits < 10:
            continue
        try:
            number = parse_phone(match[0], languages)
        except InvalidValue:
            continue
        weight = (2.0 if match[0][0] in "+(" else 1.2) - (0.0 if is_assigned_phone(number) else 1.5)
        yield Candidate(cell, *match.span(), number, weight)


def _currencies(cell: Cell, _languages: tuple[str, ...]) -> Iterator[Candidate]:
    for match in _CURRENCY_WORD.finditer(cell.text):
        try:
            code = parse_currency(match[0])
        except InvalidValue:
            continue
        before, after = cell.text[: match.start()], cell.text[match.end() :]
        is_beside_amount = _AMOUNT_AFTER.match(after) or _AMOUNT_BEFORE.search(before)
        if match[0].isalpha() and len(match[0]) == 3 and match[0].upper() not in _COMMON_CODES and not is_beside_amount:
            continue
        yield Candidate(cell, *match.span(), code, 2.0 if is_beside_amount or not match[0].isalpha() else 1.0)


_COMMON_CODES = frozenset(
    "EUR USD GBP CHF MYR SGD INR PLN CZK SEK NOK DKK HUF JPY CNY AUD CAD HKD THB IDR BRL ZAR TRY AED NZD".split()  # noqa: SIM905 - a list of codes reads best so
)
"""Codes that are a currency without an amount beside them; others may be words."""

_FINDERS: dict[FieldType, Callable[[Cell, tuple[str, ...]], Iterator[Candidate]]] = {
    FieldType.MONEY: _amounts,
    FieldType.NUMBER: _numbers,
    FieldType.INTEGER: _integers,
    FieldType.DATE: _dates,
    FieldType.IBAN: _ibans,
    FieldType.EMAIL: _emails,
    FieldType.PHONE: _phones,
    FieldType.CURRENCY: _currencies,
}


def identifier(cell: Cell, start: int, end: int, languages: tuple[str, ...]) -> Candidate | None:
    """The first identifier in [start, end) of a cell: a token with a digit, and a short prefix in capitals before it.

    Words such as "no." may stand before it. Every other word costs half a log odd, and after more than four there is
    no identifier.
    """
    skipped, prefix = 0.0, None
    for match in _TOKEN.finditer(cell.text, start, end):
        token = match[0].strip(",;:()[]*'\"").lstrip(".")
        if _touches_date(match.span(), cell.text, languages):
            return None
        if match[0].startswith("(") and match[0].rstrip(":;,").endswith(")"):
            continue
        if not any(c.isdigit() for c in token):
            if token.isupper() and len(token) <= 4 and token.casefold() not in _NUMBER_WORDS:
                prefix = match
            skipped += 0.0 if token.casefold().rstrip(".") in _NUMBER_WORDS or not token else 0.5
            if skipped > 2.0:
                return None
            continue
        first = match.start() + match[0].find(token)
        last = first + len(token.rstrip("."))
        if prefix and skipped <= 0.5:
            first, skipped = prefix.start(), 0.0
        value = squeeze(cell.text[first:last])
        weight = -skipped - (1.5 if re.fullmatch(r"\d+[.,]\d\d", value) else 0.0) - (1.0 if len(value) < 3 else 0.0)
        return Candidate(cell, first, last, value, weight)
    return None


def has_amount(text: str, languages: tuple[str, ...]) -> bool:
    """Whether a text holds an amount with decimals or a currency; bare whole numbers do not count."""
    cell = Cell(0, text, 0, len(text), 0)
    return any(amount.weight > -1.5 for amount in _amounts(cell, languages))
