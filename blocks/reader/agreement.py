"""Decides fields together: amounts that add up support each other, and two fields never name the same party."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product

from blocks.document_types.schema import DocumentType
from blocks.reader.parties import is_named
from blocks.reader.ranking import Ranked
from blocks.values.typed_values import NUMERIC, fold

RIVALS = 10
"""How many values of each field are tried in a sum; the last part follows from the others."""
FITS, FITS_WITH_READ_ZERO, FITS_WITH_ZERO = 2.2, 1.5, 0.5
"""Log odds that an exact sum adds to each of its amounts. A sum with a zero in it adds less, because any pair of equal
amounts is such a sum, and least where the zero has no label of its own.
"""
MIN_LABELLED, TOGETHER_ROWS = 2, 6
"""Some amounts add up by chance: so many of a sum must have their labels, or all stand within so many rows."""
NO_ZERO, PER_PLACE, FLOOR = 2.0, 0.5, -2.0
"""What a sum gains against other sums: without a zero, and for each of its places. No amount counts below `FLOOR`."""


def agree(document_type: DocumentType, ranked: Mapping[str, list[Ranked]]) -> None:
    """Rank the values of each field anew so that those which fit together come first. Changes `ranked`."""
    for name, field in document_type.fields.items():
        parts = field.hints.sum_of
        if parts and field.type in NUMERIC and all(part in ranked for part in parts):
            _add_up(name, parts, ranked)
    _keep_apart([name for name, field in document_type.fields.items() if is_named(field) and ranked.get(name)], ranked)


def _add_up(total: str, parts: Sequence[str], ranked: Mapping[str, list[Ranked]]) -> None:
    """Raise the amounts of the best sum, where one adds up."""
    best: tuple[float, tuple[Ranked, ...]] | None = None
    last = {Decimal(value.value): value for value in reversed(ranked[parts[-1]])}
    for combination in product(ranked[total][:RIVALS], *(ranked[part][:RIVALS] for part in parts[:-1])):
        amounts = [Decimal(value.value) for value in combination]
        rest = amounts[0] - sum(amounts[1:], Decimal(0))
        if rest not in last or not amounts[0]:
            continue
        fitting = (*combination, last[rest])
        if _count_labelled(fitting) < MIN_LABELLED and not (rest and _is_together(fitting)):
            continue
        weight = sum(max(value.weight, FLOOR) for value in fitting) + PER_PLACE * _count_places(fitting)
        if rest and 0 not in amounts:
            weight += NO_ZERO
        if best is None or weight > best[0]:
            best = (weight, fitting)
    if best is None:
        return
    values = best[1]
    is_read = _count_labelled(values) == _count_places(values) == len(values)
    has_zero = any(not Decimal(value.value) for value in values)
    bonus = FITS if not has_zero else FITS_WITH_READ_ZERO if is_read else FITS_WITH_ZERO
    for name, value in zip((total, *parts), values, strict=True):
        value.weight = max(value.weight, FLOOR) + bonus
        ranked[name].sort(key=lambda other: -other.weight)


def _count_labelled(values: tuple[Ranked, ...]) -> int:
    return sum(value.places[0].is_labelled for value in values)


def _count_places(values: tuple[Ranked, ...]) -> int:
    return len({value.best.place for value in values})


def _is_together(values: tuple[Ranked, ...]) -> bool:
    rows = [value.best.cell.row for value in values]
    return len({value.best.cell.page for value in values}) == 1 and max(rows) - min(rows) < TOGETHER_ROWS


def _keep_apart(fields: list[str], ranked: Mapping[str, list[Ranked]]) -> None:
    """Give each party to the field that is surest of it, and take it from the others."""
    taken: set[str] = set()
    while fields:
        name = max(fields, key=lambda field: ranked[field][0].weight)
        fields.remove(name)
        taken.add(fold(ranked[name][0].value))
        for other in fields[:]:
            ranked[other][:] = [value for value in ranked[other] if fold(value.value) not in taken]
            if not ranked[other]:
                fields.remove(other)
