"""Numbers and amounts of money in running text: the only grammar of them, for the reader and for the check of quotes.

A number is found with all that decides its value: groups of thousands, decimals, currency, and its sign (a minus on
either side, brackets, CR). Whether it is an amount by its place, or a rate or a time, is for the caller to decide.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from blocks.values.currencies import CURRENCY, is_currency_word, without_currency
from blocks.values.dates import find_dates
from blocks.values.errors import InvalidValue
from blocks.values.numbers import APOSTROPHES, MINUS_SIGNS, SPACES, parse_number

_NUMBER = re.compile(
    rf"(?<!\d)\d{{1,3}}(?:[{SPACES}]\d{{3}})+(?:[.,]\d{{1,5}}(?![.,]?\d)|(?![\w%]|[.,]\d))"
    rf"|(?<!\d)\d+(?:[.,]\d+|[{APOSTROPHES}]\d{{3}}(?!\d))*|(?<![\w.,])[.,]\d+"
)
_PARTED = re.compile(r"\d+(?: [.,]|[.,] )\d\d(?![\d.,])")
"""An amount with a blank beside its decimal sign, which OCR adds."""
_DECIMALS = re.compile(r"[.,] ?(\d{1,5})$")
_WHOLE = re.compile(r"[.,][-\u2013\u2014]{1,2}(?![\w-])")
"""A dash in place of the decimals: "1'500.-"."""
NO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = re.compile(
    rf"(?<![\d.,])(?P<whole>\d+|\d{{1,3}}(?:[.,{APOSTROPHES}{SPACES}]\d{{3}})+)(?P<raised>[{SUPERSCRIPTS}]{{2}})"
    rf"(?![{SUPERSCRIPTS}\d])"
)
"""A whole number with two raised decimals."""
_UNPLAIN = re.compile(f"[{NO_WIDTH}{SUPERSCRIPTS}]")
_MAX_MARKS_CHARACTERS = 16
_GAP = rf"[{SPACES}]"
_CURRENCY_BEFORE = re.compile(rf"(?<![^\W\d_])({CURRENCY})$")
_AFTER = tuple(
    re.compile(
        rf"{currency}(?P<bracket>{_GAP}?\))?(?P<minus>\s?[{MINUS_SIGNS}](?![{MINUS_SIGNS}\w]|\s?\d))?"
        rf"{outer}(?:\s?(?P<side>CR|DR|Cr|Dr)(?!\w))?"
    )
    for currency, outer in (
        (rf"(?:{_GAP}{{0,2}}(?P<currency>{CURRENCY})(?![^\W\d_]))", ""),
        ("", rf"(?:{_GAP}{{0,2}}(?P<currency>{CURRENCY})(?![^\W\d_]))"),
        ("(?P<currency>)", ""),
    )
)
"""What may follow a number: its currency inside or outside of brackets and minus, or none."""
_OPENS = frozenset("(:;=/|")
_SIGNS_ALONE = " €$£¥₹"


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text, without its sign, at [start, end); with sign, brackets and CR at [first, last).

    `signs` are its possible signs: 1, -1 or both; `is_negative` is the likelier. `parts` are two numbers that it may be
    instead: a blank groups thousands, or it parts two columns. `currency` is the word or sign beside it.
    """

    value: Decimal
    signs: tuple[int, ...]
    parts: tuple["Number", ...] = ()
    start: int = 0
    end: int = 0
    first: int = 0
    last: int = 0
    decimals: int = 0
    currency: str = ""
    is_negative: bool = False

    @property
    def signed(self) -> Decimal:
        """The value with its likelier sign."""
        return -self.value if self.is_negative else self.value


@dataclass(frozen=True, slots=True)
class _Before:
    """The marks before a number: where they begin, its currency, and the places of a minus and of a bracket."""

    first: int
    currency: str = ""
    minus: int | None = None
    bracket: int | None = None


