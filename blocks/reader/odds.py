"""The odds of every candidate of a field, for the cross-check of models' replies.

Labels and places alone decide the best value of a field. Its candidates are weighed by more: sums, names at the head of
the document, legal forms.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.document_reading import FieldCandidate
from blocks.evidence.quoted_values import letters
from blocks.reader.calibration import calibrated
from blocks.reader.candidates import Candidate
from blocks.reader.name_shapes import MAX_NAME_LETTERS, clean_name, has_legal_form, is_address, is_contact
from blocks.reader.ranking import Place, Ranked, shares
from blocks.reader.sheet import Sheet
from blocks.reader.sums import ADDS_UP, rates, rounded_from, sums_and_parts

HEAD_ROWS, HEAD, HEAD_PER_ROW = 4, 0.6, 0.3
"""Log odds of a line at the head of a document that does not look like a name, less by each row."""
REGISTERED = 0.4
"""Log odds that a legal form adds to a name: a company is paid, and the brand above its name may be none."""


def weigh(
    fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], sheet: Sheet
) -> dict[str, tuple[FieldCandidate, ...]]:
    """The candidates of each ranked field with their probabilities. Changes the weights in `ranked`."""
    tax_shares = rates([page.text for page in sheet.pages])
    for name, found in ranked.items():
        rules = fields[name]
        if rules.type is FieldType.MONEY and (rules.hints.sum_of or rules.hints.settled_below):
            _weigh_sums(found, tax_shares)
        if rules.hints.kind == "organisation" and rules.hints.position == "top":
            found.extend(_heads(found, sheet))
            for value in found:
                value.weight += REGISTERED if has_legal_form(value.value) else 0.0
    return {name: _candidates(found) for name, found in ranked.items()}


def _weigh_sums(found: Sequence[Ranked], tax_shares: frozenset[Decimal]) -> None:
    """Raise the amounts that are sums, and lower their parts."""
    in_order = sorted((place.candidate.place, Decimal(value.value)) for value in found for place in value.places)
    sums, parts = sums_and_parts([amount for _, amount in in_order], tax_shares)
    for value in found:
        amount = Decimal(value.value)
        value.weight += ADDS_UP if amount in sums else -ADDS_UP if amount in parts else 0.0
    rounded = rounded_from({Decimal(value.value): value.weight for value in found})
    for value in found:
        value.weight = max(value.weight, rounded.get(Decimal(value.value), value.weight))


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
    letter_count = sum(c.isalpha() for c in text)
    is_wordy = letter_count >= 3 and letter_count >= 0.5 * len(text.replace(" ", "")) and len(text) <= MAX_NAME_LETTERS
    return is_wordy and not is_address(text) and not is_contact(text) and ":" not in text


def _candidates(found: Sequence[Ranked]) -> tuple[FieldCandidate, ...]:
    return tuple(
        FieldCandidate(value.value, calibrated(share)) for value, share in zip(found, shares(found), strict=True)
    )
