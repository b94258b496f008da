"""Which candidate is the value of a field: labels, layout and hints, added up as log odds.

Each place of a value has a weight. A value with several places has the logarithm of their summed odds. A value's share
of all odds, those of "not on the document" (weight 0) included, is how sure it is: a strong rival lowers it, further
places raise it, and a value without rivals is not certain for that.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from blocks.document_types.schema import DocumentField, FieldHints
from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import Label, plain
from blocks.reader.lines import Cell, Row, overlap
from blocks.values.currencies import is_currency_word

SAME_CELL, RIGHT, BELOW, NEXT_LINE = 3.2, 3.0, 2.4, 2.8
"""Log odds that a value belongs to a label, by where it stands from the label."""
PER_CELL, PER_LINE, CROSSED_LABEL = 0.5, 0.6, 1.5
OF_ANOTHER_LABEL = 3.0
"""What a value below a label loses that stands behind another field's label and a colon."""
LAST_ALIAS = 1.6
"""What the last alias of a field loses against the first: a type lists its best alias first."""
UNLABELLED = -1.6
NEAR, AGAINST = 0.8, 1.6
QUALIFYING, PART_OF_A_NAME = 1.2, 1.0
"""What a label loses right behind another field's label, or right behind a word: "company name" is no "name"."""
MAX_LINES_BELOW = 5
SECTION_ROWS, IN_SECTION = 12, 2.4
SECTION_WORDS = ("summary", "analysis", "breakdown", "aufschlusselung", "ubersicht", "recapitulatif")
"""A phrase of `not_near` with this ending names a section, and counts against the rows below it too."""
REPEATED, MAX_REPEATS, REPEAT_COUNTS_AT = 0.4, 2, -3.3
"""Log odds of each further place of a value, up to two, of those with at least this weight."""
PICKED, PICKED_FROM = 0.8, 1.5
"""Log odds that the hint `pick` adds to its value, among values at most so far below the best."""
PAID, PAID_EXACTLY = 1.6, 0.8
"""Log odds of an amount with cash and change below it that fit; less where the change is zero."""
MAX_WEIGHT = 30.0
"""Weights above it are all certainty; their exponentials need not overflow."""

_VALUE_BEGINS = re.compile(r":|\d[\d.,]*+(?!\s?%)")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate and the log odds of its place. `is_beside` its label: both stand in one row."""

    candidate: Candidate
    weight: float
    is_labelled: bool = False
    is_beside: bool = False


@dataclass(slots=True)
class Ranked:
    """A distinct value with its places, best first, and its log odds."""

    value: str
    places: list[Place] = field(default_factory=list)
    weight: float = 0.0

    @property
    def best(self) -> Candidate:
        """The candidate at the strongest place."""
        return self.places[0].candidate


@dataclass(frozen=True, slots=True)
class Target:
    """Where a label points: a part of a cell, and the log odds that the value stands there."""

    cell: Cell
    start: int
    end: int
    weight: float


def targets(label: Label, rows: tuple[Row, ...], labels: dict[int, list[Label]]) -> Iterator[Target]:
    """Where the value of a label may stand: after it in its cell, in the cells to its right, below it."""
    row = rows[label.cell.row]
    tail_end = _next_label_start(label, labels)
    tail = label.cell.text[label.end : tail_end]
    has_tail = any(c.isalnum() for c in tail)
    if has_tail:
        yield Target(label.cell, label.end, tail_end, SAME_CELL)
    right_weight = RIGHT - (1.0 if any(c.isdigit() for c in tail) else 0.0)
    if tail_end == len(label.cell.text):
        for cell in row.cells:
            if cell.start == label.cell.start or not _is_right_of(cell, label.cell):
                continue
            if _begins_with_label(cell, labels):
                right_weight -= CROSSED_LABEL
            yield Target(cell, 0, len(cell.text), right_weight)
            right_weight -= PER_CELL
    yield from _below(label, rows, labels)


def _is_right_of(cell: Cell, label: Cell) -> bool:
    if cell.box is None or label.box is None:
        return cell.start > label.start
    return cell.box[0] >= label.box[2] - 1


def _next_label_start(label: Label, labels: dict[int, list[Label]]) -> int:
    for other in labels.get(label.cell.row, ()):
        if other.cell.start == label.cell.start and other.start >= label.end and _is_other_field(other, label):
            return other.start
    return len(label.cell.text)


def _is_other_field(other: Label, label: Label) -> bool:
    fields = {meaning.field for meaning in label.meanings}
    return not other.is_only_against and fields.isdisjoint(meaning.field for meaning in other.meanings)


def _begins_with_label(cell: Cell, labels: dict[int, list[Label]]) -> bool:
    return any(label.cell.start == cell.start and label.start <= 2 for label in labels.get(cell.row, ()))


def _below(label: Label, rows: tuple[Row, ...], labels: dict[int, list[Label]]) -> Iterator[Target]:
    weight = NEXT_LINE if label.cell.box is None else BELOW
    last = label.cell
    for row in rows[label.cell.row + 1 : label.cell.row + 1 + MAX_LINES_BELOW]:
        if row.page != label.cell.page:
            return
        cells = [cell for cell in row.cells if _is_under(cell, label.cell, last)]
        if not cells:
            weight -= 0.2
            continue
        for cell in cells:
            crossed = OF_ANOTHER_LABEL if _is_value_of_another(cell, label, labels) else 0.0
            yield Target(cell, 0, len(cell.text), weight - crossed)
        has_letters = sum(c.isalnum() for c in row.text) > 3
        weight -= PER_LINE if has_letters else 0.15
        if any(other.start <= 3 for other in labels.get(row.index, ())):
            weight -= CROSSED_LABEL
        last = cells[0]


def _is_value_of_another(cell: Cell, label: Label, labels: dict[int, list[Label]]) -> bool:
    """Whether a cell below a label begins with another field's label and a colon, and goes on with its value."""
    fields = _announced(label)
    return any(
        other.cell.start == cell.start
        and other.start == 0
        and fields.isdisjoint(_announced(other))
        and not other.is_only_against
        and cell.text[other.end :].lstrip()[:1] == ":"
        and any(c.isalnum() for c in cell.text[other.end :])
        for other in labels.get(cell.row, ())
    )