@lru_cache(maxsize=8192)
def numbers(text: str, languages: tuple[str, ...]) -> tuple[Number, ...]:
    """The numbers of a text as `languages` write them, but not those of its dates."""
    if not any(c.isdigit() for c in text):
        return ()
    written, places = _written(text)
    undated = _without_dates(written, languages)
    found = [
        _number(undated, *piece, languages)
        for match in _NUMBER.finditer(undated)
        for piece in _pieces(match, languages)
    ]
    found += [_number(undated, match.start(), match[0], languages) for match in _PARTED.finditer(undated)]
    return tuple(found) if written == text else tuple(_placed(number, places) for number in found)


def _written(text: str) -> tuple[str, Sequence[int]]:
    """A text without characters of no width, and with "1,240⁰⁰" as "1,240.00"; and where each character stood."""
    if text.isascii() or not _UNPLAIN.search(text):
        return text, ()
    characters: list[str] = []
    places: list[int] = []
    raised = {match.start(): match for match in _RAISED.finditer(text)}
    digits = {place for match in raised.values() for place in range(*match.span("raised"))}
    signs = {match.start("raised"): "," if "." in match["whole"] else "." for match in raised.values()}
    for place, char in enumerate(text):
        if char in NO_WIDTH:
            continue
        if place in signs:
            characters.append(signs[place])
            places.append(place)
        characters.append(str(unicodedata.digit(char)) if place in digits else char)
        places.append(place)
    return "".join(characters), (*places, len(text))


def _placed(number: Number, places: Sequence[int]) -> Number:
    """A number of the written form, at its place in the text."""
    return replace(
        number,
        start=places[number.start],
        end=places[number.end - 1] + 1,
        first=places[number.first],
        last=places[number.last - 1] + 1,
        parts=tuple(_placed(part, places) for part in number.parts),
    )


def parse_money(text: str, languages: tuple[str, ...] = ("en",)) -> Decimal:
    """The amount that the complete `text` is, with or without a currency. Raises `InvalidValue`."""
    body = " ".join(text.split())
    side = re.search(r"\s?(CR|DR|Cr|Dr)$", body)
    body = without_currency(body[: side.start()] if side else body)
    try:
        value = parse_number(body.strip(" :="), languages)
    except InvalidValue as error:
        raise InvalidValue(text, "amount of money") from error
    return -value if side and side[1].upper() == "CR" else value


