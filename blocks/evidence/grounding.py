"""Whether a value is grounded: its quote stands in the visible text, and yields the value.

Every model's reply is checked here, so that no model is trusted on its own account. Scans misread letters, so a quote
may differ from the page in a few letters, but in no digit.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import product

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.quoted_values import digits, has_currency, has_iban, has_number, has_phone, has_text, letters
from blocks.records import Box, Evidence, FieldReading, Page
from blocks.text_classifier.features import Span, keywords_of
from blocks.values.amounts import numbers
from blocks.values.dates import DateOrder, find_dates
from blocks.values.errors import InvalidValue
from blocks.values.notation import Notation, notation_of
from blocks.values.number_words import spelled_numbers
from blocks.values.numbers import MINUS_SIGNS, money_text
from blocks.values.typed_values import EMAIL, NUMERIC, fold, typed_value

MIN_FUZZY_RATIO = 90.0
"""The similarity (rapidfuzz partial ratio, of 100) from which on a quote's letters are those of the page."""
MIN_FUZZY_LETTERS = 8
_FIGURES_BEFORE = re.compile(r"\d[.,'’]?\Z")
_FIGURES_AFTER = re.compile(r"[.,'’]?\d")

_LOST_LETTERS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (0, 3), (3, 0))
"""By how many letters the page may be longer than the quote, before and after it."""
MAX_SUMMANDS = 4
"""How many quotes may add up to a value."""
OTHER_LANGUAGES = ("nl", "es", "it", "pt", "pl", "sv", "da", "nb", "cs", "ms", "id")
"""Languages whose names of months are known besides those of the type: a model reads more than a type lists."""


@dataclass(frozen=True, slots=True)
class Grounding:
    """What a check found. `why` is empty where the value is grounded.

    `ocr_confidence` is that of the weakest word under the evidence, None where OCR read none of its pages.
    """

    is_grounded: bool
    why: str = ""
    ocr_confidence: float | None = None


@lru_cache(maxsize=64)
def _folded(text: str) -> tuple[str, tuple[int, ...]]:
    letters: list[str] = []
    offsets: list[int] = []
    for offset, char in enumerate(text):
        for kept in fold(char):
            letters.append(kept)
            offsets.append(offset)
    return "".join(letters), tuple(offsets)


def locate(text: str, quote: str) -> Span | None:
    """Where `quote` stands in a page's text, case, accents and white space aside; None where it does not.

    A quote of at least eight letters may differ in a few letters, never in a digit. No quote begins or ends within a
    number.
    """
    wanted = fold(quote)
    if not wanted:
        return None
    for start in _places(text, quote):
        if not _cuts_number(text, start, start + len(quote)):
            return Span(start, start + len(quote))
    folded, offsets = _folded(text)
    for at in _places(folded, wanted):
        start, end = offsets[at], offsets[at + len(wanted) - 1] + 1
        if not _cuts_number(text, start, end):
            return Span(start, end)
    misread = _locate_misread(wanted, folded, offsets)
    return misread if misread and not _cuts_number(text, misread.start, misread.end) else None


def _places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _cuts_number(text: str, start: int, end: int) -> bool:
    """Whether [start, end) begins or ends within a number: 50.00 is no quote of 150.00."""
    begins = _FIGURES_BEFORE.search(text[max(start - 2, 0) : start]) and text[start].isdigit()
    ends = text[end - 1].isdigit() and _FIGURES_AFTER.match(text[end : end + 2])
    return bool(begins or ends)


def _locate_misread(wanted: str, folded: str, offsets: tuple[int, ...]) -> Span | None:
    if len(wanted) < MIN_FUZZY_LETTERS:
        return None
    found = fuzz.partial_ratio_alignment(wanted, folded, score_cutoff=MIN_FUZZY_RATIO)
    if found is None or found.dest_end <= found.dest_start:
        return None
    for before, after in _LOST_LETTERS:
        start, end = max(found.dest_start - before, 0), min(found.dest_end + after, len(folded))
        if digits(folded[start:end]) == digits(wanted):
            return Span(offsets[start], offsets[end - 1] + 1)
    return None


def words_under(page: Page, start: int, end: int) -> range:
    """The indices of the words that [start, end) of the page's text touches. Words are in the order of their spans."""
    spans = page.words.spans
    first = bisect_right(spans, start, key=lambda span: span[1])
    last = bisect_left(spans, end, key=lambda span: span[0])
    return range(first, max(first, last))


def box_of(page: Page, start: int, end: int) -> Box | None:
    """The box around the words of [start, end), or None where the page has no boxes there."""
    boxes = [page.words.boxes[word] for word in words_under(page, start, end)] if page.words.boxes else []
    return surrounding_box(boxes) if boxes else None


