"""Reads the fields of one document: gathers places for each field, ranks them, and says what it is sure of.

Nothing here knows a document type. Labels come from aliases, shapes from field types, the rest from hints.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.reader import addresses, name_shapes, persons, statements
from blocks.reader.candidates import Candidate, candidates, identifier
from blocks.reader.columns import SAME_LENGTH, opposite_rows
from blocks.reader.lexicon import Label
from blocks.reader.lines import Cell
from blocks.reader.parties import PartyFinder
from blocks.reader.ranking import (
    CROSSED_LABEL,
    RIGHT,
    UNLABELLED,
    Place,
    Ranked,
    Target,
    rank,
    settled,
    targets,
)
from blocks.reader.sheet import Sheet
from blocks.values.typed_values import squeeze

NAME_KINDS = {"organisation", "person"}
NUMERIC = {FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER}
UNLABELLED_BY_TYPE = {
    FieldType.IBAN: 0.0,
    FieldType.EMAIL: 0.0,
    FieldType.PHONE: 0.0,
    FieldType.DATE: 0.9,
    FieldType.MONEY: -2.6,
    FieldType.NUMBER: -4.0,
    FieldType.INTEGER: -4.0,
    FieldType.CURRENCY: -0.5,
}
"""Log odds of a value without a label: an IBAN says what it is by itself, a number says nothing."""


TELLING = {FieldType.IBAN, FieldType.EMAIL, FieldType.PHONE, FieldType.CURRENCY}
POSTCODE = 2.5
"""What an identifier loses that begins the line of a town."""
OPTIONAL = 1.8
"""What an optional field with labels loses without one: a required one is on the document, labelled or not."""


class FieldRanker:
    """Ranks the values of every field of one document."""

    def __init__(self, document_type: DocumentType, sheet: Sheet) -> None:
        self._type = document_type
        self._sheet = sheet
        self._parties = PartyFinder(sheet)
        self._persons = persons.PersonFinder(sheet, document_type)
        self._found: dict[tuple[str, str | None], dict[int, list[Candidate]]] = {}

    def ranked(self, name: str) -> list[Ranked]:
        """The values that a field may have, best first."""
        field = self._type.fields[name]
        if field.hints.stated:
            return rank(statements.places(self._sheet.pages, self._sheet.rows, field, self._sheet.languages), field)
        if persons.is_wanted(field):
            return rank(self._person_places(name, field), field)
        if field.type is FieldType.TEXT and field.hints.kind in NAME_KINDS:
            return rank(self._parties.places(name, field), field)
        if field.type is FieldType.TEXT and field.hints.kind == "address":
            return rank(addresses.places(self._sheet, name, field), field)
        if field.type is FieldType.TEXT:
            return rank(self._text_places(name, field), field)
        return rank(self._typed_places(name, field), field)

    def _person_places(self, name: str, field: DocumentField) -> list[Place]:
        """Names beside a label, wherever it stands, and names at the top."""
        labelled = (one for one in self._parties.places(name, field) if one.is_labelled)
        against = self._persons.vocabulary_weight
        places = [replace(one, weight=one.weight + against(one.candidate.value, field)) for one in labelled]
        return [*places, *self._persons.places(field)]

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
            total = (
                weight
                + candidate.weight
                + paid.get(key, 0.0)
                + self._sheet.surroundings.hint_weight(field, candidate.cell.row)
            )
            if key not in best or best[key].weight < total:
                best[key] = Place(candidate, total, is_labelled)

        base = UNLABELLED_BY_TYPE.get(field.type, UNLABELLED) + (0.0 if field.aliases else 1.0)
        base += 1.0 if field.hints.pattern else 0.0
        base -= OPTIONAL if field.aliases and not field.required and field.type not in TELLING else 0.0
        for row in self._sheet.rows:
            for candidate in self._in_row(field, row.index):
                offer(candidate, base, is_labelled=False)
        for label, weight in self._sheet.weighed_labels(name):
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
        for label, weight in self._sheet.weighed_labels(name):
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
            found = identifier(cell, start, end, self._sheet.languages)
            is_town = found is not None and name_shapes.POSTCODE_LINE.match(cell.text[found.start :])
            return replace(found, weight=found.weight - POSTCODE) if found is not None and is_town else found
        raw = cell.text[start:end]
        text = raw.strip(" \t:;=#|-\u2013.")
        if not any(c.isalnum() for c in text) or ((cell.row, cell.start) in self._sheet.label_cells and start == 0):
            return None
        first = cell.text.find(text, start)
        if field.hints.pattern:
            match = re.search(field.hints.pattern, text)
            return (
                Candidate(cell, first + match.start(), first + match.end(), squeeze(match[0]), 0.5) if match else None
            )
        return Candidate(cell, first, first + len(text), squeeze(text))