def _pieces(match: re.Match[str], languages: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The place and the text of a match where it is a number, else of its runs of digits."""
    try:
        parse_number(match[0], languages)
    except InvalidValue:
        for run in re.finditer(r"\d+", match[0]):
            yield match.start() + run.start(), run[0]
    else:
        yield match.start(), match[0]


def _number(text: str, start: int, written: str, languages: tuple[str, ...]) -> Number:
    end = start + len(written)
    decimals = _DECIMALS.search(written)
    whole = None if decimals else _WHOLE.match(text, end)
    number = Number(parse_number(written, languages), (1,), start=start, end=whole.end() if whole else end)
    number = replace(number, decimals=2 if whole else len(decimals[1]) if decimals else 0)
    number = _signed(text, number)
    split = written.split(" ")
    if len(split) != 2 or not all(part and part[0].isdigit() for part in split) or _PARTED.fullmatch(written):
        return number
    second = start + len(split[0]) + 1
    parts = (_number(text, start, split[0], languages), _number(text, second, split[1], languages))
    return replace(number, parts=parts)


def _signed(text: str, number: Number) -> Number:
    """The number with its possible signs, its currency, and the place of both.

    A minus counts where it touches the number or its currency. Both signs are possible within brackets, and where a
    minus may be a dash: at the start of a line or a column, or behind a word.
    """
    before, after = _before(text, number.start), _after(text, number.end)
    currency = before.currency or after["currency"]
    is_amount = number.decimals == 2 or bool(currency)
    closes = after["bracket"] is not None
    signs: tuple[int, ...] = (1,)
    is_negative = False
    if before.bracket is not None and closes:
        signs = (1, -1)
        is_negative = is_amount and not _follows_number(text, before.first)
    elif before.minus is not None:
        signs, is_negative = _minus_before(text, before.minus)
    elif after["side"] and after["side"].upper() == "CR":
        signs, is_negative = (1, -1), True
    elif after["minus"]:
        is_glued = number.decimals == 2 and after.start("minus") == number.end and after["minus"][0] in MINUS_SIGNS
        signs, is_negative = ((-1,), True) if is_glued else ((1, -1), number.decimals == 2)
    first, last = number.start, number.end
    if is_negative:
        first = min(first, *(place for place in (before.minus, before.bracket) if place is not None), first)
        last = max(last, *(after.end(mark) for mark in ("bracket", "minus", "side")))
    return replace(number, signs=signs, is_negative=is_negative, first=first, last=last, currency=currency)


def _before(text: str, start: int) -> _Before:
    """The currency, the minus and the bracket before a number, in any order."""
    marks = _Before(start)
    for _ in range(4):
        end = marks.first
        while end and text[end - 1] in " \u00a0" and marks.first - end < 2:
            end -= 1
        char = text[end - 1] if end else ""
        if char == "(" and marks.bracket is None:
            marks = replace(marks, first=end - 1, bracket=end - 1)
        elif char and char in MINUS_SIGNS and marks.minus is None and _opens(text, end - 1):
            marks = replace(marks, first=end - 1, minus=end - 1)
        elif (
            not marks.currency
            and (word := _CURRENCY_BEFORE.search(text, max(end - 9, 0), end))
            and is_currency_word(word[1])
        ):
            marks = replace(marks, first=word.start(1), currency=word[1])
        else:
            break
    return marks


def _currency_before(text: str, end: int) -> str:
    """The currency that ends at a place of a text, empty where none does."""
    word = _CURRENCY_BEFORE.search(text, max(end - 9, 0), end)
    return word[1] if word and is_currency_word(word[1]) else ""


def _opens(text: str, minus: int) -> bool:
    """Whether a minus may be a sign by what stands before it."""
    before = text[max(minus - 1, 0) : minus]
    return not before or before.isspace() or before in _OPENS or before in _SIGNS_ALONE or before.isalpha()


def _minus_before(text: str, minus: int) -> tuple[tuple[int, ...], bool]:
    """The possible signs of a number with a minus at `minus`, and whether it is likelier negative."""
    line = text[:minus].rpartition("\n")[2]
    if text[minus + 1 : minus + 2].isspace():
        is_open = (
            not line.strip(_SIGNS_ALONE)
            or line.endswith(("  ", "\t"))
            or bool(_currency_before(line, len(line.rstrip())))
        )
        return ((1, -1), True) if is_open else ((1,), False)
    is_glued = line[-1:].isalpha() and not is_currency_word(re.split(r"[\W\d_]", line)[-1])
    return ((1, -1), False) if is_glued else ((-1,), True)


def _after(text: str, end: int) -> re.Match[str]:
    """The marks behind a number."""
    limit = end + _MAX_MARKS_CHARACTERS
    for pattern in _AFTER:
        found = pattern.match(text, end, limit)
        if found is not None and (not found["currency"] or is_currency_word(found["currency"])):
            return found
    raise AssertionError("the last pattern matches every text")


def _follows_number(text: str, first: int) -> bool:
    """Whether a bracket stands right behind a number: it holds a remark on that one."""
    return re.search(r"\d\s{0,2}$", text[:first]) is not None


@lru_cache(maxsize=8192)
def _without_dates(text: str, languages: tuple[str, ...]) -> str:
    for start, end in dated(text, languages):
        text = text[:start] + "\n" * (end - start) + text[end:]
    return text


def dated(text: str, languages: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """The [start, end) of each date in a text; a date never begins or ends within a number with decimals."""
    if not any(c.isdigit() for c in text):
        return
    for found in find_dates(text, languages):
        if not re.search(r"\d[.,]\Z", text[: found.start]) and not re.match(r"[.,]\d", text[found.end :]):
            yield found.start, found.end
