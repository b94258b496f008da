"""Decides fields together: amounts that add up support each other, and two fields never name the same party."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations, product
from types import MappingProxyType

from blocks.document_types.schema import DocumentType
from blocks.reader.charged_sums import NOTHING, ChargeRow, Extra, extras
from blocks.reader.parties import is_named
from blocks.reader.ranking import Place, Ranked
from blocks.reader.remarks import IS_AMOUNT
from blocks.values.numbers import money_text
from blocks.values.typed_values import NUMERIC, fold

RIVALS = 10
"""How many values of each field are tried in a sum; the last part follows from the others."""
MAX_COMBINATIONS = 20_000
"""How many combinations of values are tried for one sum, those of the likelier values; a sum of two parts has fewer."""
FITS, FITS_WITH_READ_ZERO, FITS_WITH_ZERO = 2.2, 1.5, 0.5
"""Log odds that an exact sum adds to each of its amounts. A sum with a zero in it adds less, because any pair of equal
amounts is such a sum, and least where the zero has no label of its own.
"""
FITS_WITH_CHARGES, PER_CHARGE = 1.5, 2.0
"""Log odds that a sum adds where charges between its parts complete it, and what it loses for each against others."""
MIN_LABELLED, TOGETHER_ROWS = 2, 6
"""Some amounts add up by chance: so many of a sum must have their labels, or all stand within so many rows."""
LEAD = 0.7
"""By how many log odds an amount that makes up the surest total, close to it, leads what only its label supports."""
NO_ZERO, PER_PLACE, FLOOR = 2.0, 0.5, -2.0
"""What a sum gains against other sums: without a zero, and for each of its places. No amount counts below `FLOOR`."""
PER_RATE_ROW = 1.5
"""What a sum loses for each amount that stands in a table of taxes by rate."""
LARGER_SHARE, PRINTED_RATE, SHARE_WITHIN = 4.0, 1.0, Decimal("0.02")
"""What a sum loses by a share that is larger than its whole, and gains by one that is a printed rate of it."""
SAME_EDGE = 12.0
"""How many points the amounts of a column may end apart."""
NO_ROWS: Mapping[int, bool] = MappingProxyType({})


def agree(
    document_type: DocumentType,
    ranked: Mapping[str, list[Ranked]],
    rate_rows: Mapping[int, bool] = NO_ROWS,
    tax_shares: Collection[Decimal] = (),
    charges: Sequence[ChargeRow] = (),
) -> None:
    """Rank the values of each field anew so that those which fit together come first. Changes `ranked`.

    `rate_rows` are the rows with a percentage: their taxes may be parts of the tax. Those of a table of taxes by rate
    (true) add up as well, but are parts of the document's sum. `tax_shares` are the rates that the document prints:
    they tell which of two parts is the share of the other. `charges` are the rows of shipping, levies, discounts.
    """
    for name, field in document_type.fields.items():
        parts = field.hints.sum_of
        if parts and field.type in NUMERIC and all(part in ranked for part in parts):
            shares = {part: of for part in parts if (of := document_type.fields[part].hints.share_of) in parts}
            _add_up(name, parts, ranked, rate_rows, _ShareOf(parts, shares, tax_shares), charges)
    _keep_apart([name for name, field in document_type.fields.items() if is_named(field) and ranked.get(name)], ranked)


@dataclass(frozen=True, slots=True)
class _ShareOf:
    """Which parts of a sum are shares of another part, and the rates that the document prints."""

    parts: Sequence[str]
    wholes: Mapping[str, str]
    rates: Collection[Decimal]

    def weight(self, values: Sequence[Ranked]) -> float:
        """The log odds of a sum by its shares; `values` are those of the parts."""
        by_name = {name: Decimal(value.value) for name, value in zip(self.parts, values, strict=True)}
        weight = 0.0
        for name, whole in self.wholes.items():
            share, base = abs(by_name[name]), abs(by_name[whole])
            if share > base:
                weight -= LARGER_SHARE
            elif any(abs(base * rate - share) <= SHARE_WITHIN for rate in self.rates):
                weight += PRINTED_RATE
        return weight

    def with_charges(self, values: tuple[Ranked, ...], extra: Extra) -> tuple[Ranked, ...]:
        """A sum's total and parts, with the charges in the part of which another one is a printed rate only so."""
        found = list(values)
        places = {name: at for at, name in enumerate(self.parts, 1)}
        for name, whole in self.wholes.items():
            share, base = values[places[name]], values[places[whole]]
            charged = Decimal(base.value) + extra.added
            due = [charged * rate for rate in self.rates]
            if extra.is_printed_before(share.best) and any(
                abs(amount - Decimal(share.value)) <= SHARE_WITHIN for amount in due
            ):
                more = (*base.best.more, *extra.cells)
                summed = replace(base.best, value=money_text(charged), more=more)
                found[places[whole]] = Ranked(summed.value, [replace(base.places[0], candidate=summed)], base.weight)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A total and its parts that add up, with the charges that complete them."""

    values: tuple[Ranked, ...]
    extra: Extra
    weight: float


def _add_up(
    total: str,
    parts: Sequence[str],
    ranked: Mapping[str, list[Ranked]],
    rate_rows: Mapping[int, bool],
    share_of: _ShareOf,
    charges: Sequence[ChargeRow],
) -> None:
    """Raise the amounts of the best sum, where one adds up."""
    best: _Sum | None = None
    for values, extra in _sums(total, parts, ranked, rate_rows, charges):
        weight = sum(max(value.weight, FLOOR) for value in values) + PER_PLACE * _count_places(values)
        if all(Decimal(value.value) for value in values):
            weight += NO_ZERO
        weight += share_of.weight(values[1:])
        parts_by_rate = [value for value in values if rate_rows.get(value.best.cell.row) and not value.best.more]
        weight -= PER_RATE_ROW * len(parts_by_rate) + PER_CHARGE * len(extra.rows)
        if best is None or weight > best.weight:
            best = _Sum(values, extra, weight)
    if best is None:
        return
    values = share_of.with_charges(best.values, best.extra)
    is_read = _count_labelled(values) == _count_places(values) == len(values)
    has_zero = any(not Decimal(value.value) for value in values)
    bonus = FITS if not has_zero else FITS_WITH_READ_ZERO if is_read else FITS_WITH_ZERO
    bonus = min(bonus, FITS_WITH_CHARGES) if best.extra.rows else bonus
    leads = values[0] is ranked[total][0] and not has_zero and _is_together(values)
    for name, value in zip((total, *parts), values, strict=True):
        least = ranked[name][0].weight + LEAD if leads and value is not ranked[name][0] else FLOOR
        value.weight = max(value.weight + bonus, least, FLOOR + bonus)
        if value not in ranked[name]:
            ranked[name].append(value)
        ranked[name].sort(key=lambda other: -other.weight)


def _sums(
    total: str,
    parts: Sequence[str],
    ranked: Mapping[str, list[Ranked]],
    rate_rows: Mapping[int, bool],
    charges: Sequence[ChargeRow],
) -> Iterator[tuple[tuple[Ranked, ...], Extra]]:
    """The totals with parts that add up to them, alone or with charges that stand between them.

    Charges complete a sum only where each of its values has its label.
    """
    added = {part: _added(_own_amounts(part, parts, ranked), rate_rows) for part in parts}
    last = added[parts[-1]] | {Decimal(value.value): value for value in reversed(ranked[parts[-1]])}
    options = [_likeliest([*ranked[part][:RIVALS], *added[part].values()], len(parts) - 1) for part in parts[:-1]]
    for whole in ranked[total][:RIVALS]:
        amount = Decimal(whole.value)
        completing = extras(charges, whole.best.cell.row) if amount else ()
        for combination in product(*options) if amount else ():
            rest = amount - sum((Decimal(value.value) for value in combination), Decimal(0))
            for extra in (NOTHING, *completing):
                if rest - extra.added not in last:
                    continue
                fitting = (whole, *combination, last[rest - extra.added])
                labelled = _count_labelled(fitting)
                if extra.rows:
                    is_sum = labelled == len(fitting) and extra.is_between(value.best for value in fitting)
                else:
                    is_sum = labelled >= MIN_LABELLED or bool(rest and _is_together(fitting))
                if is_sum:
                    yield fitting, extra


def _likeliest(values: list[Ranked], count: int) -> list[Ranked]:
    """The values of a part that are tried where `count` parts have as many, so that not too many combinations are."""
    limit = int((MAX_COMBINATIONS / RIVALS) ** (1 / max(count, 1)))
    return values if len(values) <= limit else sorted(values, key=lambda value: -value.weight)[:limit]


def _own_amounts(part: str, parts: Sequence[str], ranked: Mapping[str, list[Ranked]]) -> list[Ranked]:
    """The amounts of a part of a sum, without those that stand beside the label of another part alone."""
    others = {
        value.best.place
        for other in parts
        if other != part
        for value in ranked[other][:RIVALS]
        if value.places[0].is_beside
    }
    return [value for value in ranked[part][:RIVALS] if value.places[0].is_beside or value.best.place not in others]


def _added(parts: Sequence[Ranked], rate_rows: Mapping[int, bool]) -> dict[Decimal, Ranked]:
    """Sums of two or three labelled amounts of a field, each in a row with a rate."""
    rated = [value for value in parts[:RIVALS] if value.best.cell.row in rate_rows and value.places[0].is_labelled]
    found: dict[Decimal, Ranked] = {}
    for count in (3, 2):
        for values in combinations(rated, count):
            if len({value.best.cell.row for value in values}) < count or not _is_column(values, rate_rows):
                continue
            amounts = [Decimal(value.value) for value in values]
            if min(amounts) < 0 < max(amounts):  # a deduction is none of the taxes or net amounts
                continue
            total = sum(amounts, Decimal(0))
            first, *others = sorted((value.best for value in values), key=lambda option: option.place)
            summed = replace(first, value=money_text(total), more=tuple(other.cell for other in others))
            weight = sum(value.weight for value in values) / count
            found[total] = Ranked(summed.value, [Place(summed, weight, is_labelled=True)], weight)
    return found


def _is_column(values: Sequence[Ranked], rate_rows: Mapping[int, bool]) -> bool:
    """Whether amounts stand in one column: by their boxes, or because each is the only amount of its row."""
    boxes = [value.best.cell.box for value in values]
    edges = [box[2] for box in boxes if box is not None]
    if len(edges) == len(boxes):
        return max(edges) - min(edges) < SAME_EDGE
    return not any(rate_rows[value.best.cell.row] for value in values)


def _count_labelled(values: tuple[Ranked, ...]) -> int:
    return sum(value.places[0].is_labelled for value in values)


def _count_places(values: tuple[Ranked, ...]) -> int:
    return len({value.best.place for value in values})


def _is_together(values: tuple[Ranked, ...]) -> bool:
    rows = [value.best.cell.row for value in values]
    is_near = len({value.best.cell.page for value in values}) == 1 and max(rows) - min(rows) < TOGETHER_ROWS
    return is_near and all(value.places[0].is_labelled or value.best.weight > IS_AMOUNT for value in values)


def _keep_apart(fields: list[str], ranked: Mapping[str, list[Ranked]]) -> None:
    """Give each party to the field that is surest of it, and take it from the others."""
    taken: set[str] = set()
    while fields:
        name = max(fields, key=lambda field: ranked[field][0].weight)
        fields.remove(name)
        taken.add(fold(ranked[name][0].value))
        for other in fields[:]:
            ranked[other][:] = [value for value in ranked[other] if not _is_same_party(fold(value.value), taken)]
            if not ranked[other]:
                fields.remove(other)


def _is_same_party(name: str, taken: Collection[str]) -> bool:
    """Whether a folded name is among the others, or begins one of them or with one: "acmeltd" and "acmeltd-copy"."""
    return any(
        longer == shorter or (longer.startswith(shorter) and longer[len(shorter)] in "-,;:(|/")
        for shorter, longer in (sorted((name, other), key=len) for other in taken)
    )
