"""The values that each field of a document may have: gathers their places, and ranks them.

Nothing here knows a document type. Labels come from aliases, shapes from field types, the rest from hints.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.conditions import is_conditional, is_conditional_behind
from blocks.reader import addresses, name_shapes, persons, statements
from blocks.reader.candidates import Candidate, candidates, identifier
from blocks.reader.columns import SAME_LENGTH, opposite_rows
from blocks.reader.lexicon import Label
from blocks.reader.lines import Cell
from blocks.reader.parties import PartyFinder, is_named
from blocks.reader.ranking import CROSSED_LABEL, RIGHT, UNLABELLED, Place, Ranked, Target, paid_amounts, rank, targets
from blocks.reader.remarks import remarks
from blocks.reader.remembered import Memory
from blocks.reader.sheet import Sheet
from blocks.reader.spaced_out import spaced_numbers
from blocks.values.currencies import is_currency_word
from blocks.values.typed_values import NUMERIC, squeeze

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
"""Log odds of a value without a label: an IBAN is known by its form, a number is not."""
KNOWN_BY_FORM = {FieldType.IBAN, FieldType.EMAIL, FieldType.PHONE, FieldType.CURRENCY}
WITHOUT_ALIASES, WITH_PATTERN = 1.0, 1.0
"""What a value without a label gains where the field has no labels, and where it has a pattern of its own."""
OPTIONAL = 1.8
"""What it loses where the field has labels and is optional: a required field is on the document, labelled or not."""
MATCHES_PATTERN = 0.8
"""Log odds of a text that matches the field's pattern and has no label."""
PER_PASSED, MAX_PASSED = 1.0, 4
"""What a candidate loses for each better one between it and its label, up to four."""
REMARK = 3.0
"""What an amount loses that only remarks on the one before it."""
MIN_RULE = 3
"""So many underscores, dots or dashes are a line to write on."""
UNREADABLE = -1.0
"""Log odds of a text beside a date's label that is no date: it is shown to a person as it is."""
POSTCODE = 2.5
"""What an identifier loses that begins the line of a town."""


FOREIGN = 3.5
"""What an amount loses in a currency that is not the document's own: totals are repeated in a second one."""

OF_MAIL = 4.0
"""What a date loses in the header of a mail."""
OF_TABLE = 4.0
"""What an amount loses in a row of a table: it belongs to that row, whatever the label above its column is."""

ON_CONDITION = 4.0
"""What an amount loses whose label names a condition or another time: "Total if paid after 3 April"."""

_AMOUNT = re.compile(r"(?<![.\d])\d+[.,]\d\d(?![\d.])")

_OF_A_NUMBER = re.compile(r"[\s.-]*(?:reg\w*[\s.]*)?(?:n[or°º]|num\w*|nummer|id|ident\w*)(?![^\W\d_])", re.IGNORECASE)
"""What makes a label of an amount that of a number: "VAT no.", "VAT registration number"."""


