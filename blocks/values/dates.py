"""Dates as documents write them: in digits or with month names of any language that Unicode CLDR knows.

The day comes first unless the figures rule it out. Years of two figures are those of 1970 to 2069.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

EARLIEST, LATEST = 1900, 2100

_ISO = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)\s?([-/.])\s?(?P<month>\d{1,2})\s?\2\s?(?P<day>\d{1,2})(?!\d)")
_NUMERIC = re.compile(
    r"(?:(?<![\w.,/-])|(?<=[^\W\d_])(?=\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d))"
    r"(?P<first>\d{1,2})\s?([-/.])\s?(?P<second>\d{1,2})\s?\2\s?(?P<year>(?:19|20)\d\d|\d\d)(?!\d|[.,/]\d)"
)
_NUMERIC_SPACED = re.compile(r"(?<![\d.,/])(?P<first>\d{2}) (?P<second>\d{2}) (?P<year>(?:19|20)\d\d)(?!\d)")
_DAY_NAME_YEAR = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})(?:st|nd|rd|th|er|ère|º|\.)?[\s./,-]{0,3}(?:of |de )?"
    r"(?P<month>[^\W\d_]{3,12})\.?[\s./,'’-]{0,3}(?:de )?(?P<year>(?:19|20)\d\d|\d\d)(?!\d)",
    re.IGNORECASE,
)
_NAME_DAY_YEAR = re.compile(
    r"(?P<month>[^\W\d_]{3,12})\.?\s{0,2}(?P<day>\d{1,2})(?:st|nd|rd|th)?\s?[,.]?\s{0,2}(?P<year>(?:19|20)\d\d)(?!\d)",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?!\d)")
_NOTATIONS = (_ISO, _NUMERIC, _NUMERIC_SPACED, _DAY_NAME_YEAR, _NAME_DAY_YEAR)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date in a text, its [start, end) there, and whether day and month are distinguishable."""

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


def find_dates(text: str, languages: tuple[str, ...] = ("en",), *, compact: bool = False) -> Iterator[FoundDate]:
    """Every date in `text`, none overlapping another. `compact` takes YYYYMMDD too."""
    taken: list[tuple[int, int]] = []
    for pattern in (*_NOTATIONS, _COMPACT) if compact else _NOTATIONS:
        for match in pattern.finditer(text):
            value, is_sure = _read(match, languages)
            if value and all(match.end() <= start or match.start() >= end for start, end in taken):
                taken.append(match.span())
                yield FoundDate(value, *match.span(), is_sure)


def _read(match: re.Match[str], languages: tuple[str, ...]) -> tuple[date | None, bool]:
    """The date of a match, and whether day and month are distinguishable."""
    parts = match.groupdict()
    year = _year(parts["year"])
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        day_first, month_first = _build(year, second, first), _build(year, first, second)
        return day_first or month_first, first == second or not (day_first and month_first)
    name = parts["month"]
    month = int(name) if name.isdigit() else _months(languages).get(_plain(name), 0)
    return _build(year, month, int(parts["day"])), True


def parse_date(text: str, languages: tuple[str, ...] = ("en",)) -> date | None:
    """The date of a text that holds exactly one and little else (a weekday, a time of day); else None."""
    found = list(find_dates(text, languages, compact=True))
    if len({date_.value for date_ in found}) != 1:
        return None
    rest = text[: found[0].start] + text[found[0].end :]
    if sum(c.isalpha() for c in rest) > 12:
        return None
    return found[0].value
