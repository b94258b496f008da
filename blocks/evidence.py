"""Whether a value is borne by the document: its quote stands in the visible text, and yields the value.

Any model's reply is checked here, so nothing a model says of itself is trusted. Scans bend letters, so a quote may
differ from the page in a few of them; its digits may not.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.dates import find_dates
from blocks.document_types import DocumentField, FieldType
from blocks.number_words import spoken_numbers
from blocks.records import Box, Evidence, FieldReading, Page
from blocks.text_features import Keywords
from blocks.values import EMAIL, InvalidValue, fold, parse_money, parse_number, parse_phone, typed_value

FUZZY_QUOTE_AT = 90.0
"""Least similarity (rapidfuzz partial ratio, of 100) of a quote's letters with the page's."""
SHORTEST_FUZZY_QUOTE = 8
FUZZY_TEXT_AT = 90.0

_LOST_LETTERS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (0, 3), (3, 0))
"""By how many letters, before and after, the page may be longer than the quote where letters were lost."""
_NUMBERS = re.compile(r"[(\-\u2212\u2013]?\s?\d[\d.,'’\u00a0\u202f ]*(?:\s?[-\u2212)](?!\w))?")


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in a page's text; `likeness` is 1 where the quote stands there letter by letter."""

    start: int
    end: int
    likeness: float = 1.0


@dataclass(frozen=True, slots=True)
class Grounding:
    """What a check found. `why` is empty where the value is grounded.

    `ocr_confidence` is that of the weakest word under the evidence, None where no page of it was read by OCR.
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
    """Where `quote` stands in a page's `text`, case, accents and white space aside; None where it does not.

    A quote of at least eight letters may differ in a few of them, never in a digit.
    """
    wanted = fold(quote)
    if not wanted:
        return None
    direct = text.find(quote)
    if direct >= 0:
        return Span(direct, direct + len(quote))
    folded, offsets = _folded(text)
    at = folded.find(wanted)
    if at >= 0:
        return Span(offsets[at], offsets[at + len(wanted) - 1] + 1)
    return _locate_bent(wanted, folded, offsets)


def _locate_bent(wanted: str, folded: str, offsets: tuple[int, ...]) -> Span | None:
    if len(wanted) < SHORTEST_FUZZY_QUOTE:
        return None
    found = fuzz.partial_ratio_alignment(wanted, folded, score_cutoff=FUZZY_QUOTE_AT)
    if found is None or found.dest_end <= found.dest_start:
        return None
    digits = _digits(wanted)
    for before, after in _LOST_LETTERS:
        start, end = max(found.dest_start - before, 0), min(found.dest_end + after, len(folded))
        if _digits(folded[start:end]) == digits:
            return Span(offsets[start], offsets[end - 1] + 1, found.score / 100)
    return None


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def words_under(page: Page, start: int, end: int) -> range:
    """The indices of the page's words that [start, end) of its text touches; words are in the order of their spans."""
    spans = page.words.spans
    first = bisect_right(spans, start, key=lambda span: span[1])
    last = bisect_left(spans, end, key=lambda span: span[0])
    return range(first, max(first, last))


def box_of(page: Page, start: int, end: int) -> Box | None:
    """The box around the words of [start, end), or None where the page has no boxes there."""
    boxes = [page.words.boxes[i] for i in words_under(page, start, end)] if page.words.boxes else []
    if not boxes:
        return None
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


def ocr_confidence(page: Page, start: int, end: int) -> float | None:
    """The confidence of the weakest word under [start, end); the page's where words have none; None without OCR."""
    if page.method != "ocr":
        return None
    if page.words.confidences:
        under = [page.words.confidences[i] for i in words_under(page, start, end)]
        if under:
            return min(under)
    return page.ocr_confidence


def quoted(page: Page, start: int, end: int) -> Evidence:
    """Evidence for [start, end) of a page's text."""
    return Evidence(page=page.number, quote=page.text[start:end], box=box_of(page, start, end))


def yields(  # noqa: PLR0911 - one return per kind of value
    field: DocumentField, quote: str, value: JsonValue, languages: tuple[str, ...] = ("en",)
) -> bool:
    """Whether `quote` says `value`: the same amount, date or text.

    An enum's value is a judgement, which any quote may bear.
    """
    if value is None or field.type is FieldType.ENUM:
        return value is not None
    match field.type:
        case FieldType.INTEGER:
            return _yields_number(quote, str(value), languages) or value in spoken_numbers(quote)
        case FieldType.MONEY | FieldType.NUMBER:
            return _yields_number(quote, str(value), languages)
        case FieldType.DATE:
            return any(found.value.isoformat() == value for found in find_dates(quote, languages, compact=True))
        case FieldType.EMAIL:
            return str(value).casefold() in {match[0].casefold() for match in EMAIL.finditer(quote)}
        case FieldType.PHONE:
            return _yields_phone(quote, str(value), languages)
        case FieldType.CURRENCY | FieldType.IBAN:
            return _yields_code(field, quote, str(value), languages)
        case _:
            return _yields_text(quote, value)


