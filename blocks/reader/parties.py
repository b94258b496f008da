"""Who a document names as what: the parties beside their labels, and those that only their place gives away."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from blocks.document_types.schema import DocumentField
from blocks.reader import name_shapes, names
from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import Label, plain
from blocks.reader.lines import Cell
from blocks.reader.ranking import AGAINST, NEAR, Place
from blocks.reader.sheet import Sheet
from blocks.values.typed_values import fold

FAR_DOWN = 99
"""The place of a name that a label announces: how many stand above it says nothing."""
COUNTED_NAMES, COUNTED_ROWS = 60, 2000
"""How many names are looked for how far: who sends a letter is named early."""
_NAME_KEY = re.compile(r"^(?:name|firma|company(?: name)?|nom|raison sociale|société)\s*:\s*(?=\S)", re.IGNORECASE)


class PartyFinder:
    """Finds the names of one document."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    @cached_property
    def _names(self) -> list[names.Name]:
        keys = {(c.row, c.start) for row in self._sheet.rows for c in row.cells if self._sheet.is_key(c)}
        return names.find_names(self._sheet.rows, self._sheet.label_cells | keys)

    @cached_property
    def _name_counts(self) -> dict[str, int]:
        whole = "\n".join(fold(row.text) for row in self._sheet.rows[:COUNTED_ROWS])
        return {fold(name.value): whole.count(fold(name.value)) for name in self._names[:COUNTED_NAMES]}

    def places(self, name: str, field: DocumentField) -> list[Place]:
        """Where a field that names somebody may stand: beside its labels, and wherever a name stands by itself."""
        places: list[Place] = []
        for label, weight in self._sheet.weighed_labels(name):
            for found, offset in self._labelled_names(label):
                if field.hints.kind == "person" and not name_shapes.looks_like_person(found.value):
                    continue
                around = self._name_weight(names.named(found.cell, self._sheet.rows, FAR_DOWN), field)
                places.append(Place(found, weight + offset + min(max(0.6 * around, -1.0), 1.8), True))
        for one in self._names:
            if field.hints.kind == "person" and not name_shapes.looks_like_person(one.value):
                continue
            weight = -1.0 + self._name_weight(one, field)
            places.append(Place(Candidate(one.cell, one.start, one.end, one.value, 0.0, one.more), weight))
        return _merge_parts(places)

    def _labelled_names(self, label: Label) -> Iterator[tuple[Candidate, float]]:
        tail = label.cell.text[label.end :].strip(" :#-\u2013/")
        if name_shapes.is_legal_form(tail):
            return  # the label's word is part of a name: "Lieferant GmbH"
        if tail and name_shapes.looks_like_name(tail):
            value = name_shapes.clean_name(tail)
            start = label.cell.text.find(value, label.end)
            if start >= 0:
                yield Candidate(label.cell, start, start + len(value), value), 3.2
                return
        if sum(c.isalnum() for c in tail) > 12:
            return
        row = self._sheet.rows[label.cell.row]
        right = [
            c
            for c in row.cells
            if c.start != label.cell.start and c.box and label.cell.box and c.box[0] > label.cell.box[0]
        ]
        for cell in right[:1]:
            if name_shapes.looks_like_name(cell.text) and not self._sheet.labels.get(cell.row, [])[1:]:
                value = name_shapes.clean_name(cell.text)
                start = max(cell.text.find(value), 0)
                yield Candidate(cell, start, start + len(value), value), 1.5
        weight = 3.0
        for cell in names.cells_below(label.cell, self._sheet.rows, 7):
            key = _NAME_KEY.match(cell.text)
            text = cell.text[key.end() :] if key else cell.text
            if self._sheet.is_key(cell) and not key:
                value_cell = self._keyed_name(cell)
                if value_cell is not None:
                    yield self._joined_name(value_cell, value_cell.text), weight
                    return
                weight -= 0.1
                continue
            if name_shapes.looks_like_name(text) and (cell.row, cell.start) not in self._sheet.label_cells:
                yield self._joined_name(cell, text), weight
                return
            if (cell.row, cell.start) in self._sheet.label_cells and not self._sheet.is_key(cell):
                return
            weight -= 0.25

    def _keyed_name(self, key: Cell) -> Cell | None:
        """The cell to the right of a key such as "Name:", when it could be a name."""
        cells = self._sheet.rows[key.row].cells
        at = next(i for i, other in enumerate(cells) if other.start == key.start)
        if not _NAME_KEY.match(f"{key.text.rstrip(': ')}: x") or at + 1 >= len(cells):
            return None
        return cells[at + 1] if name_shapes.looks_like_name(cells[at + 1].text.lstrip(": ")) else None

    def _joined_name(self, cell: Cell, text: str) -> Candidate:
        """The name in a cell, and its second line where that one ends in the legal form which the first lacks."""
        value = name_shapes.clean_name(text)
        start = max(cell.text.find(value), 0)
        below = names.cells_below(cell, self._sheet.rows, 1)
        if below and not name_shapes.LEGAL_FORM.search(value) and name_shapes.ends_in_legal_form(below[0].text):
            joined = f"{value} {name_shapes.clean_name(below[0].text)}"
            return Candidate(cell, start, start + len(value), joined, 0.0, (below[0],))
        return Candidate(cell, start, start + len(value), value)

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
    """Let a name that is the last line of a longer, labelled one speak for that one."""
    labelled = sorted((one.candidate for one in places if one.is_labelled), key=lambda one: -len(one.value))
    merged: list[Place] = []
    for place in places:
        value = place.candidate.value
        longer = next((one for one in labelled if len(one.value) > len(value) and one.value.endswith(value)), None)
        merged.append(place if longer is None else replace(place, candidate=longer))
    return merged
