"""The texts in a cell that could be a field's value by its type alone: amounts, dates, identifiers, addresses.

A candidate's `weight` is in log odds, 0 for a text of the type's usual form. `ranking.py` adds those of its place.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.lines import Cell
from blocks.reader.spaced_out import spaced_numbers, spaced_texts
from blocks.values.amounts import SUPERSCRIPTS, Number, numbers
from blocks.values.currencies import MEANINGS, parse_currency
from blocks.values.dates import FoundDate, find_dates
from blocks.values.errors import InvalidValue
from blocks.values.notation import USUAL_YEARS, Notation
from blocks.values.numbers import UNREADABLE, money_text, number_text
from blocks.values.typed_values import (
    EMAIL,
    IBAN,
    has_iban_length,
    is_assigned_phone,
    parse_email,
    parse_iban,
    parse_phone,
    squeeze,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible value: [start, end) in the cell's text, the normalised value, and how well it fits the type.

    `more` are the further cells of a value of several lines, `currency` the code beside an amount, where it is clear.
    `is_written_otherwise`: the value is a name as people write it, and the document prints it in another way.
    """

    cell: Cell
    start: int
    end: int
    value: str
    weight: float = 0.0
    more: tuple[Cell, ...] = ()
    currency: str = ""
    is_written_otherwise: bool = False

    @property
    def quote(self) -> str:
        """The literal text."""
        return self.cell.text[self.start : self.end]

    @property
    def place(self) -> tuple[int, int]:
        """Its row in the document, and where it begins in the text of its page."""
        return self.cell.row, self.cell.start + self.start