class FieldRanker:
    """Ranks the values of every field of one document.

    `table_rows` are the rows of its tables.
    """

    def __init__(self, document_type: DocumentType, sheet: Sheet, table_rows: frozenset[int] = frozenset()) -> None:
        self._type = document_type
        self._table_rows = table_rows
        self._sheet = sheet
        self._parties = PartyFinder(sheet)
        self._persons = persons.PersonFinder(sheet, document_type)
        self._found: dict[tuple[str, str | None], dict[int, list[Candidate]]] = {}
        self._known_places: dict[str, list[Place]] = {}

    def ranked(self, name: str, memory: Memory | None = None) -> list[Ranked]:
        """The values that a field may have, best first; `memory` are the decided documents that are like this one."""
        field = self._type.fields[name]
        if name not in self._known_places:
            self._known_places[name] = list(self._places(name, field))
        places = self._known_places[name]
        return rank(places if memory is None else memory.weighed(name, field, places), field)

    def _places(self, name: str, field: DocumentField) -> Iterable[Place]:
        if field.hints.stated:
            return statements.places(self._sheet, field)
        if persons.is_wanted(field):
            return self._person_places(name, field)
        if is_named(field):
            return self._parties.places(name, field)
        if field.type is not FieldType.TEXT:
            return self._typed_places(name, field)
        if field.hints.kind == "address":
            return addresses.places(self._sheet, name, field)
        return self._text_places(name, field)

    def _person_places(self, name: str, field: DocumentField) -> Iterator[Place]:
        """Names beside a label, wherever it stands, and names at the top."""
        for place in self._parties.places(name, field):
            if place.is_labelled:
                vocabulary = self._persons.vocabulary_weight(place.candidate.value, field)
                yield replace(place, weight=place.weight + vocabulary)
        yield from self._persons.places(field)

    def _in_row(self, field: DocumentField, row: int) -> list[Candidate]:
        by_row = self._found.setdefault((field.type, field.hints.pattern), {})
        if row not in by_row:
            cells = self._sheet.rows[row].cells
            by_row[row] = [found for cell in cells for found in candidates(field, cell, self._sheet.notation)]
        return by_row[row]

    def _in_all_rows(self, field: DocumentField) -> list[Candidate]:
        return [candidate for row in self._sheet.rows for candidate in self._in_row(field, row.index)]

    def _typed_places(self, name: str, field: DocumentField) -> list[Place]:
        best: dict[tuple[int, int, str], Place] = {}
        everything = self._in_all_rows(field)
        amounts = [amount for amount in everything if amount.weight > -2.0] if field.hints.settled_below else []
        paid = paid_amounts(amounts)
        foreign = _foreign(everything)

        def offer(candidate: Candidate, weight: float, label: Label | None = None) -> None:
            key = (*candidate.place, candidate.value)
            total = weight + candidate.weight + paid.get(candidate.place, 0.0) + self._hint_weight(field, candidate)
            total -= FOREIGN if candidate.currency in foreign else 0.0
            is_of_mail = field.type is FieldType.DATE and candidate.cell.row in self._sheet.envelope
            total -= OF_MAIL if is_of_mail else 0.0
            is_of_table = field.type is FieldType.MONEY and candidate.cell.row in self._table_rows
            total -= OF_TABLE if is_of_table else 0.0
            if field.type is FieldType.MONEY and label is not None and _is_on_condition(label, candidate):
                total -= ON_CONDITION
            if key not in best or best[key].weight < total:
                is_beside = label is not None and label.cell.row == candidate.cell.row
                best[key] = Place(candidate, total, label is not None, is_beside)

        unlabelled = _unlabelled_weight(field)
        for candidate in everything:
            offer(candidate, unlabelled)
        for label, weight in self._sheet.weighed_labels(name):
            if field.type is FieldType.MONEY and _OF_A_NUMBER.match(label.cell.text, label.end):
                continue
            opposite = self._opposite.get(label.cell.row) if field.type in NUMERIC else None
            if opposite is not None:
                for candidate in self._in_row(field, opposite[0])[:1]:
                    offer(candidate, weight + opposite[1], label)
                if opposite[1] == SAME_LENGTH:
                    continue
            for candidate, offset in self._pointed_at(label, field):
                offer(candidate, weight + offset, label)
        return list(best.values())

    def _hint_weight(self, field: DocumentField, candidate: Candidate) -> float:
        return self._sheet.surroundings.hint_weight(field, candidate.cell.row)

    @cached_property
    def _opposite(self) -> dict[int, tuple[int, float]]:
        return opposite_rows(self._sheet.rows, self._sheet.labels)

    def _pointed_at(self, label: Label, field: DocumentField) -> Iterator[tuple[Candidate, float]]:
        """The candidates that a label points at. The first on the way counts most, what follows it less."""
        passed = 0
        for group in self._target_groups(label):
            inside = [(candidate, target.weight) for target in group for candidate in self._inside(field, target)]
            if not inside and passed == 0 and group[0].cell.row == label.cell.row and self._is_only(label, field.type):
                unreadable = _unreadable(label, group[0])
                if unreadable is not None:
                    if field.type is FieldType.DATE and unreadable.value:
                        yield unreadable, group[0].weight
                    return
            if not inside and passed == 0 and field.type in NUMERIC and any(map(_is_spaced_out, group)):
                return
            if field.type is FieldType.MONEY and field.hints.pick == "last":
                weights = [weight for _, weight in inside]
                inside = [(candidate, weight) for (candidate, _), weight in zip(inside[::-1], weights, strict=True)]
            aside = remarks([candidate for candidate, _ in inside]) if field.type is FieldType.MONEY else frozenset()
            for candidate, weight in sorted(inside, key=lambda found: found[0].place in aside):
                remark = REMARK if candidate.place in aside else 0.0
                yield candidate, weight - PER_PASSED * min(passed, MAX_PASSED) - remark
                passed += 1 if candidate.weight > -1.0 else 0

    def _is_only(self, label: Label, wanted: FieldType) -> bool:
        """Whether a label announces values of this type alone: "Invoice:" may have a date behind it, or a number."""
        fields = self._type.fields
        return all(fields[meaning.field].type is wanted for meaning in label.meanings if not meaning.is_against)

    def _inside(self, field: DocumentField, target: Target) -> list[Candidate]:
        return [
            candidate
            for candidate in self._in_row(field, target.cell.row)
            if candidate.cell.start == target.cell.start and target.start <= candidate.start < target.end
        ]

    def _target_groups(self, label: Label) -> Iterator[list[Target]]:
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

    def _text_places(self, name: str, field: DocumentField) -> Iterator[Place]:
        for label, weight in self._sheet.weighed_labels(name):
            for target in targets(label, self._sheet.rows, self._sheet.labels):
                found = self._after(field, target.cell, target.start, target.end)
                if found is not None:
                    total = weight + target.weight + found.weight + self._hint_weight(field, found)
                    yield Place(found, total, is_labelled=True)
                    break
        if field.hints.pattern:
            for candidate in self._in_all_rows(field):
                yield Place(candidate, MATCHES_PATTERN + candidate.weight + self._hint_weight(field, candidate))

    def _after(self, field: DocumentField, cell: Cell, start: int, end: int) -> Candidate | None:
        """The text value in [start, end) of a cell, if there is one."""
        if field.hints.kind == "identifier":
            found = identifier(cell, start, end, self._sheet.notation)
            if found is not None and name_shapes.POSTCODE_LINE.match(cell.text[found.start :]):
                return replace(found, weight=found.weight - POSTCODE)
            return found
        text = cell.text[start:end].strip(" \t:;=#|-\u2013.")
        is_label = start == 0 and (cell.row, cell.start) in self._sheet.label_cells
        if is_label or not any(c.isalnum() for c in text):
            return None
        first = cell.text.find(text, start)
        if field.hints.pattern is None:
            return Candidate(cell, first, first + len(text), squeeze(text))
        match = re.search(field.hints.pattern, text)
        return match and Candidate(cell, first + match.start(), first + match.end(), squeeze(match[0]), 0.5)


