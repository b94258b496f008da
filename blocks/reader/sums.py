"""Amounts that are the sum of others in the document: a net amount with its tax, or an amount after its rounding.

In text without boxes, labels stand far from their amounts and hardly tell which amount is the total. Sums do: 8.49 and
0.51, which is 6 % of it, make 9.00. Two amounts are hardly ever so related by chance, so their sum is a total wherever
it stands.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

ADDS_UP = 2.0
"""Log odds that a sum gains, and that its parts lose."""
ROUNDED_TO = Decimal("0.05")
"""The step that sums paid in cash are rounded to where there is one (Malaysia, Switzerland, Canada, Australia)."""
TAX_WITHIN = Decimal("0.02")
"""How far a tax may be from net amount times rate: it may be rounded line by line."""
MAX_AMOUNTS = 80
ADDED_WITHIN = 4
"""The two summands of a sum are among so many amounts before it."""
_RATE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,2})?)\s?%|[@%]\s?(\d{1,2})(?![\d.,])")
_RATE_COLUMN = re.compile(r"(?:^|[^\d\s]|\s{2})\s*%\s*(?=\D|$)", re.MULTILINE)
_CELL = re.compile(r"^\s*(\d{1,2}(?:[.,]00?)?)\s*$", re.MULTILINE)


def rates(texts: Sequence[str]) -> frozenset[Decimal]:
    """The percentages from 1 to 30 in a document, as shares. In a column headed ``%`` they have no sign."""
    found = [next(group for group in match.groups() if group) for text in texts for match in _RATE.finditer(text)]
    found += [match[1] for text in texts if _RATE_COLUMN.search(text) for match in _CELL.finditer(text)]
    shares = {Decimal(percentage.replace(",", ".")) / 100 for percentage in found}
    return frozenset(share for share in shares if Decimal("0.01") <= share <= Decimal("0.3"))


def sums_and_parts(
    amounts: Sequence[Decimal], shares: frozenset[Decimal]
) -> tuple[frozenset[Decimal], frozenset[Decimal]]:
    """The amounts, given in reading order, that are sums, and those that are only parts of one.

    A sum is a net amount plus its tax, two of the amounts shortly before it, an amount after its rounding, or the cash
    less the change; the last two only where all three stand in a row.
    """
    known = sorted({abs(amount) for amount in amounts if amount})[-MAX_AMOUNTS:]
    sums = {*_after_rounding(amounts), *_paid(amounts, shares)}
    parts: set[Decimal] = set()
    for total, summands in _added(amounts):
        sums.add(total)
        parts.update(summands)
    for net, tax in _taxed(known, shares):
        gross = [amount for amount in known if abs(amount - net - tax) < ROUNDED_TO / 2 and amount > net]
        sums.update(gross)
        parts.update((net, tax) if gross else ())
    return frozenset(sums), frozenset(parts - sums)


def rounded_from(known: Mapping[Decimal, float]) -> dict[Decimal, float]:
    """By each amount that is another of `known` after rounding, their difference printed too: the other's weight."""
    found: dict[Decimal, float] = {}
    for amount, weight in known.items():
        if not amount or not amount % ROUNDED_TO:
            continue
        for difference in known:
            is_step = 0 < abs(difference) < ROUNDED_TO
            for rounded in (amount + difference, amount - difference) if is_step else ():
                if rounded in known and not rounded % ROUNDED_TO:
                    found[rounded] = max(weight, found.get(rounded, weight))
    return found


def _taxed(known: Sequence[Decimal], shares: frozenset[Decimal]) -> Iterator[tuple[Decimal, Decimal]]:
    for net in known:
        for share in shares:
            due = net * share
            for tax in known:
                if tax < net and abs(tax - due) <= min(TAX_WITHIN, due / 10):
                    yield net, tax


def _added(amounts: Sequence[Decimal]) -> Iterator[tuple[Decimal, tuple[Decimal, Decimal]]]:
    for at, total in enumerate(amounts):
        before = [amount for amount in amounts[max(at - ADDED_WITHIN, 0) : at] if amount]
        yield from ((total, pair) for pair in combinations(before, 2) if sum(pair) == total)


def _paid(amounts: Sequence[Decimal], shares: frozenset[Decimal]) -> Iterator[Decimal]:
    for total, cash, change in zip(amounts, amounts[1:], amounts[2:], strict=False):
        is_tax = any(abs(change - total * share) <= TAX_WITHIN for share in shares)
        if total > 0 and change > 0 and total + change == cash and not is_tax:
            yield total


def _after_rounding(amounts: Sequence[Decimal]) -> Iterator[Decimal]:
    for before, difference, after in zip(amounts, amounts[1:], amounts[2:], strict=False):
        is_step = abs(difference) < ROUNDED_TO and abs(after - before) == abs(difference)
        if is_step and after >= 1 and not after % ROUNDED_TO:
            yield after
