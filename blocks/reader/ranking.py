"""Which candidate is the value of a field: labels, layout and hints, added up as log odds.

Every place where a value may stand gets a weight; a value that stands in several places gets the logarithm of the
summed odds; the confidence is a value's share of all odds, those of "not on the document" (weight 0) included. So a
strong rival lowers confidence, agreement of places raises it, and nothing is sure for lack of an alternative.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from blocks.document_types.schema import DocumentField, FieldHints
from blocks.reader.candidates import Candidate, is_currency_word
from blocks.reader.lexicon import Label, plain
from blocks.reader.lines import Cell, Row, overlap

SAME_CELL, RIGHT, BELOW, NEXT_LINE = 3.2, 3.0, 2.4, 2.8
"""Log odds that a fitting value belongs to a label, by where it stands from it."""
PER_CELL, PER_LINE, CROSSED_LABEL = 0.5, 0.6, 1.5
LOWEST_ALIAS = 1.6
"""What the last alias of a field costs against the first: aliases stand in the order of how much they say."""
UNLABELLED = -1.6
NEAR, AGAINST = 0.8, 1.6
QUALIFYING, PART_OF_A_NAME = 1.2, 1.0
"""What a label loses that comes right behind another field's, or right behind a word: "company name" is no "name"."""
MAX_LINES_BELOW = 5
SECTION_ROWS, IN_SECTION = 12, 2.4
SECTION_WORDS = ("summary", "analysis", "breakdown", "aufschlusselung", "ubersicht", "recapitulatif")
"""A phrase of `not_near` that ends so names a section, and speaks against the rows below it too."""
REPEATED, MOST_REPEATS, REPEAT_COUNTS_AT = 0.4, 2, -3.3
"""Log odds of each further place of a value, up to two, where nothing speaks against that place."""
SETTLED, SETTLED_EXACTLY = 1.6, 0.8
"""Log odds of an amount that, taken from what was handed over, leaves the change below; less where that is zero."""


