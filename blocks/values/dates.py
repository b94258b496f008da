"""Dates as documents write them: in digits or with month names of any language that Unicode CLDR knows.

Day first unless the figures rule it out; two figures are a year of 1970 to 2069.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

EARLIEST, LATEST = 1900, 2100

_ISO = re.compile(r"(?<!\d)((?:19|20)\d\d)\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{1,2})(?!\d)")
_NUMERIC = re.compile(
    r"(?:(?<![\w.,/-])|(?<=[^\W\d_])(?=\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d))"
    r"(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?((?:19|20)\d\d|\d\d)(?!\d|[.,/]\d)"
)
_NUMERIC_SPACED = re.compile(r"(?<![\d.,/])(\d{2}) (\d{2}) ((?:19|20)\d\d)(?!\d)")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")
_DAY_NAME_YEAR = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|ère|º|\.)?[\s./,-]{0,3}(?:of |de )?"
    r"([^\W\d_]{3,12})\.?[\s./,'’-]{0,3}(?:de )?((?:19|20)\d\d|\d\d)(?!\d)",
    re.IGNORECASE,
)
_NAME_DAY_YEAR = re.compile(
    r"([^\W\d_]{3,12})\.?\s{0,2}(\d{1,2})(?:st|nd|rd|th)?\s?[,.]?\s{0,2}((?:19|20)\d\d)(?!\d)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date in a text, its [start, end) there, and whether day and month could be told apart."""

    value: date
    start: int
    end: int
    is_sure: bool = True


@lru_cache(maxsize=64)
def _months(languages: tuple[str, ...]) -> dict[str, int]:
    from babel import Locale

    names: dict[str, int] = {}
    for language in dict.fromkeys((*languages, "en")):
        locale = Locale.parse(language.replace("-", "_"))
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in locale.months[context][width].items():
                    key = _plain(name)
                    names.setdefault(key, month)
                    names.setdefault(key[:3], month) if len(key) > 3 and key[:3] not in {"jui"} else None
    return names | {"sept": 9, "maerz": 3, "mrz": 3}


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in decomposed if c.isalpha())


def _month(name: str, languages: tuple[str, ...]) -> int | None:
    return _months(languages).get(_plain(name))


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (2000 if year < 70 else 1900)


def _build(year: int, month: int, day: int) -> date | None:
    if not EARLIEST <= year <= LATEST:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _day_first(first: int, second: int, year: str) -> tuple[date | None, bool]:
    day_first = _build(_year(year), second, first)
    month_first = _build(_year(year), first, second)
    if day_first and month_first and first != second:
        return day_first, False
    return day_first or month_first, True


def find_dates(text: str, languages: tuple[str, ...] = ("en",), *, compact: bool = False) -> Iterator[FoundDate]:
    """Every date in `text`, none overlapping another. `compact` takes YYYYMMDD too."""
    taken: list[tuple[int, int]] = []
    for found in _scan(text, languages, compact):
        if all(found.end <= start or found.start >= end for start, end in taken):
            taken.append((found.start, found.end))
            yield found


def _scan(text: str, languages: tuple[str, ...], compact: bool) -> Iterator[FoundDate]:
    for match in _ISO.finditer(text):
        if value := _build(int(match[1]), int(match[3]), int(match[4])):
            yield FoundDate(value, match.start(), match.end())
    for pattern in (_NUMERIC, _NUMERIC_SPACED):
        for match in pattern.finditer(text):
            last = match.re.groups
            value, is_sure = _day_first(int(match[1]), int(match[last - 1]), match[last])
            if value:
                yield FoundDate(value, match.start(), match.end(), is_sure)
    for match in _DAY_NAME_YEAR.finditer(text):
        month = _month(match[2], languages)
        if month and (value := _build(_year(match[3]), month, int(match[1]))):
            yield FoundDate(value, match.start(), match.end())
    for match in _NAME_DAY_YEAR.finditer(text):
        month = _month(match[1], languages)
        if month and (value := _build(_year(match[3]), month, int(match[2]))):
            yield FoundDate(value, match.start(), match.end())
    if compact:
        for match in _COMPACT.finditer(text):
            if value := _build(int(match[1]), int(match[2]), int(match[3])):
                yield FoundDate(value, match.start(), match.end())


def parse_date(text: str, languages: tuple[str, ...] = ("en",)) -> date | None:
    """The date that `text` holds, when it holds exactly one and little else (a weekday, a time of day); else None."""
    found = list(find_dates(text, languages, compact=True))
    if not found or len({one.value for one in found}) > 1:
        return None
    rest = text[: found[0].start] + text[found[0].end :]
    if sum(c.isalpha() for c in rest) > 12:
        return None
    return found[0].value