def _announced(label: Label) -> frozenset[str]:
    """The fields that a label is one of."""
    return frozenset(meaning.field for meaning in label.meanings if not meaning.is_against)


def _is_under(cell: Cell, label: Cell, last: Cell) -> bool:
    if cell.box is None or label.box is None or last.box is None:
        return True
    height = max(label.box[3] - label.box[1], 1.0)
    return overlap(cell.box, label.box) > 0.25 and cell.box[1] - last.box[3] < 4 * height


def label_weight(label: Label, field_name: str, labels: dict[int, list[Label]]) -> float:
    """The log odds of a label as such: less for a late alias, a misread letter, other words in its cell.

    A label right behind another field's label only qualifies that one ("net amount VAT 19 %"), and loses too.
    """
    meaning = label.meaning(field_name)
    if meaning is None or meaning.is_against:
        return -math.inf
    weight = -LAST_ALIAS * meaning.rank - 8.0 * (1.0 - label.likeness)
    before = label.cell.text[: label.start]
    words_before = sum(any(c.isalpha() for c in word) for word in before.split())
    weight -= 0.6 * min(words_before, 3)
    weight -= PART_OF_A_NAME if before[-1:] == " " and before[-2:-1].isalpha() else 0.0
    if any(_qualifies(label, other) for other in labels.get(label.cell.row, ())):
        weight -= QUALIFYING
    behind = _VALUE_BEGINS.split(label.cell.text[label.end :], maxsplit=1)[0]
    weight -= 0.35 * min(sum(not is_currency_word(word) for word in _WORD.findall(behind)), 3)
    return weight + (0.3 if label.cell.text[label.end :].lstrip()[:1] == ":" else 0.0)


def _qualifies(label: Label, other: Label) -> bool:
    if other.cell.start != label.cell.start or other.end > label.start or not _is_other_field(other, label):
        return False
    return not any(c.isdigit() for c in label.cell.text[other.end : label.start])


@dataclass(frozen=True, slots=True)
class _PlainHints:
    near: tuple[str, ...]
    against: tuple[str, ...]
    sections: frozenset[int]


