"""Fields decided together: two names are not one party, and amounts that add up bear each other out."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import product

from blocks.document_types import DocumentType, FieldType
from blocks.gateway.providers.local.ranking import Ranked
from blocks.values import fold

RIVALS = 7
"""How many values of each field a sum may choose from."""
FITS, FITS_WITH_ZERO = 2.2, 0.5
"""Log odds that an exact sum lends to each of its amounts; less where a part is zero, for any equal pair does that."""
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
    fields = [total, *parts]
    choices = [ranked[name][:RIVALS] for name in fields]
    if not all(choices):
        return
    best: tuple[float, tuple[Ranked, ...]] | None = None
    for combination in product(*choices):
        amounts = [Decimal(one.value) for one in combination]
        if amounts[0] != sum(amounts[1:], Decimal(0)) or not amounts[0]:
            continue
        places = {(one.best.cell.row, one.best.cell.start, one.best.start) for one in combination}
        weight = sum(one.weight for one in combination) + 0.5 * len(places)
        if 0 not in amounts:
            weight += 2.0
        if best is None or weight > best[0]:
            best = (weight, combination)
    if best is None:
        return
    bonus = FITS_WITH_ZERO if any(not Decimal(one.value) for one in best[1]) else FITS
    for one in best[1]:
        one.weight += bonus
    for name in fields:
        ranked[name].sort(key=lambda one: -one.weight)


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
