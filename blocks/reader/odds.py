"""The odds of every candidate of a field, against which the values of models are checked.

The best value of a field is chosen by labels and places alone. Its rivals are weighed by more: what adds up, who stands
at the head of a document, which name has a legal form.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.document_reading import FieldCandidate
from blocks.evidence.quoted_values import letters
from blocks.reader.calibration import calibrated
from blocks.reader.candidates import Candidate
from blocks.reader.name_shapes import MOST_LETTERS, clean_name, has_legal_form, is_address, is_contact
from blocks.reader.ranking import Place, Ranked
from blocks.reader.sheet import Sheet
from blocks.reader.sums import ADDS_UP, borne_out, rates, rounded_from

HEAD_ROWS, HEAD, HEAD_PER_ROW = 4, 0.6, 0.3
"""Log odds of a line at the head of a document that does not look like a name, less by each row."""
REGISTERED = 0.4
"""Log odds that a legal form lends to a name: who is paid is a company; the sign above its name need not be."""
MAX_WEIGHT = 30.0
"""Weights above it are all certainty; their exponentials need not overflow."""


def weigh(
    fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], sheet: Sheet
) -> dict[str, tuple[FieldCandidate, ...]]:
    """The candidates of each ranked field with their probabilities. Changes the weights in `ranked`."""
    shares = rates([page.text for page in sheet.pages])
    for name, found in ranked.items():
        rules = fields[name]
        if rules.type is FieldType.MONEY and (rules.hints.sum_of or rules.hints.settled_below):
            _weigh_sums(found, shares)
        if rules.hints.kind == "organisation" and rules.hints.position == "top":
            found.extend(_heads(found, sheet))
            for value in found:
                value.weight += REGISTERED if has_legal_form(value.value) else 0.0
    return {name: _candidates(found) for name, found in ranked.items()}


def _weigh_sums(found: Sequence[Ranked], shares: frozenset[Decimal]) -> None:
    """Let what adds up speak for the amounts that it makes. Changes the weights."""
    wholes, parts = borne_out([amount for _, amount in sorted(_places(found))], shares)
    for value in found:
        amount = Decimal(value.value)
        value.weight += ADDS_UP if amount in wholes else -ADDS_UP if amount in parts else 0.0
    rounded = rounded_from({Decimal(value.value): value.weight for value in found})
    for value in found:
        value.weight = max(value.weight, rounded.get(Decimal(value.value), value.weight))


def _places(found: Sequence[Ranked]) -> Iterator[tuple[tuple[int, int], Decimal]]:
    """Where each amount stands, by row and place in the page's text."""
    for value in found:
        for place in value.places:
            yield (place.candidate.cell.row, place.candidate.cell.start + place.candidate.start), Decimal(value.value)


def _heads(found: Sequence[Ranked], sheet: Sheet) -> list[Ranked]:
    """The first lines of a document as names, though they do not look like names."""
    known = {letters(value.value) for value in found}
    heads: list[Ranked] = []
    for at, row in enumerate(sheet.rows[:HEAD_ROWS]):
        cell = row.cells[0]
        text = clean_name(cell.text)
        if _could_be_name(text) and not any(letters(text) in name for name in known):
            weight = HEAD - HEAD_PER_ROW * at
            heads.append(Ranked(text, [Place(Candidate(cell, 0, len(cell.text), text), weight)], weight))
    return heads


def _could_be_name(text: str) -> bool:
    words = sum(c.isalpha() for c in text)
    is_wordy = words >= 3 and words >= 0.5 * len(text.replace(" ", "")) and len(text) <= MOST_LETTERS
    return is_wordy and not is_address(text) and not is_contact(text) and ":" not in text


def _candidates(found: Sequence[Ranked]) -> tuple[FieldCandidate, ...]:
    odds = [math.exp(min(value.weight, MAX_WEIGHT)) for value in found]
    total = 1.0 + sum(odds)
    return tuple(FieldCandidate(value.value, calibrated(one / total)) for value, one in zip(found, odds, strict=True))
