"""How a document writes numbers, dates and currencies: decided once, by all of its pages.

A single "03/04/2025" or "$ 5" has several meanings; beside "04/25/2025", or in an invoice from Toronto, it has one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from blocks.values.countries import countries, likeliest, short_date_order
from blocks.values.currencies import MEANINGS
from blocks.values.dates import DateOrder, Readings, find_readings
from blocks.values.numbers import APOSTROPHES, number_languages

USUAL_YEARS = range(1990, 2040)
"""Years on the documents of today; figures of another year are mostly no date."""
CLEAR_LEAD = 2.0
"""How many times as much must speak for an order of dates as for the others."""
MIN_CUES = 1.4
"""How much must speak for an order of dates by the document's country: two weak cues, or a strong one."""
_EITHER_ORDER = frozenset({"CA"})
"""Countries that write the year first, and dates with the year last in either order; the others put the day first."""
_YEAR = re.compile(r"(?<![\d.,])20\d\d(?![\d.,]\d)")
_BARE_SIGN = {sign: re.compile(rf"(?<![A-Za-z]){re.escape(sign)}") for sign in MEANINGS}
_OTHER_GROUPS = re.compile(rf"(?<![\d.,])\d{{4,}}[.,]\d\d(?!\d)|\d[.,{APOSTROPHES}]\d{{3}}[.,]\d\d(?!\d)", re.ASCII)
"""Thousands without a blank: in a document that writes them so, a blank parts two columns."""


@dataclass(frozen=True, slots=True)
class Notation:
    """The languages of a document's type, and those of them that write `numbers` as the document does.

    `date_order` is None where nothing decides it. `signs` are the currencies of signs that have several meanings.
    """

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    date_order: DateOrder | None = None
    signs: tuple[tuple[str, str], ...] = ()
    has_blank_groups: bool = True


@lru_cache(maxsize=64)
def notation_of(texts: tuple[str, ...], languages: tuple[str, ...]) -> Notation:
    """How the pages of a document write numbers, dates and currencies."""
    return Notation(
        words=languages,
        numbers=number_languages(texts, languages),
        date_order=_date_order(texts, languages),
        signs=tuple(_signs(texts)),
        has_blank_groups=not any(_OTHER_GROUPS.search(text) for text in texts),
    )


def _signs(texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for sign, meanings in MEANINGS.items():
        if any(_BARE_SIGN[sign].search(text) for text in texts):
            country = likeliest(countries(texts), tuple(meanings))
            if country is not None:
                yield sign, meanings[country]


def _date_order(texts: tuple[str, ...], languages: tuple[str, ...]) -> DateOrder | None:
    """The order of the dates: of those that only one order makes a date, else that of the document's country."""
    found = [readings for text in texts for *_, readings in find_readings(text, languages)]
    ambiguous = [readings for readings in found if len(readings) > 1]
    if not ambiguous:
        return None
    votes = Counter(order for readings in found if (order := _proven(readings)) is not None)
    if votes:
        return _clear({order: float(count) for order, count in votes.items()}, least=1.0)
    is_year_first = _is_year_first(ambiguous, texts)
    if is_year_first is None:
        return None
    return DateOrder.YMD if is_year_first else _order_of_country(texts)


def _proven(readings: Readings) -> DateOrder | None:
    """The order of a date that is one in no other order."""
    (order, day), *others = readings.items()
    return None if others or day.year not in USUAL_YEARS else order


def _is_year_first(ambiguous: Sequence[Readings], texts: Sequence[str]) -> bool | None:
    """Whether years of two figures stand first, as in "25-03-12": known by dates that share one of the years, or by
    years that are printed in full. None where the first figures are the likelier year and nothing tells.
    """
    dashed = [readings for readings in ambiguous if DateOrder.YMD in readings]
    first = {readings[DateOrder.YMD].year for readings in dashed}
    last = {day.year for readings in dashed for order, day in readings.items() if order is not DateOrder.YMD}
    if len(first) != 1 or len(last) != 1:
        return None if len(first) == len(last) > 0 and max(first) > max(last) else 0 < len(first) < len(last)
    printed = {int(year) for text in texts for year in _YEAR.findall(text)}
    if (first <= printed) != (last <= printed):
        return first <= printed
    return None if max(first) > max(last) else False


def _order_of_country(texts: tuple[str, ...]) -> DateOrder | None:
    weights: dict[DateOrder, float] = defaultdict(float)
    for country, weight in countries(texts).items():
        order = DateOrder(short_date_order(country))
        is_day_first = order is DateOrder.YMD and country not in _EITHER_ORDER
        weights[DateOrder.DMY if is_day_first else order] += weight
    return _clear(weights, least=MIN_CUES)


def _clear(weights: Mapping[DateOrder, float], least: float) -> DateOrder | None:
    """The order with most weight, at least `least`, if it has a clear lead."""
    ranked = sorted(weights.items(), key=lambda weighed: -weighed[1])
    if not ranked or ranked[0][1] < least:
        return None
    return ranked[0][0] if len(ranked) == 1 or ranked[0][1] >= CLEAR_LEAD * ranked[1][1] else None
