"""The person whom a document is about, named at its top: résumés, applications, profiles.

Job titles and headings look like names too: two to four words with capitals. A name is known by its words in the e-mail
address, by contact details close to it, and by having no word of the type's vocabulary, such as the keywords of a
résumé's category.
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
"""How many rows are searched for a name, and how far below it contact details count."""
BY_ITSELF = -3.0
"""Log odds of a line that looks like a name. Nearly all first lines of résumés without contact details were titles."""
FIRST_ROWS, FURTHER_DOWN = 1.0, -0.7
REACHABLE = 2.2
WHOLE_IN_ADDRESS, PART_IN_ADDRESS, NOT_IN_ADDRESS = 6.0, 4.0, -1.2
"""Log odds by how many words of a name are in the e-mail address: two, one, none."""
VOCABULARY, ALL_VOCABULARY = -2.5, -2.5
"""Log odds of a name with a word of the type's keywords or of the hint `not_near`, and of only such words besides."""
TWO_LINES = -1.5
MAX_WORDS = 4

_SEPARATOR = re.compile(r"\s*[|•·●▪,;/]\s*|\s+[-–—]\s+|\t")
_PHONE = re.compile(r"(?<![\w./])(?!(?:19|20)\d\d\b)\+?\(?\d[\d\s().-]{5,}\d(?![\w/])")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class PersonFinder:
    """Finds the name at the top of one document of a type."""

    sheet: Sheet
    document_type: DocumentType

    def places(self, field: DocumentField) -> Iterator[Place]:
        """Every text at the top that looks like a person's name."""
        for candidate in self._candidates():
            is_name = candidate.more or name_shapes.looks_like_person(candidate.value)
            if is_name and len(candidate.value.split()) <= MAX_WORDS:
                yield Place(candidate, self._weight(candidate, field))

    def vocabulary_weight(self, name: str, field: DocumentField) -> float:
        """The log odds that a name loses by words of the type's own vocabulary."""
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
        if any(_is_contact(near.text) for near in self.sheet.rows[row : row + 1 + CONTACT_ROWS]):
            weight += REACHABLE
        return weight + max((_in_address(candidate.value, address) for address in self._addresses), default=0.0)

    @cached_property
    def _addresses(self) -> list[str]:
        """The local parts of the e-mail addresses in the document, letters only, at most the first two."""
        found = [match[0] for row in self.sheet.rows for match in EMAIL.finditer(row.text)]
        return ["".join(_LETTERS.findall(fold(address.partition("@")[0]))) for address in found[:2]]

    @cached_property
    def _keywords(self) -> frozenset[str]:
        enums = [field for field in self.document_type.fields.values() if field.type is FieldType.ENUM]
        terms = (term for enum in enums for terms in enum.hints.keywords.values() for term in terms)
        values = (value for enum in enums for value in enum.enum)
        return frozenset(word for text in (*terms, *values) for word in _words(text))


def is_wanted(field: DocumentField) -> bool:
    """Whether a field is the person whom the document is about."""
    return field.type is FieldType.TEXT and field.hints.kind == "person" and field.hints.position == "top"


def _segments(cell: Cell) -> Iterator[Candidate]:
    """The parts of a cell between the marks that a line of contact details has."""
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