class Surroundings:
    """What a field's hints count for in each row of a document."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self._plain = [plain(row.text) for row in rows]
        self._count = max(len(rows), 1)
        self._hints: dict[tuple[tuple[str, ...], tuple[str, ...]], _PlainHints] = {}

    def _plain_hints(self, hints: FieldHints) -> "_PlainHints":
        key = (hints.near, hints.not_near)
        if key not in self._hints:
            against = tuple(map(plain, hints.not_near))
            headings = [phrase for phrase in against if phrase.endswith(SECTION_WORDS)]
            starts = [row for row, text in enumerate(self._plain) if any(phrase in text for phrase in headings)]
            inside = frozenset(row for start in starts for row in range(start + 1, start + 1 + SECTION_ROWS))
            self._hints[key] = _PlainHints(tuple(map(plain, hints.near)), against, inside)
        return self._hints[key]

    def hint_weight(self, field_: DocumentField, row: int) -> float:
        """The log odds that a field's hints add to a place in this row."""
        hints = field_.hints
        known = self._plain_hints(hints)
        here = self._plain[row]
        weight = 0.0
        if known.near:
            around = " ".join(self._plain[max(0, row - 1) : row + 2])
            weight += min(2, sum(phrase in around for phrase in known.near)) * NEAR
        weight -= min(2, sum(phrase in here for phrase in known.against)) * AGAINST
        weight -= IN_SECTION if row in known.sections else 0.0
        if hints.position:
            share = row / self._count
            weight += 1.2 * (0.5 - share) * (1 if hints.position == "top" else -1)
        return weight


def rank(places: Iterable[Place], field_: DocumentField) -> list[Ranked]:
    """Distinct values by their summed odds, best first. The hint `pick` decides between values that are close."""
    by_value: dict[str, Ranked] = {}
    for place in places:
        by_value.setdefault(place.candidate.value, Ranked(place.candidate.value)).places.append(place)
    ranked = list(by_value.values())
    for value in ranked:
        value.places.sort(key=lambda place: (-place.weight, place.candidate.cell.row, place.candidate.start))
        strongest, per_row = value.places[0].weight, _per_row(value.places)
        summed = math.log(sum(math.exp(min(place.weight, strongest)) for place in per_row))
        repeats = sum(place.weight > REPEAT_COUNTS_AT for place in per_row) - 1
        value.weight = min(summed, strongest + 1.0) + REPEATED * max(0, min(repeats, MAX_REPEATS))
    _apply_pick(ranked, field_.hints.pick)
    ranked.sort(key=lambda value: (-value.weight, value.best.cell.row, value.best.start))
    return ranked


def _per_row(places: list[Place]) -> list[Place]:
    best: dict[int, Place] = {}
    for place in places:
        best.setdefault(place.candidate.cell.row, place)
    return list(best.values())


def _apply_pick(ranked: list[Ranked], pick: str | None) -> None:
    if not pick or not ranked:
        return
    top = max(value.weight for value in ranked)
    rivals = [value for value in ranked if value.weight > top - PICKED_FROM]
    if len(rivals) < 2:
        return
    if pick in {"first", "last"}:
        rivals.sort(key=lambda value: (value.best.cell.row, value.best.start))
    else:
        rivals.sort(key=lambda value: _size(value.value))
    picked = rivals[0 if pick in {"first", "smallest"} else -1]
    for rival in rivals:
        rival.weight += PICKED if rival is picked or rival.best.place == picked.best.place else 0.0


def _size(value: str) -> float:
    """A number's value; of another text the length."""
    number = as_number(value)
    return float(len(value)) if number is None else number


def as_number(value: str) -> float | None:
    """The value as a number, if it is one."""
    try:
        return float(value)
    except ValueError:
        return None


def shares(ranked: Sequence[Ranked]) -> list[float]:
    """The share of all odds that each value has, the odds of none of them being right (1) included."""
    odds = [math.exp(min(value.weight, MAX_WEIGHT)) for value in ranked]
    total = 1.0 + sum(odds)
    return [value / total for value in odds]


def paid_amounts(amounts: list[Candidate]) -> dict[tuple[int, int], float]:
    """By place, the log odds that an amount was paid in cash: cash handed over and its change follow shortly after it.

    `amounts` are in reading order.
    """
    found: dict[tuple[int, int], float] = {}
    values = [Decimal(amount.value) for amount in amounts]
    for at, value in enumerate(values):
        if value <= 0:
            continue
        for cash in range(at + 1, min(at + 4, len(values))):
            for change in range(cash + 1, min(cash + 3, len(values))):
                if values[change] >= 0 and values[cash] - values[change] == value:
                    weight = PAID if values[change] else PAID_EXACTLY
                    key = amounts[at].place
                    found[key] = max(weight, found.get(key, 0.0))
    return found
