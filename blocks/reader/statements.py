"""Values that a sentence states: "over 12 years of experience". The hint `stated` says how such sentences go."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from blocks.document_types.schema import DocumentField, FieldType
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell, Row
from blocks.reader.ranking import Place
from blocks.records import Page
from blocks.values.number_words import spoken_number
from blocks.values.typed_values import InvalidValue, typed_value

VALUE_GROUP = "value"
"""The group of a pattern that the value stands in."""
STATED = 3.0
"""Log odds of a value that a sentence states."""
SUMMARY_ROWS, LATER = 20, -5.0
"""Where the value stands at the top, it is stated in the rows of a summary. What is stated further down is mostly about
one part of the matter, such as the years in one post.
"""
EXCEEDED = -4.0
"""Log odds of a number that another statement exceeds, where the largest is wanted: it is about a part."""
READ_CHARACTERS = 50_000


def places(
    pages: Sequence[Page], rows: tuple[Row, ...], field: DocumentField, languages: tuple[str, ...]
) -> Iterator[Place]:
    """Where a sentence states the field's value; sentences may go over several lines."""
    found = list(_stated(pages, rows, field, languages))
    numbers = [number for one in found if (number := _number(one.candidate.value)) is not None]
    for one in found:
        number = _number(one.candidate.value)
        is_exceeded = field.hints.pick == "largest" and number is not None and number < max(numbers)
        yield replace(one, weight=one.weight + EXCEEDED) if is_exceeded else one


def _stated(
    pages: Sequence[Page], rows: tuple[Row, ...], field: DocumentField, languages: tuple[str, ...]
) -> Iterator[Place]:
    patterns = [re.compile(pattern) for pattern in field.hints.stated]
    cells = [cell for row in rows for cell in row.cells]
    taken: set[tuple[int, int]] = set()
    for page in pages:
        for pattern in patterns:
            for match in pattern.finditer(page.text[:READ_CHARACTERS]):
                start, end = match.span(VALUE_GROUP)
                value = _value(field, page.text[start:end], languages)
                cell = _cell_at(cells, page.number, start, end)
                if value is None or cell is None or (page.number, start) in taken:
                    continue
                taken.add((page.number, start))
                is_later = field.hints.position == "top" and cell.row >= SUMMARY_ROWS
                candidate = Candidate(cell, start - cell.start, end - cell.start, value)
                yield Place(candidate, STATED + (LATER if is_later else 0.0), is_labelled=True)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _value(field: DocumentField, text: str, languages: tuple[str, ...]) -> str | None:
    if field.type is FieldType.INTEGER and (spoken := spoken_number(text)) is not None:
        return str(spoken)
    try:
        value = typed_value(field, text, languages)
    except InvalidValue:
        return None
    return None if value is None else str(value)


def _cell_at(cells: list[Cell], page: int, start: int, end: int) -> Cell | None:
    return next((one for one in cells if one.page == page and one.start <= start and end <= one.end), None)
