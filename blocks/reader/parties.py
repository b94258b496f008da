"""The parties that a document names: beside their labels, or known by their place alone."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import Label, plain
from blocks.reader.lines import Cell
from blocks.reader.name_shapes import (
    LEGAL_FORM,
    ends_in_legal_form,
    is_legal_form,
    looks_like_name,
    looks_like_person,
)
from blocks.reader.names import Name, cells_below, find_names, name_in, name_with_block
from blocks.reader.ranking import AGAINST, NEAR, Place
from blocks.reader.sheet import Sheet
from blocks.values.typed_values import fold

NAME_KINDS = {"organisation", "person"}
BEHIND_LABEL, RIGHT_OF_LABEL, BELOW_LABEL, PER_LINE = 3.2, 1.5, 3.0, 0.25
"""Log odds of a name by its place from its label, and what each line between the two costs."""
LINES_BELOW = 7
FAR_DOWN = 99
"""The place of a name beside a label: the number of names above it does not matter."""
COUNTED_NAMES, COUNTED_ROWS = 60, 2000
"""How many names are counted, and in how many rows: the sender of a letter is named early."""
_NAME_KEY = re.compile(r"^(?:name|firma|company(?: name)?|nom|raison sociale|société)\s*:\s*(?=\S)", re.IGNORECASE)


def is_named(field: DocumentField) -> bool:
    """Whether a field holds the name of an organisation or a person."""
    return field.type is FieldType.TEXT and field.hints.kind in NAME_KINDS


class PartyFinder:
    """Finds the names of one document."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    @cached_property
    def _names(self) -> list[Name]:
        cells = (cell for row in self._sheet.rows for cell in row.cells)
        keys = {(cell.row, cell.start) for cell in cells if self._sheet.is_key(cell)}
        return find_names(self._sheet.rows, self._sheet.label_cells | keys)

    @cached_property
    def _name_counts(self) -> dict[str, int]:
        text = "\n".join(fold(row.text) for row in self._sheet.rows[:COUNTED_ROWS])
        folded = (fold(name.candidate.value) for name in self._names[:COUNTED_NAMES])
        return {name: text.count(name) for name in folded}

    def places(self, name: str, field: DocumentField) -> list[Place]:
        """The places of a field that names a party: beside its labels, and wherever a name stands by itself."""
        places: list[Place] = []
        is_person = field.hints.kind == "person"
        for label, weight in self._sheet.weighed_labels(name):
            for found, offset in self._labelled_names(label):
                if is_person and not looks_like_person(found.value):
                    continue
                block = name_with_block(found.cell, self._sheet.rows, FAR_DOWN)
                around = min(max(0.6 * self._block_weight(block, field), -1.0), 1.8)
                places.append(Place(found, weight + offset + around, is_labelled=True))
        places.extend(
            Place(by_itself.candidate, -1.0 + self._block_weight(by_itself, field))
            for by_itself in self._names
            if not is_person or looks_like_person(by_itself.candidate.value)
        )
        return _merge_parts(places)

    def _labelled_names(self, label: Label) -> Iterator[tuple[Candidate, float]]:
        """The names beside a label with their log odds: behind it in its cell, else right of it and below it."""
        tail = label.cell.text[label.end :].strip(" :#-\u2013/")
        if is_legal_form(tail):
            return  # the label's word is part of a name: "Lieferant GmbH"
        if tail and looks_like_name(tail):
            name = name_in(label.cell, tail, label.end)
            if name.start >= label.end:
                yield name, BEHIND_LABEL
                return
        if sum(c.isalnum() for c in tail) > 12:
            return
        right = self._right_of(label.cell)
        if right is not None and looks_like_name(right.text) and len(self._sheet.labels.get(right.row, ())) < 2:
            yield name_in(right, right.text), RIGHT_OF_LABEL
        yield from self._names_below(label.cell)

    def _right_of(self, label: Cell) -> Cell | None:
        cells = self._sheet.rows[label.row].cells
        return next((cell for cell in cells if cell.box and label.box and cell.box[0] > label.box[0]), None)

    def _names_below(self, label: Cell) -> Iterator[tuple[Candidate, float]]:
        weight = BELOW_LABEL
        for cell in cells_below(label, self._sheet.rows, LINES_BELOW):
            key = _NAME_KEY.match(cell.text)
            text = cell.text[key.end() :] if key else cell.text
            is_key, is_label = self._sheet.is_key(cell), (cell.row, cell.start) in self._sheet.label_cells
            if is_key and not key:
                value = self._keyed_name(cell)
                if value is not None:
                    yield self._joined_name(value, value.text), weight
                    return
                weight -= 0.1
                continue
            if looks_like_name(text) and not is_label:
                yield self._joined_name(cell, text), weight
                return
            if is_label and not is_key:
                return
            weight -= PER_LINE

    def _keyed_name(self, key: Cell) -> Cell | None:
        """The cell to the right of a key such as "Name:", when it could be a name."""
        value = self._sheet.cell_after(key)
        if value is None or not _NAME_KEY.match(f"{key.text.rstrip(': ')}: x"):
            return None
        return value if looks_like_name(value.text.lstrip(": ")) else None

    def _joined_name(self, cell: Cell, text: str) -> Candidate:
        """The name in a cell, and its second line where only that one ends in a legal form."""
        name = name_in(cell, text)
        below = cells_below(cell, self._sheet.rows, 1)
        if below and not LEGAL_FORM.search(name.value) and ends_in_legal_form(below[0].text):
            second = name_in(below[0], below[0].text)
            return replace(name, value=f"{name.value} {second.value}", more=(below[0],))
        return name

    def _block_weight(self, name: Name, field: DocumentField) -> float:
        """The log odds of a name by its form, its block and its place."""
        hints = field.hints
        lines = [plain(line) for line in (name.candidate.cell.text, *name.lines)]
        near = sum(any(plain(phrase) in line for line in lines) for phrase in hints.near)
        against = sum(any(plain(phrase) in line for line in lines) for phrase in hints.not_near)
        weight = NEAR * min(near, 3) - AGAINST * 0.6 * min(against, 3)
        weight += 1.0 if name.has_address else 0.0
        if hints.kind == "organisation":
            weight += 2.0 if name.has_legal_form else 0.8 if name.has_trade_word else 0.0
        elif name.has_legal_form:
            weight -= 1.0
        if hints.position == "top":
            share = name.candidate.cell.row / max(len(self._sheet.rows), 1)
            weight += 1.5 * (1.0 - 2.0 * share) + (1.2 - 0.6 * name.place if name.place < 3 else 0.0)
            weight += 1.5 if name.is_sender_line else 0.0
            weight += 0.4 * min(self._name_counts.get(fold(name.candidate.value), 1) - 1, 3)
        return weight


def _merge_parts(places: list[Place]) -> list[Place]:
    """Count a name that is the last line of a longer, labelled name for the longer one."""
    labelled = sorted((place.candidate for place in places if place.is_labelled), key=lambda name: -len(name.value))
    merged: list[Place] = []
    for place in places:
        value = place.candidate.value
        longer = next((n for n in labelled if len(n.value) > len(value) and n.value.endswith(value)), None)
        merged.append(place if longer is None else replace(place, candidate=longer))
    return merged