def _unreadable(label: Label, target: Target) -> Candidate | None:
    """The text right behind a label that is no value of its field's type: what stands below it is another field's.

    It follows a colon, or begins the next cell with a figure. It is empty where a line to write on stands there.
    """
    text = target.cell.text[target.start : target.end]
    if target.cell.start == label.cell.start:
        if not text.lstrip().startswith(":"):
            return None
    elif not text[:1].isdigit():
        return None
    body = text.strip(" \t:;=#|-\u2013._\u2026")
    is_ruled = not body and len(text.strip(" \t:")) >= MIN_RULE
    if text.rstrip().endswith(":") or is_currency_word(body) or not (is_ruled or any(c.isalnum() for c in body)):
        return None
    first = target.cell.text.find(body, target.start)
    return Candidate(target.cell, first, first + len(body), squeeze(body), UNREADABLE)


def _is_spaced_out(target: Target) -> bool:
    """Whether a number that is spaced out stands where a label points: what stands below it is another field's."""
    return any(target.start <= start < target.end for start, _ in spaced_numbers(target.cell.text))


def _is_on_condition(label: Label, candidate: Candidate) -> bool:
    """Whether the words of a label, or those around its amount, say that the amount is due only then."""
    cell, text = candidate.cell, candidate.cell.text
    before = text[: candidate.start]
    if label.cell != cell:
        before = f"{label.cell.text} {before}"
    return is_conditional(_AMOUNT.split(before)[-1]) or is_conditional_behind(text[candidate.end :])


def _foreign(amounts: Sequence[Candidate]) -> frozenset[str]:
    """The currencies that are not the document's own, that is of most of its amounts, and else of the first."""
    counts = Counter(amount.currency for amount in amounts if amount.currency)
    return frozenset(counts) - {max(counts, key=lambda code: counts[code])} if counts else frozenset()


def _unlabelled_weight(field: DocumentField) -> float:
    """The log odds of a typed value without a label."""
    weight = UNLABELLED_BY_TYPE.get(field.type, UNLABELLED) + (0.0 if field.aliases else WITHOUT_ALIASES)
    weight += WITH_PATTERN if field.hints.pattern else 0.0
    return weight - (OPTIONAL if field.aliases and not field.required and field.type not in KNOWN_BY_FORM else 0.0)