def surrounding_box(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of `boxes`, of which there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def ocr_confidence(page: Page, start: int, end: int) -> float | None:
    """The confidence of the weakest word under [start, end); the page's where words have none; None without OCR."""
    if page.method != "ocr":
        return None
    if page.words.confidences:
        under = [page.words.confidences[word] for word in words_under(page, start, end)]
        return min(under, default=page.ocr_confidence)
    return page.ocr_confidence


def quoted(page: Page, start: int, end: int) -> Evidence:
    """Evidence for [start, end) of a page's text."""
    return Evidence(page=page.number, quote=page.text[start:end], box=box_of(page, start, end))


def yields(  # noqa: PLR0911 - one return per kind of value
    field: DocumentField,
    quote: str,
    value: JsonValue,
    languages: tuple[str, ...] = ("en",),
    date_order: DateOrder | None = None,
) -> bool:
    """Whether `quote` yields `value`: the same amount, date or text.

    An enum's value is a judgement, so any quote yields it.
    """
    if value is None or field.type is FieldType.ENUM:
        return value is not None
    match field.type:
        case FieldType.INTEGER:
            return has_number(quote, str(value), languages, is_integer=True) or value in spelled_numbers(quote)
        case FieldType.MONEY | FieldType.NUMBER:
            return has_number(quote, str(value), languages)
        case FieldType.DATE:
            known = find_dates(quote, (*languages, *OTHER_LANGUAGES), compact=True, order=date_order)
            return any(day.isoformat() == value for found in known for day in (found.value, *found.others))
        case FieldType.EMAIL:
            return str(value).casefold() in {match[0].casefold() for match in EMAIL.finditer(quote)}
        case FieldType.PHONE:
            return has_phone(quote, str(value), languages)
        case FieldType.CURRENCY:
            return has_currency(quote, str(value))
        case FieldType.IBAN:
            return has_iban(quote, str(value))
        case _:
            return has_text(quote, value)


def check(
    field: DocumentField, reading: FieldReading, pages: Sequence[Page], languages: tuple[str, ...] = ("en",)
) -> Grounding:
    """Check a reading against the pages' visible text: every quote stands there, and the quotes yield the value.

    Of a name as people write it, they yield what the document prints in its place.
    """
    if not reading.evidence:
        return Grounding(False, "no quote was given")
    by_number = {page.number: page for page in pages}
    ocr_confidences: list[float] = []
    quotes: list[str] = []
    for evidence in reading.evidence:
        page = by_number.get(evidence.page)
        span = locate(page.text, evidence.quote) if page else None
        if page is None or span is None:
            return Grounding(False, f"the quote is not on page {evidence.page}")
        quotes.append(_signed(page.text, span, evidence.quote) if field.type in NUMERIC else evidence.quote)
        confidence = ocr_confidence(page, span.start, span.end)
        ocr_confidences += [] if confidence is None else [confidence]
    weakest = min(ocr_confidences, default=None)
    notation = notation_of(tuple(page.text for page in pages), languages)
    printed = reading.value if reading.printed is None else reading.printed
    if not _all_yield(field, printed, quotes, notation):
        return Grounding(False, "the quote does not say the value", weakest)
    return Grounding(True, "", weakest)


def _signed(text: str, span: Span, quote: str) -> str:
    """A quote with the minus or the brackets beside it on the page, which a model may leave out, and the character
    beyond the minus.
    """
    before = text[span.start - 1 : span.start] if span.start else ""
    after = text[span.end : span.end + 1]
    if (before, after) == ("(", ")"):
        return f"({quote})"
    if before and before in MINUS_SIGNS:
        quote = text[max(span.start - 2, 0) : span.start] + quote
    return quote + text[span.end : span.end + 2] if after and after in MINUS_SIGNS else quote


def _all_yield(field: DocumentField, value: JsonValue, quotes: Sequence[str], notation: Notation) -> bool:
    together = "\n".join(quotes)
    if field.type is FieldType.TABLE:
        rows = value if isinstance(value, list) else []
        return len(rows) == len(quotes) and all(
            isinstance(row, dict) and _row_yields(field, row, quote, notation)
            for row, quote in zip(rows, quotes, strict=True)
        )
    if field.type is FieldType.LIST:
        return isinstance(value, list) and all(_item_yields(field, item, together) for item in value)
    try:
        typed = typed_value(field, value, notation.words)
    except InvalidValue:
        typed = value
    if any(_yields(field, quote, typed, notation) for quote in (*quotes, together)):
        return True
    return field.type is FieldType.MONEY and _add_up_to(quotes, str(typed), notation)


def _add_up_to(quotes: Sequence[str], value: str, notation: Notation) -> bool:
    """Whether an amount is the sum of one amount of each quote, as a tax is of those by rate."""
    if not 1 < len(quotes) <= MAX_SUMMANDS:
        return False
    amounts = [
        [number.signed for number in numbers(quote, notation.numbers) if number.decimals == 2][:MAX_SUMMANDS]
        for quote in quotes
    ]
    return any(money_text(sum(summands, Decimal(0))) == value for summands in product(*amounts))


def _yields(field: DocumentField, quote: str, value: JsonValue, notation: Notation) -> bool:
    """Whether a quote yields a value, read as the document writes."""
    languages = notation.numbers if field.type in NUMERIC else notation.words
    return yields(field, quote, value, languages, notation.date_order)


def _item_yields(field: DocumentField, item: JsonValue, quotes: str) -> bool:
    """Whether the quotes have an entry of a list: its own words, or one of its keywords."""
    keywords = field.hints.keywords.get(str(item), ())
    return has_text(quotes, item) or bool(keywords and keywords_of(keywords).spans(quotes))


def _row_yields(field: DocumentField, row: Mapping[str, JsonValue], quote: str, notation: Notation) -> bool:
    typed: dict[str, JsonValue] = {}
    for name, column in field.columns.items():
        try:
            typed[name] = typed_value(column, row.get(name), notation.words)
        except InvalidValue:
            return False
    figures = {
        name: Decimal(str(typed[name]))
        for name, column in field.columns.items()
        if column.type in NUMERIC and typed[name] is not None
    }
    for name, column in field.columns.items():
        beside = [figure for other, figure in figures.items() if other != name]
        if typed[name] is None or _yields(column, quote, typed[name], notation):
            continue
        if name in figures and has_number(quote, str(typed[name]), notation.numbers, beside=beside):
            continue
        if not _holds_words(column, quote, typed[name]):
            return False
    return True


def _holds_words(column: DocumentField, quote: str, value: JsonValue) -> bool:
    """Whether a quote has every word of a text: other columns may stand between the lines of a table's cell."""
    there = {letters(word) for word in quote.split()}
    return column.type is FieldType.TEXT and all(letters(word) in there for word in str(value).split())
