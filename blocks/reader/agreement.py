"""Fields decided together: two names are not one party, and amounts that add up bear each other out."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import product

from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader.ranking import Ranked
from blocks.values.typed_values import fold

RIVALS = 10
"""How many values of each field a sum may choose from; the last part follows from the others."""
FITS, FITS_WITH_READ_ZERO, FITS_WITH_ZERO = 2.2, 1.5, 0.5
"""Log odds that an exact sum lends to each of its amounts; less where a part is zero, for any equal pair does that,
least where that zero has no label of its own.
"""
MIN_LABELLED = 2
"""Of all amounts on a page some add up by chance: this many of a sum stand beside their labels, or all close by."""
TOGETHER_ROWS = 6
NO_ZERO, PER_PLACE, FLOOR = 2.0, 0.5, -2.0
"""What speaks for a sum against another: that no part is zero, that its amounts stand in places of their own."""
NAME_KINDS = {"organisation", "person"}


def agree(document_type: DocumentType, ranked: Mapping[str, list[Ranked]]) -> None:
    """Reorder the ranked values of each field so that those which fit together come first. Changes `ranked`."""
    for name, field in document_type.fields.items():
        if field.hints.sum_of and field.type in {FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER}:
            parts = [part for part in field.hints.sum_of if part in ranked]
            if len(parts) == len(field.hints.sum_of):
                _add_up(name, parts, ranked)
    _tell_apart(document_type, ranked)


def _add_up(total: str, parts: list[str], ranked: Mapping[str, list[Ranked]]) -> None:
    best: tuple[float, tuple[Ranked, ...]] | None = None
    last = {Decimal(one.value): one for one in reversed(ranked[parts[-1]])}
    for combination in product(ranked[total][:RIVALS], *(ranked[part][:RIVALS] for part in parts[:-1])):
        amounts = [Decimal(one.value) for one in combination]
        rest = amounts[0] - sum(amounts[1:], Decimal(0))
        if rest not in last or not amounts[0]:
            continue
        fitting = (*combination, last[rest])
        if sum(one.places[0].is_labelled for one in fitting) < MIN_LABELLED and not (rest and _is_together(fitting)):
            continue
        weight = sum(max(one.weight, FLOOR) for one in fitting) + PER_PLACE * len({_place(one) for one in fitting})
        if rest and 0 not in amounts:
            weight += NO_ZERO
        if best is None or weight > best[0]:
            best = (weight, fitting)
    if best is None:
        return
    is_read = all(one.places[0].is_labelled for one in best[1]) and len({_place(one) for one in best[1]}) == len(
        best[1]
    )
    has_zero = any(not Decimal(one.value) for one in best[1])
    bonus = FITS if not has_zero else FITS_WITH_READ_ZERO if is_read else FITS_WITH_ZERO
    for name, one in zip((total, *parts), best[1], strict=True):
        one.weight = max(one.weight, FLOOR) + bonus
        ranked[name].sort(key=lambda other: -other.weight)


def _is_together(ranked: tuple[Ranked, ...]) -> bool:
    rows = [one.best.cell.row for one in ranked]
    return len({one.best.cell.page for one in ranked}) == 1 and max(rows) - min(rows) < TOGETHER_ROWS


def _place(ranked: Ranked) -> tuple[int, int]:
    return ranked.best.cell.page, ranked.best.cell.start + ranked.best.start


def _tell_apart(document_type: DocumentType, ranked: Mapping[str, list[Ranked]]) -> None:
    named = [
        name
        for name, field in document_type.fields.items()
        if field.type is FieldType.TEXT and field.hints.kind in NAME_KINDS and ranked.get(name)
    ]
    taken: set[str] = set()
    while named:
        name = max(named, key=lambda one: ranked[one][0].weight)
        named.remove(name)
        taken.add(fold(ranked[name][0].value))
        for other in named[:]:
            ranked[other][:] = [one for one in ranked[other] if fold(one.value) not in taken]
            if not ranked[other]:
                named.remove(other)
