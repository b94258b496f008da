"""Amounts that other amounts of the same document make: a net amount and its tax, or a sum and its rounding.

Text without boxes parts labels from their amounts, and then the labels say little of which amount is the whole. What
adds up still does: 8.49 and 0.51, which is 6 % of it, make 9.00. By chance two amounts hardly ever stand in that
relation, so an amount that they make is a whole sum wherever it stands.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

ADDS_UP = 2.0
"""Log odds that amounts lend to the whole that they make, and that they lose as its parts themselves.
"""
ROUNDED_TO = Decimal("0.05")
"""The step that sums paid in cash are rounded to where there is one (Malaysia, Switzerland, Canada, Australia)."""
TAX_WITHIN = Decimal("0.02")
"""How far a tax may be from net times rate: it may be rounded line by line."""
MOST_AMOUNTS = 80
ADDED_WITHIN = 4
"""How many amounts before a sum its two summands are looked for among."""
_RATE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,2})?)\s?%|[@%]\s?(\d{1,2})(?![\d.,])")
_RATE_COLUMN = re.compile(r"(?:^|[^\d\s]|\s{2})\s*%\s*(?=\D|$)", re.MULTILINE)
_CELL = re.compile(r"^\s*(\d{1,2}(?:[.,]00?)?)\s*$", re.MULTILINE)


def rates(texts: Sequence[str]) -> frozenset[Decimal]:
    """The percentages between 1 and 30 that a document prints, as shares; in a column headed ``%`` without the sign."""
    found = [next(group for group in match.groups() if group) for text in texts for match in _RATE.finditer(text)]
    found += [match[1] for text in texts if _RATE_COLUMN.search(text) for match in _CELL.finditer(text)]
    shares = {Decimal(one.replace(",", ".")) / 100 for one in found}
    return frozenset(share for share in shares if Decimal("0.01") <= share <= Decimal("0.3"))


def borne_out(amounts: Sequence[Decimal], shares: frozenset[Decimal]) -> tuple[frozenset[Decimal], frozenset[Decimal]]:
    """Those of a document's amounts, which are in reading order, that others make, and those that only help make them.

    An amount is a whole where a net amount and its tax make it, or two amounts shortly before it, or where it is what
    another is rounded to, or what was paid less the change, all three in a row. Net amount, tax and summands of a whole
    that is printed are but its parts.
    """
    known = sorted({abs(one) for one in amounts if one})[-MOST_AMOUNTS:]
    wholes = {*_after_rounding(amounts), *_paid(amounts, shares)}
    parts: set[Decimal] = set()
    for whole, summands in _added(amounts):
        wholes.add(whole)
        parts.update(summands)
    for net, tax in _taxed(known, shares):
        gross = [one for one in known if abs(one - net - tax) < ROUNDED_TO / 2 and one > net]
        wholes.update(gross)
        parts.update((net, tax) if gross else ())
    return frozenset(wholes), frozenset(parts - wholes)


def rounded_from(known: Mapping[Decimal, float]) -> dict[Decimal, float]:
    """For amounts that are another one of `known` rounded by a difference that is printed too: that one's weight."""
    found: dict[Decimal, float] = {}
    for amount, weight in known.items():
        if not amount or not amount % ROUNDED_TO:
            continue
        for difference in known:
            rounded = amount + difference
            is_step = 0 < abs(difference) < ROUNDED_TO
            for whole in (rounded, amount - difference) if is_step else ():
                if whole in known and not whole % ROUNDED_TO:
                    found[whole] = max(weight, found.get(whole, weight))
    return found


def _taxed(known: Sequence[Decimal], shares: frozenset[Decimal]) -> Iterator[tuple[Decimal, Decimal]]:
    for net in known:
        for share in shares:
            due = net * share
            for tax in known:
                if tax < net and abs(tax - due) <= min(TAX_WITHIN, due / 10):
                    yield net, tax


def _added(amounts: Sequence[Decimal]) -> Iterator[tuple[Decimal, tuple[Decimal, Decimal]]]:
    for at, whole in enumerate(amounts):
        before = [one for one in amounts[max(at - ADDED_WITHIN, 0) : at] if one]
        yield from ((whole, pair) for pair in combinations(before, 2) if sum(pair) == whole)


def _paid(amounts: Sequence[Decimal], shares: frozenset[Decimal]) -> Iterator[Decimal]:
    for whole, paid, change in zip(amounts, amounts[1:], amounts[2:], strict=False):
        is_tax = any(abs(change - whole * share) <= TAX_WITHIN for share in shares)
        if whole > 0 and change > 0 and whole + change == paid and not is_tax:
            yield whole


def _after_rounding(amounts: Sequence[Decimal]) -> Iterator[Decimal]:
    for before, difference, after in zip(amounts, amounts[1:], amounts[2:], strict=False):
        is_step = abs(difference) < ROUNDED_TO and abs(after - before) == abs(difference)
        if is_step and after >= 1 and not after % ROUNDED_TO:
            yield after
