"""Values that a sentence states: "over 12 years of experience". The hint `stated` has patterns of such sentences."""

import re
from collections.abc import Iterator
from dataclasses import replace

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell
from blocks.reader.ranking import Place, as_number
from blocks.reader.sheet import Sheet
from blocks.values.errors import InvalidValue
from blocks.values.number_words import spelled_number
from blocks.values.typed_values import typed_value

VALUE_GROUP = "value"
"""The group of a pattern that holds the value."""
STATED = 3.0
"""Log odds of a value that a sentence states."""
SUMMARY_ROWS, LATER = 20, -5.0
"""What a value loses below the first rows where the field's place is the top: sentences further down are mostly about a
part, such as the years in one post.
"""
EXCEEDED = -4.0
"""What a number loses where the largest is wanted and another sentence states a larger one: it is about a part."""
READ_CHARACTERS = 50_000


def places(sheet: Sheet, field: DocumentField) -> Iterator[Place]:
    """Where a sentence states the field's value. A sentence may run over several lines, its value may not."""
    found = list(_stated(sheet, field))
    largest = max((n for place in found if (n := as_number(place.candidate.value)) is not None), default=0.0)
    for place in found:
        number = as_number(place.candidate.value)
        is_exceeded = field.hints.pick == "largest" and number is not None and number < largest
        yield replace(place, weight=place.weight + EXCEEDED) if is_exceeded else place


def _stated(sheet: Sheet, field: DocumentField) -> Iterator[Place]:
    patterns = [re.compile(pattern) for pattern in field.hints.stated]
    cells = [cell for row in sheet.rows for cell in row.cells]
    taken: set[tuple[int, int]] = set()
    for page in sheet.pages:
        for pattern in patterns:
            for match in pattern.finditer(page.text[:READ_CHARACTERS]):
                start, end = match.span(VALUE_GROUP)
                value = _value(field, page.text[start:end], sheet.notation.words)
                cell = _cell_at(cells, page.number, start, end)
                if value is None or cell is None or (page.number, start) in taken:
                    continue
                taken.add((page.number, start))
                is_later = field.hints.position == "top" and cell.row >= SUMMARY_ROWS
                candidate = Candidate(cell, start - cell.start, end - cell.start, value)
                yield Place(candidate, STATED + (LATER if is_later else 0.0), is_labelled=True)


def _value(field: DocumentField, text: str, languages: tuple[str, ...]) -> str | None:
    if field.type is FieldType.INTEGER and (number := spelled_number(text)) is not None:
        return str(number)
    try:
        value = typed_value(field, text, languages)
    except InvalidValue:
        return None
    return None if value is None else str(value)


def _cell_at(cells: list[Cell], page: int, start: int, end: int) -> Cell | None:
    return next((cell for cell in cells if cell.page == page and cell.start <= start and end <= cell.end), None)