MISTYPED_IBAN, MISTYPED_IBAN_OF_LENGTH = -4.0, -3.0
"""Log odds of an IBAN with a wrong checksum: worth showing beside its label, and elsewhere only if its country has
numbers of that length (`MIN_IBAN` in reading.py).
"""
UNUSUAL_YEAR, UNUSUAL_ORDER = 1.5, 0.3
"""What a date loses by a year that is on no document of today, and by an order of its figures that is less usual."""
PART_OF_GROUPED = 1.5
"""What the last part of "1 500.00" loses against the amount: it may be a column of its own."""
MAX_WHOLE_CHARACTERS = 7
"""Longer figures without decimals are codes."""
_DAY_AND_MONTH = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?=\s+\S)")
"""A day without its year, as in "bis zum 19.12. geliefert"."""
_MISREAD_BEHIND = re.compile(r"[.,]?[OoQDIl]{1,2}(?![^\W\d_])")
"""Letters in the place of a number's last figures, as OCR writes them: "24O.OO", "1,5OO"."""
_DIGIT_AND_BLANK = re.compile(r"\d $")
_TORN = re.compile(r" [.,]|[.,] ")
_GLUED_BEFORE = re.compile(rf"[\w.,:/]$|\d[{UNREADABLE}]+$")
_GLUED_AFTER = re.compile(rf"[\d:/]|[.,]\d| [.,]\d\d(?!\d)|[{UNREADABLE}]+[.,]?\d")
_SIGN_BETWEEN = re.compile(r"\d[€$£¥]$")
"""A currency sign in the place of the decimal sign: "1488€00"."""
_TIME = re.compile(r"\b\d{1,2}[:.]\d\d(?:[:.]\d\d)?\s?(?:am|pm|uhr)\b|\b\d{1,2}:\d\d(?::\d\d)?\b", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.,/])\+?\(?\d[\d\s()./\u2011-]{5,20}\d(?![\w/])")
_RATE_OF = re.compile(r"%\)?\s*(?:on|of|from|von|auf|aus|sur|de)\s*[€$£]?\s*$", re.IGNORECASE)
"""Text before the amount that a rate applies to: the value of "19 % of 100.00" is another amount."""
_PRINTED_IBAN = re.compile(r"[A-Z]{2}\d\d(?:[ \u00a0]?[A-Z0-9]{4})*(?:[ \u00a0]?[A-Z0-9]{1,3}(?![A-Z0-9]))?")
"""An IBAN as it is printed: groups of four, the last one shorter."""
_MAGNITUDE = re.compile(
    r"\s?(?:thousand|millions?|billions?|mill?|mio|mrd|bn|tausend|tsd|milliarden?|lakhs?|lacs?|crores?)\b", re.I
)
"""A word that multiplies the number before it: the figures alone are not the amount."""
_AMOUNT_AFTER = re.compile(r"\s?-?\d[\d.,'’ ]*[.,]\d\d(?!\d)|\s?-?\d+(?![\w.,])")
_AMOUNT_BEFORE = re.compile(r"\d[.,]\d\d\s?$|(?<![\w.,])\d+\s?$")
_CODE_BEFORE = re.compile(r"(?<![A-Za-z])([A-Z]{3})\s?$")
_CODE_AFTER = re.compile(r"\s?-?\d[\d.,'’ ]*\s?([A-Z]{3})(?![A-Za-z])")
_TOKEN = re.compile(r"\S+")
_MORE_OF_IDENTIFIER = re.compile(r"(?: ?/ ?\d[\w-]*)+(?![\w.,/])")
"""What goes on with an identifier behind a blank: "INV 2025 / 041"."""
_CURRENCY_WORD = re.compile(
    r"(?<![A-Za-z])[A-Za-z]{1,3}[$¥]|[€$£¥₹]|(?<!\w)(?:[A-Z]{3}|RM|Rs|Rp|zł|Kč|Euros?|EUROS?|euros?)(?![^\W\d_]|[$¥])"
)
_NUMBER_WORDS = frozenset(["nr", "no", "nº", "n°", "number", "num", "numero", "numéro", "nummer", "#", ":", "-", "id"])


def candidates(field: DocumentField, cell: Cell, notation: Notation) -> list[Candidate]:
    """The possible values of a field in a cell, left to right. A text field has some only by its hint `pattern`."""
    finder = _FINDERS.get(field.type)
    found = list(finder(cell, notation)) if finder else []
    if field.hints.pattern is None:
        return found
    pattern = re.compile(field.hints.pattern)
    if finder:
        return [option for option in found if pattern.fullmatch(option.quote) or pattern.fullmatch(option.value)]
    matches = pattern.finditer(cell.text)
    return [Candidate(cell, *match.span(), squeeze(match[0]), 0.5) for match in matches if match[0].strip()]


@lru_cache(maxsize=4096)
def _dates_in(text: str, notation: Notation) -> tuple[FoundDate, ...]:
    if not any(c.isdigit() for c in text):
        return ()
    return tuple(find_dates(text, notation.words, order=notation.date_order))


def _touches_date(span: tuple[int, int], text: str, notation: Notation) -> bool:
    return any(span[0] < found.end and span[1] > found.start for found in _dates_in(text, notation))


@lru_cache(maxsize=4096)
def _times_and_ibans(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for pattern in (_TIME, IBAN) for match in pattern.finditer(text))


def _found_numbers(cell: Cell, notation: Notation) -> Iterator[Number]:
    """The numbers of a cell that are no part of a date, a time, an IBAN, a word or a longer number.

    A blank may group thousands or part two columns. Where the document's other thousands have no blank, it parts two
    numbers; in text without boxes it may be either.
    """
    text = cell.text
    for number in numbers(text, notation.numbers):
        span = number.start, number.end
        if any(span[0] < end and span[1] > start for start, end in (*_times_and_ibans(text), *spaced_numbers(text))):
            continue
        before = text[: number.start]
        is_piece = _GLUED_BEFORE.search(before) and not _is_currency_before(text, number)
        if _DAY_AND_MONTH.match(text, number.start):
            continue
        is_torn_off = text[number.start] in ".," and _DIGIT_AND_BLANK.search(before)
        if (
            is_piece
            or is_torn_off
            or _SIGN_BETWEEN.search(before)
            or _GLUED_AFTER.match(text[number.end :])
            or _TORN.search(text[number.start : number.end])
        ):
            continue
        is_grouped = notation.has_blank_groups and (number.decimals > 0 or bool(number.currency))
        if is_grouped or not number.parts:
            yield number
        if not is_grouped or cell.box is None:
            yield from number.parts


def _is_currency_before(text: str, number: Number) -> bool:
    """Whether a number's currency is glued to it, such as RM48.10."""
    return bool(number.currency) and text[: number.start].endswith(number.currency)


def _amounts(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    end = -1
    for number in _found_numbers(cell, notation):
        found = _amount(cell, number, is_part=number.end <= end)
        end = max(end, number.end)
        if found is not None:
            yield found


def _amount(cell: Cell, number: Number, *, is_part: bool) -> Candidate | None:
    text, rest = cell.text, cell.text[number.end :]
    is_currency_after = bool(number.currency) and rest.lstrip(" )").startswith(number.currency)
    footnote = SUPERSCRIPTS if number.decimals == 2 else ""
    is_word_after = (
        re.match(rf"[^\W_{footnote}]", rest)
        and not is_currency_after
        and not re.match(r"[A-Z]{1,2}(?!\w|[.,]\w)", rest)
    )
    is_misread = _MISREAD_BEHIND.match(rest) and (number.decimals != 2 or rest.startswith("O"))
    if re.match(r"\s?%", rest) or _MAGNITUDE.match(rest) or is_word_after or is_misread:
        return None
    decimals = number.decimals
    is_ranged = re.match(r"\s?[-/]\s?\d", rest) or re.search(r"[-/]$", text[: number.first])
    if decimals == 0 and (number.end - number.start > MAX_WHOLE_CHARACTERS or is_ranged):
        return None
    weight = 0.0 if decimals == 2 else -0.6 if decimals else -2.5
    weight += 0.3 if number.currency else 0.0
    weight += 1.9 if number.currency and not decimals else 0.0
    weight += -0.7 if number.value == 0 else 0.0
    weight -= 2.0 if _RATE_OF.search(text[: number.start]) else 0.0
    weight -= PART_OF_GROUPED if is_part else 0.0
    currency = "" if number.currency in MEANINGS or not number.currency else parse_currency(number.currency)
    return Candidate(cell, number.first, number.last, money_text(number.signed), weight, currency=currency)


def _numbers(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    for number in _found_numbers(cell, notation):
        yield Candidate(cell, number.first, number.last, number_text(number.signed))


def _integers(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    return (number for number in _numbers(cell, notation) if "." not in number.value)


def _dates(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    """The dates, each in all its readings where nothing decides between them."""
    for found in _dates_in(cell.text, notation):
        for at, day in enumerate((found.value, *found.others)):
            weight = -UNUSUAL_ORDER * at - (0.0 if day.year in USUAL_YEARS else UNUSUAL_YEAR)
            yield Candidate(cell, found.start, found.end, day.isoformat(), weight)


def _ibans(cell: Cell, _notation: Notation) -> Iterator[Candidate]:
    for match in IBAN.finditer(cell.text):
        ends = [token.end() for token in _TOKEN.finditer(match[0])]
        valid = next((end for end in reversed(ends) if _is_iban(match[0][:end])), None)
        printed = _PRINTED_IBAN.match(match[0])
        end = valid or (printed.end() if printed else len(match[0]))
        value = re.sub(r"\W", "", match[0][:end])
        weight = 3.0 if valid else MISTYPED_IBAN_OF_LENGTH if has_iban_length(value) else MISTYPED_IBAN
        yield Candidate(cell, match.start(), match.start() + end, value, weight)


def _is_iban(text: str) -> bool:
    try:
        return bool(parse_iban(text))
    except InvalidValue:
        return False


def _emails(cell: Cell, _notation: Notation) -> Iterator[Candidate]:
    for match in EMAIL.finditer(cell.text):
        yield Candidate(cell, *match.span(), parse_email(match[0]), 2.5)


def _phones(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    for match in _PHONE.finditer(cell.text):
        digits = sum(c.isdigit() for c in match[0])
        if not 7 <= digits <= 15 or _touches_date(match.span(), cell.text, notation):
            continue
        if match[0].isdigit() and digits < 10:
            continue
        try:
            number = parse_phone(match[0], notation.words)
        except InvalidValue:
            continue
        weight = (2.0 if match[0][0] in "+(" else 1.2) - (0.0 if is_assigned_phone(number) else 1.5)
        yield Candidate(cell, *match.span(), number, weight)


def _currencies(cell: Cell, notation: Notation) -> Iterator[Candidate]:
    signs = dict(notation.signs)
    for match in _CURRENCY_WORD.finditer(cell.text):
        before, after = cell.text[: match.start()], cell.text[match.end() :]
        if match[0] in MEANINGS and _has_code_beside(before, after, match[0]):
            continue
        try:
            code = signs.get(match[0]) or parse_currency(match[0])
        except InvalidValue:
            continue
        is_beside_amount = _AMOUNT_AFTER.match(after) or _AMOUNT_BEFORE.search(before)
        if match[0].isalpha() and len(match[0]) == 3 and match[0].upper() not in _COMMON_CODES and not is_beside_amount:
            continue
        yield Candidate(cell, *match.span(), code, 2.0 if is_beside_amount or not match[0].isalpha() else 1.0)


def _has_code_beside(before: str, after: str, sign: str) -> bool:
    """Whether a code says what a sign means, as in "CAD $ 226.00" and "$226.00 CAD"."""
    codes = MEANINGS[sign].values()
    beside = (_CODE_BEFORE.search(before), _CODE_AFTER.match(after))
    return any(found is not None and found[1] in codes for found in beside)


_COMMON_CODES = frozenset(
    "EUR USD GBP CHF MYR SGD INR PLN CZK SEK NOK DKK HUF JPY CNY AUD CAD HKD THB IDR BRL ZAR TRY AED NZD".split()  # noqa: SIM905 - a list of codes reads best so
)
"""Codes that are a currency without an amount beside them; others may be words."""

_FINDERS: dict[FieldType, Callable[[Cell, Notation], Iterator[Candidate]]] = {
    FieldType.MONEY: _amounts,
    FieldType.NUMBER: _numbers,
    FieldType.INTEGER: _integers,
    FieldType.DATE: _dates,
    FieldType.IBAN: _ibans,
    FieldType.EMAIL: _emails,
    FieldType.PHONE: _phones,
    FieldType.CURRENCY: _currencies,
}


def identifier(cell: Cell, start: int, end: int, notation: Notation) -> Candidate | None:
    """The first identifier in [start, end) of a cell: a token with a digit, and a short prefix in capitals before it.

    Words such as "no." may stand before it. Every other word costs half a log odd, and after more than four there is
    no identifier.
    """
    skipped, prefix = 0.0, None
    for match in _TOKEN.finditer(cell.text, start, end):
        token = match[0].strip(",;:/()[]*'\"").lstrip(".")
        if _touches_date(match.span(), cell.text, notation):
            return None
        if any(first <= match.start() < last for first, last in spaced_texts(cell.text)):
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
        more = _MORE_OF_IDENTIFIER.match(cell.text, last, end)
        if more is not None and not _touches_date((last, more.end()), cell.text, notation):
            last = more.end()
        if prefix and skipped <= 0.5:
            first, skipped = prefix.start(), 0.0
        value = squeeze(cell.text[first:last])
        weight = -skipped - (1.5 if re.fullmatch(r"\d+[.,]\d\d", value) else 0.0) - (1.0 if len(value) < 3 else 0.0)
        return Candidate(cell, first, last, value, weight)
    return None


def has_amount(text: str, notation: Notation) -> bool:
    """Whether a text holds an amount with decimals or a currency; bare whole numbers do not count."""
    cell = Cell(0, text, 0, len(text), 0)
    return any(amount.weight > -1.5 for amount in _amounts(cell, notation))