def _yields_number(quote: str, value: str, languages: tuple[str, ...]) -> bool:
    try:
        wanted = parse_money(value, ("en",))
    except InvalidValue:
        return False
    for match in _NUMBERS.finditer(quote):
        for text in {match[0], *match[0].split()}:
            for reading in (languages, ("en",), ("de",)):
                try:
                    found = parse_number(text.strip(" .,"), reading)
                except InvalidValue:
                    continue
                if found == wanted or (found == -wanted and re.search(r"[-\u2212\u2013]|CR", quote)):
                    return True
    return False


def _yields_phone(quote: str, value: str, languages: tuple[str, ...]) -> bool:
    try:
        if parse_phone(quote, languages) == value:
            return True
    except InvalidValue:
        pass  # the quote may hold more than the number; its digits decide
    return _digits(value)[-7:] in _digits(quote)


def _yields_code(field: DocumentField, quote: str, value: str, languages: tuple[str, ...]) -> bool:
    if fold(value) in fold(quote):
        return True
    for token in [quote, *re.findall(r"[^\W\d_]+\$?|[^\w\s]", quote)]:
        try:
            if typed_value(field, token, languages) == value:
                return True
        except InvalidValue:
            continue
    return False


def _yields_text(quote: str, value: JsonValue) -> bool:
    wanted, there = _letters(str(value)), _letters(quote)
    if not wanted:
        return False
    if wanted in there:
        return True
    return (
        len(wanted) >= SHORTEST_FUZZY_QUOTE
        and _digits(wanted) == _digits(there)
        and fuzz.partial_ratio(wanted, there) >= FUZZY_TEXT_AT
    )


def _letters(text: str) -> str:
    return "".join(c for c in fold(text) if c.isalnum())


def check(
    field: DocumentField, reading: FieldReading, pages: Sequence[Page], languages: tuple[str, ...] = ("en",)
) -> Grounding:
    """Check a reading against the pages' visible text: every quote stands there, and the quotes yield the value."""
    by_number = {page.number: page for page in pages}
    weakest: float | None = None
    for evidence in reading.evidence:
        page = by_number.get(evidence.page)
        span = locate(page.text, evidence.quote) if page else None
        if page is None or span is None:
            return Grounding(False, f"the quote is not on page {evidence.page}")
        certainty = ocr_confidence(page, span.start, span.end)
        if certainty is not None:
            weakest = certainty if weakest is None else min(weakest, certainty)
    if not reading.evidence:
        return Grounding(False, "no quote was given")
    if not _all_yield(field, reading, languages):
        return Grounding(False, "the quote does not say the value", weakest)
    return Grounding(True, "", weakest)


def _all_yield(field: DocumentField, reading: FieldReading, languages: tuple[str, ...]) -> bool:
    quotes = [evidence.quote for evidence in reading.evidence]
    together = "\n".join(quotes)
    value = reading.value
    if field.type is FieldType.TABLE:
        rows = value if isinstance(value, list) else []
        return len(rows) == len(quotes) and all(
            isinstance(row, dict) and _row_yields(field, row, quote, languages)
            for row, quote in zip(rows, quotes, strict=True)
        )
    if field.type is FieldType.LIST:
        return isinstance(value, list) and all(_item_yields(field, item, together) for item in value)
    try:
        typed = typed_value(field, value, languages)
    except InvalidValue:
        typed = value
    return any(yields(field, quote, typed, languages) for quote in quotes) or yields(field, together, typed, languages)


def _item_yields(field: DocumentField, item: JsonValue, quotes: str) -> bool:
    """Whether an entry of a list is borne by the quotes: by its own words, or by one of its keywords."""
    keywords = field.hints.keywords.get(str(item), ())
    return _yields_text(quotes, item) or bool(keywords and Keywords(keywords).spans(quotes))


def _row_yields(field: DocumentField, row: Mapping[str, JsonValue], quote: str, languages: tuple[str, ...]) -> bool:
    for name, column in field.columns.items():
        cell = row.get(name)
        if cell is None:
            continue
        try:
            typed = typed_value(column, cell, languages)
        except InvalidValue:
            return False
        if not (yields(column, quote, typed, languages) or _holds_words(column, quote, typed)):
            return False
    return True


def _holds_words(column: DocumentField, quote: str, value: JsonValue) -> bool:
    """Whether a quote has every word of a text: the lines of a table's cell stand apart where others come between."""
    if column.type is not FieldType.TEXT:
        return False
    there = {_letters(word) for word in quote.split()}
    return all(_letters(word) in there for word in str(value).split())
