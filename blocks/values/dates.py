"""Dates as documents write them: in digits or with month names of any language that Unicode CLDR knows.

Figures alone may leave open which is the day, the month and the year of two figures. A document writes all its dates in
one order (`blocks/values/notation.py`); without one the day comes first unless the figures rule it out, and the other
readings of the date are kept. Years of two figures are those of 1970 to 2069.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from blocks.values.numbers import UNREADABLE

EARLIEST, LATEST = 1900, 2100
MAX_SHORT_NAME = 3
"""Names of months that are no longer are words of other languages too: they count in the type's own languages only."""
_LANGUAGES = ("es", "it", "nl", "pt", "pl", "sv", "da", "nb", "fi", "cs", "ru")
"""The languages whose full names of months are read in every document."""

_ISO = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)\s?([-/.])\s?(?P<month>\d{1,2})\s?\2\s?(?P<day>\d{1,2})(?!\d)")
_NUMERIC = re.compile(
    r"(?:(?<![\w.,/-])|(?<=\d[-\u2013])(?=\d{1,2}[/.])|(?<=[^\W\d_])(?=\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d))"
    r"(?P<first>\d{1,2})\s?(?P<sign>[-/.])\s?(?P<second>\d{1,2})\s?(?P=sign)\s?(?P<year>(?:19|20)\d\d|\d\d)"
    r"(?!\d|[.,/" + UNREADABLE + r"]\d)"
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


class DateOrder(StrEnum):
    """The order of a date's parts in figures."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


Readings = dict[DateOrder | None, date]
"""The days that figures may mean, by the order of their parts, the usual order first; None where every order agrees."""


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date in a text, its [start, end) there, and the other days that its figures may mean."""

    value: date
    start: int
    end: int
    others: tuple[date, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether day, month and year are distinguishable."""
        return not self.others


@lru_cache(maxsize=64)
def _months(languages: tuple[str, ...]) -> dict[str, int]:
    from babel import Locale

    names: dict[str, int] = {}
    for language in _LANGUAGES:
        for month, name in Locale.parse(language).months["format"]["wide"].items():
            if len(key := _plain(name)) > MAX_SHORT_NAME:
                names.setdefault(key, month)
    own: dict[str, int] = {}
    for language in dict.fromkeys((*languages, "en")):
        locale = Locale.parse(language.replace("-", "_"))
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in locale.months[context][width].items():
                    key = _plain(name)
                    own.setdefault(key, month)
                    own.setdefault(key[:3], month) if len(key) > 3 and key[:3] not in {"jui"} else None
    return names | own | {"sept": 9, "maerz": 3, "mrz": 3}


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


def find_dates(
    text: str, languages: tuple[str, ...] = ("en",), *, compact: bool = False, order: DateOrder | None = None
) -> Iterator[FoundDate]:
    """Every date in `text`, none overlapping another. `compact` takes YYYYMMDD too. `order` is the document's own."""
    for start, end, readings in find_readings(text, languages, compact=compact):
        value = readings.get(order) or next(iter(readings.values()))
        others = () if order in readings else tuple(dict.fromkeys(day for day in readings.values() if day != value))
        yield FoundDate(value, start, end, others)


def find_readings(
    text: str, languages: tuple[str, ...] = ("en",), *, compact: bool = False
) -> Iterator[tuple[int, int, Readings]]:
    """Every date in `text` as its [start, end) and the days that it may mean."""
    taken: list[tuple[int, int]] = []
    for pattern in (*_NOTATIONS, _COMPACT) if compact else _NOTATIONS:
        for match in pattern.finditer(text):
            readings = _read(match, languages)
            if readings and all(match.end() <= start or match.start() >= end for start, end in taken):
                taken.append(match.span())
                yield *match.span(), readings


def _read(match: re.Match[str], languages: tuple[str, ...]) -> Readings:
    parts = match.groupdict()
    year = _year(parts["year"])
    if "first" in parts:
        return _orders(int(parts["first"]), int(parts["second"]), parts["year"], parts.get("sign") or " ")
    name = parts["month"]
    month = int(name) if name.isdigit() else _months(languages).get(_plain(name), 0)
    day = _build(year, month, int(parts["day"]))
    return {} if day is None else {None: day}


def _orders(first: int, second: int, last: str, sign: str) -> Readings:
    """What three figures may mean. Points part days first; a year of two figures stands first only before a dash."""
    found = {
        DateOrder.DMY: _build(_year(last), second, first),
        DateOrder.MDY: _build(_year(last), first, second),
        DateOrder.YMD: _build(_year(f"{first:02}"), second, int(last)) if sign == "-" and len(last) == 2 else None,
    }
    readings: Readings = {order: day for order, day in found.items() if day is not None}
    if sign == "." and DateOrder.DMY in readings:
        return {DateOrder.DMY: readings[DateOrder.DMY]}
    if len(readings) > 1 and len(set(readings.values())) == 1:
        return {None: next(iter(readings.values()))}
    return readings


def parse_date(text: str, languages: tuple[str, ...] = ("en",), order: DateOrder | None = None) -> date | None:
    """The date of a text that holds exactly one and little else (a weekday, a time of day); else None."""
    found = list(find_dates(text, languages, compact=True, order=order))
    if len({date_.value for date_ in found}) != 1:
        return None
    rest = text[: found[0].start] + text[found[0].end :]
    if sum(c.isalpha() for c in rest) > 12:
        return None
    return found[0].value