_VALUE_BEGINS = re.compile(r":|\d[\d.,]*+(?!\s?%)")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate at a place, with all that speaks for and against it added up."""

    candidate: Candidate
    weight: float
    is_labelled: bool = False


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
    ends_cell = tail_end == len(label.cell.text)
    right_weight = RIGHT - (1.0 if has_tail and any(c.isdigit() for c in tail) else 0.0)
    if ends_cell:
        for cell in row.cells:
            if cell.start == label.cell.start or not _is_right_of(cell, label.cell):
                continue
            if _first_labels(cell, labels):
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
    fields = {m.field for m in label.meanings}
    return any(not m.is_against for m in other.meanings) and not fields & {m.field for m in other.meanings}


def _first_labels(cell: Cell, labels: dict[int, list[Label]]) -> bool:
    return any(one.cell.start == cell.start and one.start <= 2 for one in labels.get(cell.row, ()))


def _below(label: Label, rows: tuple[Row, ...], labels: dict[int, list[Label]]) -> Iterator[Target]:
    weight = NEXT_LINE if label.cell.box is None else BELOW
    last = label.cell
    for row in rows[label.cell.row + 1 : label.cell.row + 1 + MAX_LINES_BELOW]:
        if row.page != label.cell.page:
            return
        cells = row.cells if label.cell.box is None else [c for c in row.cells if _is_under(c, label.cell, last)]
        if not cells:
            weight -= 0.2
            continue
        for cell in cells:
            yield Target(cell, 0, len(cell.text), weight)
        has_letters = sum(c.isalnum() for c in row.text) > 3
        weight -= PER_LINE if has_letters else 0.15
        if any(labels_of.start <= 3 for labels_of in labels.get(row.index, ())):
            weight -= CROSSED_LABEL
        last = cells[0]


def _is_under(cell: Cell, label: Cell, last: Cell) -> bool:
    if cell.box is None or label.box is None or last.box is None:
        return True
    height = max(label.box[3] - label.box[1], 1.0)
    return overlap(cell.box, label.box) > 0.25 and cell.box[1] - last.box[3] < 4 * height


def label_weight(label: Label, field_name: str, labels: dict[int, list[Label]]) -> float:
    """What a label itself says: less for a late alias, a bent spelling, or words before it in its cell.

    A label right behind another one of a different field qualifies that one ("net amount VAT 19 %"), and says little.
    """
    meaning = label.meaning(field_name)
    if meaning is None or meaning.is_against:
        return -math.inf
    weight = -LOWEST_ALIAS * meaning.rank - 8.0 * (1.0 - label.likeness)
    before = label.cell.text[: label.start]
    words_before = len([w for w in before.split() if any(c.isalpha() for c in w)])
    weight -= 0.6 * min(words_before, 3)
    weight -= PART_OF_A_NAME if before[-1:] == " " and before[-2:-1].isalpha() else 0.0
    if any(_qualifies(label, other) for other in labels.get(label.cell.row, ())):
        weight -= QUALIFYING
    behind = _VALUE_BEGINS.split(label.cell.text[label.end :], maxsplit=1)[0]
    weight -= 0.35 * min(sum(1 for word in _WORD.findall(behind) if not is_currency_word(word)), 3)
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
    """Rows in plain form, and what stands near a place."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self._plain = [plain(row.text) for row in rows]
        self._count = max(len(rows), 1)
        self._hints: dict[tuple[tuple[str, ...], tuple[str, ...]], _PlainHints] = {}

    def _plain_hints(self, hints: FieldHints) -> "_PlainHints":
        key = (hints.near, hints.not_near)
        if key not in self._hints:
            near = tuple(plain(phrase) for phrase in hints.near)
            against = tuple(plain(phrase) for phrase in hints.not_near)
            headings = tuple(phrase for phrase in against if phrase.endswith(SECTION_WORDS))
            inside: set[int] = set()
            for row, text in enumerate(self._plain):
                if headings and any(phrase in text for phrase in headings):
                    inside.update(range(row + 1, row + 1 + SECTION_ROWS))
            self._hints[key] = _PlainHints(near, against, frozenset(inside))
        return self._hints[key]

    def hint_weight(self, field_: DocumentField, row: int) -> float:
        """What a field's hints say of a place in this row."""
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
    """Distinct values by their summed odds, best first; the hint `pick` decides between about equal ones."""
    by_value: dict[str, Ranked] = {}
    for place in places:
        by_value.setdefault(place.candidate.value, Ranked(place.candidate.value)).places.append(place)
    ranked = list(by_value.values())
    for one in ranked:
        one.places.sort(key=lambda place: (-place.weight, place.candidate.cell.row, place.candidate.start))
        strongest = one.places[0].weight
        spread = sum(math.exp(min(place.weight, strongest)) for place in _per_row(one.places))
        repeats = sum(1 for place in _per_row(one.places) if place.weight > REPEAT_COUNTS_AT) - 1
        one.weight = min(math.log(spread), strongest + 1.0) + REPEATED * max(0, min(repeats, MOST_REPEATS))
    _apply_pick(ranked, field_.hints.pick)
    ranked.sort(key=lambda one: (-one.weight, one.best.cell.row, one.best.start))
    return ranked


def _per_row(places: list[Place]) -> list[Place]:
    best: dict[int, Place] = {}
    for place in places:
        best.setdefault(place.candidate.cell.row, place)
    return list(best.values())


def _apply_pick(ranked: list[Ranked], pick: str | None) -> None:
    if not pick or not ranked:
        return
    top = max(one.weight for one in ranked)
    rivals = [one for one in ranked if one.weight > top - 1.5]
    if len(rivals) < 2:
        return
    if pick in {"first", "last"}:
        chosen = sorted(rivals, key=lambda one: (one.best.cell.row, one.best.start))[0 if pick == "first" else -1]
    else:
        chosen = sorted(rivals, key=lambda one: _number(one.value))[0 if pick == "smallest" else -1]
    chosen.weight += 0.8


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float(len(value))


def confidence(ranked: list[Ranked], at: int = 0) -> float:
    """The share of all odds that the value at `at` has, the odds of none of them being right (1) included."""
    total = 1.0 + sum(math.exp(min(one.weight, 30.0)) for one in ranked)
    return math.exp(min(ranked[at].weight, 30.0)) / total


def settled(amounts: list[Candidate]) -> dict[tuple[int, int], float]:
    """For amounts in reading order, by row and place in the page: the log odds that one was paid and change given.

    Right after such an amount stand what was handed over and, right after that, the difference.
    """
    found: dict[tuple[int, int], float] = {}
    values = [Decimal(one.value) for one in amounts]
    for at, value in enumerate(values):
        if value <= 0:
            continue
        for paid in range(at + 1, min(at + 4, len(values))):
            for change in range(paid + 1, min(paid + 3, len(values))):
                if values[change] >= 0 and values[paid] - values[change] == value:
                    weight = SETTLED if values[change] else SETTLED_EXACTLY
                    key = (amounts[at].cell.row, amounts[at].cell.start + amounts[at].start)
                    found[key] = max(weight, found.get(key, 0.0))
    return found
