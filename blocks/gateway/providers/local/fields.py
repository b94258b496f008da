"""Reads the fields of one document: gathers places for each field, ranks them, and says what it is sure of.

Nothing here knows a document type. Labels come from aliases, shapes from field types, the rest from hints.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from blocks.document_types import DocumentField, DocumentType, FieldType
from blocks.gateway.providers.local import names
from blocks.gateway.providers.local.candidates import Candidate, candidates, identifier, number_languages
from blocks.gateway.providers.local.columns import SAME_LENGTH, opposite_rows
from blocks.gateway.providers.local.lexicon import Label, Lexicon, plain
from blocks.gateway.providers.local.lines import Cell, Row, read_rows
from blocks.gateway.providers.local.ranking import (
    AGAINST,
    CROSSED_LABEL,
    NEAR,
    RIGHT,
    UNLABELLED,
    Place,
    Ranked,
    Surroundings,
    Target,
    label_weight,
    rank,
    settled,
    targets,
)
from blocks.records import Page
from blocks.values import fold, squeeze

NAME_KINDS = {"organisation", "person"}
NUMERIC = {FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER}
FAR_DOWN = 99
UNLABELLED_BY_TYPE = {
    FieldType.IBAN: 0.0,
    FieldType.EMAIL: 0.0,
    FieldType.PHONE: 0.0,
    FieldType.DATE: 0.3,
    FieldType.MONEY: -2.6,
    FieldType.NUMBER: -4.0,
    FieldType.INTEGER: -4.0,
    FieldType.CURRENCY: -0.5,
}
"""Log odds of a value without a label: an IBAN says what it is by itself, a number says nothing."""
_NAME_KEY = re.compile(r"^(?:name|firma|company(?: name)?|nom|raison sociale|société)\s*:\s*(?=\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document as the local model sees it: rows, and the labels found in each."""

    rows: tuple[Row, ...]
    labels: dict[int, list[Label]]
    languages: tuple[str, ...]
    surroundings: Surroundings
    money_fields: frozenset[str]
    number_languages: tuple[str, ...]

    def table_ends(self) -> frozenset[int]:
        """The rows that begin with the label of an amount of the whole document: tables end above them."""
        return frozenset(
            label.cell.row
            for row in self.labels.values()
            for label in row
            if label.start <= 2
            and label.cell is self.rows[label.cell.row].cells[0]
            and any(m.field in self.money_fields and not m.is_against for m in label.meanings)
        )

    def labels_of(self, name: str) -> list[Label]:
        """The labels of a field, best alias first, in reading order among equals."""
        found = [(m.rank, label) for row in self.labels.values() for label in row if (m := label.meaning(name)) and not m.is_against]
        return [label for _, label in sorted(found, key=lambda one: one[0])]


def open_sheet(document_type: DocumentType, lexicon: Lexicon, pages: tuple[Page, ...]) -> Sheet:
    """Lay the pages out and find every label."""
    rows = read_rows(pages)
    labels: dict[int, list[Label]] = defaultdict(list)
    seen: set[str] = set()
    for row in rows:
        for cell in row.cells:
            found = lexicon.find(cell)
            labels[row.index].extend(found)
            seen.update(m.field for label in found for m in label.meanings if not m.is_against)
    money = frozenset(name for name, field in document_type.fields.items() if field.type is FieldType.MONEY)
    missing = [n for n, f in document_type.fields.items() if f.aliases and f.required and n not in seen]
    if missing and (phrases := lexicon.phrases_of(missing)):
        for row in rows:
            for cell in row.cells:
                if len(cell.text) < 60 and not any(one.cell is cell for one in labels[row.index]):
                    labels[row.index].extend(lexicon.find_bent(cell, phrases))
    return Sheet(rows, dict(labels), document_type.languages, Surroundings(rows), money, number_languages(pages, document_type.languages))


