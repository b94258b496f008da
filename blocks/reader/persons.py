"""The person whom a document is about, named at its top: résumés, applications, profiles.

A name there looks like a job title or a heading: two to four words with capitals. What tells it from them: its words
recur in the e-mail address below, ways to reach the person stand close by, and none of its words is one of the type's
own vocabulary, such as the keywords of a résumé's category.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.reader import name_shapes
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell
from blocks.reader.ranking import Place
from blocks.reader.sheet import Sheet
from blocks.values.typed_values import EMAIL, fold

TOP_ROWS, CONTACT_ROWS = 9, 4
"""How many rows are looked at for a name, and how far below it the first way to reach its bearer stands."""
BY_ITSELF = -3.0
"""Log odds of any line of the shape of a name. Of first lines of résumés without contacts nearly all were titles."""
FIRST_ROWS, FURTHER_DOWN = 1.0, -0.7
REACHABLE = 2.2
WHOLE_IN_ADDRESS, PART_IN_ADDRESS, NOT_IN_ADDRESS = 6.0, 4.0, -1.2
"""Log odds by how much of a name recurs in the e-mail address: two of its words, one word, nothing."""
VOCABULARY, ALL_VOCABULARY = -2.5, -2.5
"""Log odds of a word that the type's keywords or the hint `not_near` have, and of nothing but such words."""
TWO_LINES = -1.5
LONGEST_WORDS = 4

_SEPARATOR = re.compile(r"\s*[|•·●▪,;/]\s*|\s+[-–—]\s+|\t")
_PHONE = re.compile(r"(?<![\w./])(?!(?:19|20)\d\d\b)\+?\(?\d[\d\s().-]{5,}\d(?![\w/])")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class PersonFinder:
    """Finds the name at the top of one document of a type."""

    sheet: Sheet
    document_type: DocumentType

    def places(self, field: DocumentField) -> Iterator[Place]:
        """Every text at the top that has the shape of a person's name, with what speaks for it."""
        for candidate in self._candidates():
            if not candidate.more and not name_shapes.looks_like_person(candidate.value):
                continue
            if len(candidate.value.split()) <= LONGEST_WORDS:
                yield Place(candidate, self._weight(candidate, field))

    def vocabulary_weight(self, name: str, field: DocumentField) -> float:
        """What the type's own words say against a name that has them."""
        known = self._keywords | {word for phrase in field.hints.not_near for word in _words(phrase)}
        words = _words(name)
        hits = sum(word in known for word in words)
        if not hits:
            return 0.0
        return VOCABULARY + (ALL_VOCABULARY if hits == len(words) else 0.0)

    def _candidates(self) -> Iterator[Candidate]:
        rows = self.sheet.rows[:TOP_ROWS]
        for at, row in enumerate(rows):
            for cell in row.cells:
                yield from _segments(cell)
            below = rows[at + 1].cells if at + 1 < len(rows) else ()
            if below and _is_single(row.cells[0].text) and _is_single(below[0].text):
                first, second = row.cells[0], below[0]
                yield Candidate(first, 0, len(first.text), f"{first.text} {second.text}", TWO_LINES, (second,))

    def _weight(self, candidate: Candidate, field: DocumentField) -> float:
        row = candidate.cell.row
        weight = BY_ITSELF + candidate.weight + self.vocabulary_weight(candidate.value, field)
        weight += FIRST_ROWS if row < 3 else FURTHER_DOWN if row > 5 else 0.0
        if any(_is_contact(one.text) for one in self.sheet.rows[row : row + 1 + CONTACT_ROWS]):
            weight += REACHABLE
        return weight + max((_in_address(candidate.value, address) for address in self._addresses), default=0.0)

    @cached_property
    def _addresses(self) -> list[str]:
        """The local parts of the e-mail addresses in the document, letters only, at most the first two."""
        found = [match[0] for row in self.sheet.rows for match in EMAIL.finditer(row.text)]
        return ["".join(_LETTERS.findall(fold(one.partition("@")[0]))) for one in found[:2]]

    @cached_property
    def _keywords(self) -> frozenset[str]:
        enums = [one for one in self.document_type.fields.values() if one.type is FieldType.ENUM]
        terms = (term for one in enums for terms in one.hints.keywords.values() for term in terms)
        values = (value.replace("-", " ").replace("_", " ") for one in enums for value in one.enum)
        return frozenset(word for text in (*terms, *values) for word in _words(text))


def is_wanted(field: DocumentField) -> bool:
    """Whether a field is what this module reads."""
    return field.type is FieldType.TEXT and field.hints.kind == "person" and field.hints.position == "top"


def _segments(cell: Cell) -> Iterator[Candidate]:
    """The parts of a cell between the marks that stand in a line of contacts."""
    start = 0
    for match in (*_SEPARATOR.finditer(cell.text), None):
        end = match.start() if match else len(cell.text)
        text = cell.text[start:end].strip()
        if text:
            first = cell.text.find(text, start)
            yield Candidate(cell, first, first + len(text), text)
        start = match.end() if match else end


def _is_single(text: str) -> bool:
    return text[:1].isupper() and _LETTERS.fullmatch(text.replace("-", "").replace("'", "")) is not None


def _is_contact(text: str) -> bool:
    shapes = (EMAIL, _PHONE, name_shapes.POSTCODE_LINE)
    return any(shape.search(text) for shape in shapes) or name_shapes.is_contact(text)


def _words(text: str) -> list[str]:
    return [fold(word) for word in _LETTERS.findall(text)]


def _in_address(name: str, address: str) -> float:
    words = [word for word in _words(name) if len(word) > 1]
    found = [word for word in words if len(word) >= 3 and word in address]
    if len(found) > 1:
        return WHOLE_IN_ADDRESS
    rest = address.replace(found[0], "", 1) if found else ""
    if found and rest and len(rest) <= 2 and rest[0] in {word[0] for word in words if word not in found}:
        return WHOLE_IN_ADDRESS
    if found and (len(found[0]) >= 4 or not rest):
        return PART_IN_ADDRESS
    return NOT_IN_ADDRESS if len(address) >= 5 else 0.0
