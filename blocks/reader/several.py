"""Several documents in one file: their values must never be mixed in one row.

A second number beside the label of the document's number, below an amount of the first, and a labelled amount below
that number, are a second document. So is a date beside its label between two different totals, with no number there:
each page of one document repeats its number, or none of its labels. The same number twice is a second document where
the amounts below each add up to another total: a copy that was corrected.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise, product

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.ranking import Place, Ranked

WITHOUT_NUMBER = "one without a number"
AGAIN = "the same number with other totals"
MAX_BEHIND = 3.0
"""How many log odds a second number or total may be behind the best: both have a label of the field."""


def other_documents(fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]]) -> tuple[str, ...]:
    """The numbers of the documents in a file, where there is more than one."""
    for name, field in fields.items():
        if field.required and field.hints.kind == "identifier" and ranked.get(name):
            amounts = _rows_of_amounts(fields, ranked)
            numbers = sorted((place.candidate.cell.row, found.value) for found, place in _strong(ranked[name]))
            first = numbers[:1]
            for row, value in numbers[1:]:
                is_between = any(first[-1][0] < amount < row for amount in amounts) and any(
                    row < amount for amount in amounts
                )
                if is_between and value not in {known for _, known in first}:
                    first.append((row, value))
            if len(first) > 1:
                return tuple(value for _, value in first)
            if numbers and _adds_up_again(fields, ranked, [row for row, _ in numbers]):
                return (numbers[0][1], AGAIN)
            if numbers and _begins_again(fields, ranked, [row for row, _ in numbers]):
                return (numbers[0][1], WITHOUT_NUMBER)
    return ()


def _begins_again(
    fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], numbers: Sequence[int]
) -> bool:
    """Whether another total follows the first, with the label of the document's date between them, but no number."""
    totals = sorted(_beside(fields, ranked, FieldType.MONEY))
    dates = [row for row, _ in _beside(fields, ranked, FieldType.DATE)]
    return any(
        value != other and any(first < date < second for date in dates) and not any(first < row for row in numbers)
        for (first, value), (second, other) in pairwise(totals)
    )


def _adds_up_again(
    fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], numbers: Sequence[int]
) -> bool:
    """Whether two different totals, with the document's number between them, are each the sum of labelled parts."""
    for name, field in fields.items():
        if not (field.required and field.type is FieldType.MONEY and field.hints.sum_of):
            continue
        parts = [_amounts_beside(ranked.get(part, [])) for part in field.hints.sum_of]
        above = -1
        found: list[tuple[int, Decimal]] = []
        for row, total in sorted(_amounts_beside(ranked.get(name, []))):
            near = ([amount for at, amount in amounts if above < at <= row] for amounts in parts)
            if any(sum(values, Decimal(0)) == total for values in product(*near)):
                found.append((row, total))
                above = row
        for (first, total), (second, other) in pairwise(found):
            if total != other and any(first < number < second for number in numbers):
                return True
    return False


def _amounts_beside(ranked: list[Ranked]) -> list[tuple[int, Decimal]]:
    """The rows and amounts that stand beside a label of their field."""
    places = ((place, found.value) for found in ranked for place in found.places if place.is_beside)
    return [(place.candidate.cell.row, Decimal(value)) for place, value in places]


def _beside(
    fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], wanted: FieldType
) -> Iterator[tuple[int, str]]:
    """The rows and values of the required fields of a type that stand beside their label."""
    for name, field in fields.items():
        if field.required and field.type is wanted:
            for found, place in _strong(ranked.get(name, [])):
                if place.is_beside:
                    yield place.candidate.cell.row, found.value


def _rows_of_amounts(fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]]) -> set[int]:
    """The rows in which a total has its label, or any amount where there are no two such totals: "Total due" alone is
    the label of another field than the required total.
    """
    rows: dict[bool, set[int]] = {True: set(), False: set()}
    for name, field in fields.items():
        if field.type is FieldType.MONEY:
            rows[field.required].update(place.candidate.cell.row for _, place in _strong(ranked.get(name, [])))
    return rows[True] if len(rows[True]) > 1 else rows[True] | rows[False]


def _strong(ranked: list[Ranked]) -> Iterator[tuple[Ranked, Place]]:
    """The labelled places of values that are hardly behind the best."""
    best = max((place.weight for found in ranked for place in found.places if place.is_labelled), default=0.0)
    for found in ranked:
        for place in found.places:
            if place.is_labelled and place.weight > best - MAX_BEHIND:
                yield found, place