class FieldRanker:
    """Ranks the values of every field of one document."""

    def __init__(self, document_type: DocumentType, sheet: Sheet) -> None:
        self._type = document_type
        self._sheet = sheet
        self._found: dict[tuple[str, str | None], dict[int, list[Candidate]]] = {}

    def ranked(self, name: str) -> list[Ranked]:
        """The values that a field may have, best first."""
        field = self._type.fields[name]
        if field.type is FieldType.TEXT and field.hints.kind in NAME_KINDS:
            return rank(self._name_places(name, field), field)
        if field.type is FieldType.TEXT:
            return rank(self._text_places(name, field), field)
        return rank(self._typed_places(name, field), field)

    def _labels(self, name: str) -> Iterator[tuple[Label, float]]:
        for labels in self._sheet.labels.values():
            for label in labels:
                weight = label_weight(label, name, self._sheet.labels)
                if weight > -math.inf:
                    yield label, weight

    def _in_row(self, field: DocumentField, row: int) -> list[Candidate]:
        by_row = self._found.setdefault((field.type, field.hints.pattern), {})
        if row not in by_row:
            cells = self._sheet.rows[row].cells
            languages = self._sheet.number_languages if field.type in NUMERIC else self._sheet.languages
            by_row[row] = [one for cell in cells for one in candidates(field, cell, languages)]
        return by_row[row]

    def _typed_places(self, name: str, field: DocumentField) -> list[Place]:
        best: dict[tuple[int, int], Place] = {}
        paid: dict[tuple[int, int], float] = {}
        if field.hints.settled_below:
            everything = [one for row in self._sheet.rows for one in self._in_row(field, row.index)]
            paid = settled([one for one in everything if one.weight > -2.0])

        def offer(candidate: Candidate, weight: float, *, is_labelled: bool) -> None:
            key = (candidate.cell.row, candidate.cell.start + candidate.start)
            total = weight + candidate.weight + paid.get(key, 0.0) + self._sheet.surroundings.hint_weight(field, candidate.cell.row)
            if key not in best or best[key].weight < total:
                best[key] = Place(candidate, total, is_labelled)

        base = UNLABELLED_BY_TYPE.get(field.type, UNLABELLED) + (0.0 if field.aliases else 1.0)
        base += 1.0 if field.hints.pattern else 0.0
        for row in self._sheet.rows:
            for candidate in self._in_row(field, row.index):
                offer(candidate, base, is_labelled=False)
        for label, weight in self._labels(name):
            opposite = self._opposite.get(label.cell.row) if field.type in NUMERIC else None
            if opposite is not None:
                for candidate in self._in_row(field, opposite[0])[:1]:
                    offer(candidate, weight + opposite[1], is_labelled=True)
                if opposite[1] == SAME_LENGTH:
                    continue
            for candidate, offset in self._pointed_at(label, field):
                offer(candidate, weight + offset, is_labelled=True)
        return list(best.values())

    @cached_property
    def _opposite(self) -> dict[int, tuple[int, float]]:
        return opposite_rows(self._sheet.rows, self._sheet.labels)

    def _pointed_at(self, label: Label, field: DocumentField) -> Iterator[tuple[Candidate, float]]:
        """The candidates that a label points at. The first on the way counts most, what follows it less."""
        passed = 0
        for group in self._target_groups(label, field):
            inside = [(one, target.weight) for target in group for one in self._inside(field, target)]
            if field.type is FieldType.MONEY and field.hints.pick == "last":
                weights = [weight for _, weight in inside]
                inside = [(one, weight) for (one, _), weight in zip(inside[::-1], weights, strict=True)]
            for one, weight in inside:
                yield one, weight - 1.0 * min(passed, 4)
                passed += 1 if one.weight > -1.0 else 0

    def _inside(self, field: DocumentField, target: Target) -> list[Candidate]:
        return [
            one
            for one in self._in_row(field, target.cell.row)
            if one.cell.start == target.cell.start and target.start <= one.start < target.end
        ]

    def _target_groups(self, label: Label, field: DocumentField) -> Iterator[list[Target]]:
        """The targets of a label; those of its own row, up to the next label in it, together."""
        row: list[Target] = []
        for target in targets(label, self._sheet.rows, self._sheet.labels):
            if target.cell.row == label.cell.row and target.weight > RIGHT - CROSSED_LABEL:
                row.append(target)
                continue
            if row:
                yield row
                row = []
            yield [target]
        if row:
            yield row

    def _text_places(self, name: str, field: DocumentField) -> list[Place]:
        places: list[Place] = []
        for label, weight in self._labels(name):
            for target in targets(label, self._sheet.rows, self._sheet.labels):
                found = self._after(field, target.cell, target.start, target.end)
                if found is None:
                    continue
                row = found.cell.row
                total = weight + target.weight + found.weight + self._sheet.surroundings.hint_weight(field, row)
                places.append(Place(found, total, True))
                break
        if field.hints.pattern:
            for line in self._sheet.rows:
                for one in self._in_row(field, line.index):
                    total = 0.8 + one.weight + self._sheet.surroundings.hint_weight(field, line.index)
                    places.append(Place(one, total))
        return places

    def _after(self, field: DocumentField, cell: Cell, start: int, end: int) -> Candidate | None:
        if field.hints.kind == "identifier":
            return identifier(cell, start, end, self._sheet.languages)
        raw = cell.text[start:end]
        text = raw.strip(" \t:;=#|-\u2013.")
        if not any(c.isalnum() for c in text) or (cell.row, cell.start) in self._label_cells and start == 0:
            return None
        first = cell.text.find(text, start)
        if field.hints.pattern:
            match = re.search(field.hints.pattern, text)
            return Candidate(cell, first + match.start(), first + match.end(), squeeze(match[0]), 0.5) if match else None
        return Candidate(cell, first, first + len(text), squeeze(text))

    @cached_property
    def _label_cells(self) -> frozenset[tuple[int, int]]:
        """Cells that are nothing but a label."""
        found = set()
        for labels in self._sheet.labels.values():
            for label in labels:
                rest = label.cell.text[: label.start] + label.cell.text[label.end :]
                if not any(c.isalnum() for c in rest) and not all(m.is_against for m in label.meanings):
                    found.add((label.cell.row, label.cell.start))
        return frozenset(found)

    @cached_property
    def _names(self) -> list[names.Name]:
        keys = {(c.row, c.start) for row in self._sheet.rows for c in row.cells if self._is_key(c)}
        return names.find_names(self._sheet.rows, self._label_cells | keys)

    @cached_property
    def _name_counts(self) -> dict[str, int]:
        whole = "\n".join(fold(row.text) for row in self._sheet.rows)
        return {fold(name.value): whole.count(fold(name.value)) for name in self._names}

    def _name_places(self, name: str, field: DocumentField) -> list[Place]:
        places: list[Place] = []
        for label, weight in self._labels(name):
            for found, offset in self._labelled_names(label):
                around = self._name_weight(names.named(found.cell, self._sheet.rows, FAR_DOWN), field)
                places.append(Place(found, weight + offset + min(max(0.6 * around, -1.0), 1.8), True))
        for one in self._names:
            weight = -1.0 + self._name_weight(one, field)
            places.append(Place(Candidate(one.cell, one.start, one.end, one.value), weight))
        return _merge_parts(places)

    def _labelled_names(self, label: Label) -> Iterator[tuple[Candidate, float]]:
        tail = label.cell.text[label.end :].strip(" :#-\u2013/")
        if tail and names.looks_like_name(tail):
            value = names.clean_name(tail)
            start = label.cell.text.find(value, label.end)
            if start >= 0:
                yield Candidate(label.cell, start, start + len(value), value), 3.2
                return
        if sum(c.isalnum() for c in tail) > 12:
            return
        row = self._sheet.rows[label.cell.row]
        right = [c for c in row.cells if c.start != label.cell.start and c.box and label.cell.box and c.box[0] > label.cell.box[0]]
        for cell in right[:1]:
            if names.looks_like_name(cell.text) and not self._sheet.labels.get(cell.row, [])[1:]:
                value = names.clean_name(cell.text)
                start = max(cell.text.find(value), 0)
                yield Candidate(cell, start, start + len(value), value), 1.5
        weight = 3.0
        for cell in names.cells_below(label.cell, self._sheet.rows, 7):
            key = _NAME_KEY.match(cell.text)
            text = cell.text[key.end() :] if key else cell.text
            if self._is_key(cell) and not key:
                value_cell = self._keyed_name(cell)
                if value_cell is not None:
                    yield self._joined_name(value_cell, value_cell.text), weight
                    return
                weight -= 0.1
                continue
            if names.looks_like_name(text) and (cell.row, cell.start) not in self._label_cells:
                yield self._joined_name(cell, text), weight
                return
            if (cell.row, cell.start) in self._label_cells and not self._is_key(cell):
                return
            weight -= 0.25

    def _keyed_name(self, key: Cell) -> Cell | None:
        """The cell to the right of a key such as "Name:", when it could be a name."""
        cells = self._sheet.rows[key.row].cells
        at = next(i for i, other in enumerate(cells) if other.start == key.start)
        if not _NAME_KEY.match(f"{key.text.rstrip(': ')}: x") or at + 1 >= len(cells):
            return None
        return cells[at + 1] if names.looks_like_name(cells[at + 1].text.lstrip(": ")) else None

    def _joined_name(self, cell: Cell, text: str) -> Candidate:
        """The name in a cell, and its second line where that one ends in the legal form which the first lacks."""
        value = names.clean_name(text)
        start = max(cell.text.find(value), 0)
        below = names.cells_below(cell, self._sheet.rows, 1)
        if below and not names.LEGAL_FORM.search(value) and names.ends_in_legal_form(below[0].text):
            page_gap = below[0].start - cell.start
            if start + len(value) <= page_gap:
                joined = f"{value} {names.clean_name(below[0].text)}"
                return Candidate(cell, start, page_gap + len(below[0].text), joined)
        return Candidate(cell, start, start + len(value), value)

    def _is_key(self, cell: Cell) -> bool:
        """Whether a cell is the key of a "key : value" row."""
        if cell.text.endswith(":"):
            return True
        cells = self._sheet.rows[cell.row].cells
        at = next(i for i, other in enumerate(cells) if other.start == cell.start)
        return at + 1 < len(cells) and cells[at + 1].text.startswith(":")

    def _name_weight(self, one: names.Name, field: DocumentField) -> float:
        hints = field.hints
        lines = [plain(line) for line in (one.cell.text, *one.lines)]
        near = sum(1 for phrase in hints.near if any(plain(phrase) in line for line in lines))
        against = sum(1 for phrase in hints.not_near if any(plain(phrase) in line for line in lines))
        weight = NEAR * min(near, 3) - AGAINST * 0.6 * min(against, 3)
        weight += 1.0 if one.has_address else 0.0
        if hints.kind == "organisation":
            weight += 2.0 if one.has_legal_form else 0.8 if one.has_trade_word else 0.0
        elif one.has_legal_form:
            weight -= 1.0
        if hints.position == "top":
            share = one.cell.row / max(len(self._sheet.rows), 1)
            weight += 1.5 * (1.0 - 2.0 * share) + (1.2 - 0.6 * one.place if one.place < 3 else 0.0)
            weight += 1.5 if one.is_sender_line else 0.0
            weight += 0.4 * min(self._name_counts.get(fold(one.value), 1) - 1, 3)
        return weight


def _merge_parts(places: list[Place]) -> list[Place]:
    """Let a name that is a line of a longer, labelled one speak for that one."""
    whole = sorted({place.candidate.value for place in places if place.is_labelled}, key=len, reverse=True)
    merged: list[Place] = []
    for place in places:
        longer = next((one for one in whole if len(one) > len(place.candidate.value) and place.candidate.value in one), None)
        is_line = longer is not None and longer.endswith(place.candidate.value)
        candidate = replace(place.candidate, value=longer) if longer is not None and is_line else place.candidate
        merged.append(replace(place, candidate=candidate))
    return merged
