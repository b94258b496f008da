"""From a decided document to its traces: where each right value stood, without the document's text."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.traces import Remembered, Trace
from blocks.reader.candidates import Candidate, candidates, identifier
from blocks.reader.lexicon import plain
from blocks.reader.lines import Row, read_rows
from blocks.reader.name_shapes import looks_like_name
from blocks.reader.parties import is_named
from blocks.reader.signs import signs
from blocks.records import Page
from blocks.values.notation import Notation, notation_of
from blocks.values.typed_values import NUMERIC, fold

MAX_SIGNS = 80
"""So many signs are kept of a document: its traces stay below two kilobytes."""
MAX_RIGHT_PLACES = 3
"""A total may be printed in many places: the signs of the first ones are kept."""
MIN_PRINTED_RATIO = 70.0
"""From this similarity (rapidfuzz ratio, of 100) on, a line at the head is the name that a person wrote otherwise."""
PRINTED_ROWS = 12
NOT_TRACED = frozenset({FieldType.LIST, FieldType.TABLE})
KEPT_HABITS = 400
"""So many signs of a field are kept in the habits of a type, those that were seen most often."""


def traces_of(document_type: DocumentType, pages: Sequence[Page], values: Mapping[str, JsonValue]) -> dict[str, Trace]:
    """The traces of a document's fields. `values` are the right ones as rows have them; None is "not on the document".

    A value that does not stand in the text leaves no trace, unless it is one of an enum or the issuer's name.
    """
    rows = read_rows(pages)
    notation = notation_of(tuple(page.text for page in pages), document_type.languages)
    sizes = {page.number: (page.width, page.height) for page in pages}
    traced = {
        name: value
        for name, value in values.items()
        if (rules := document_type.fields.get(name)) and rules.type not in NOT_TRACED and not rules.written
    }
    found: dict[str, Trace] = {}
    for name, value in traced.items():
        rules = document_type.fields[name]
        if rules.type is FieldType.ENUM:
            found[name] = Trace(value=value, is_absent=value is None)
            continue
        printed = printed_name(value, rows) if is_issuer(rules) and isinstance(value, str) else ""
        trace = _trace(rules, printed or value, rows, notation, sizes, MAX_SIGNS // max(len(traced), 1))
        if printed and not document_type.sensitive:
            trace = trace.model_copy(update={"value": value, "printed": printed})
        if trace != Trace():
            found[name] = trace
    return found


def is_issuer(field: DocumentField) -> bool:
    """Whether a field names the business that issued the document."""
    return field.type is FieldType.TEXT and field.hints.kind == "organisation" and field.hints.position == "top"


def habits(document_traces: Iterable[Mapping[str, Trace]], likeness: float) -> Remembered:
    """What the decided documents of a type have in common: their signs added up, names and labels left out.

    `likeness` is the weight of each of them beside a document that is like the one being read.
    """
    right: dict[str, Counter[str]] = {}
    wrong: dict[str, Counter[str]] = {}
    documents = 0
    for traces in document_traces:
        documents += 1
        for name, trace in traces.items():
            right.setdefault(name, Counter()).update(trace.right)
            wrong.setdefault(name, Counter()).update(trace.wrong)
    fields = {
        name: Trace(right=dict(right[name].most_common(KEPT_HABITS)), wrong=dict(wrong[name].most_common(KEPT_HABITS)))
        for name in right
        if right[name]
    }
    return Remembered(likeness=likeness, documents=max(documents, 1), fields=fields)


def size_bytes(traces: Mapping[str, Trace]) -> int:
    """What the traces of a document take as JSON."""
    return len(json.dumps({name: trace.model_dump(exclude_defaults=True) for name, trace in traces.items()}))


def printed_name(value: str, rows: Sequence[Row]) -> str:
    """How the document prints a name: the cell that has it, else the one at its head that is most like it."""
    wanted = plain(value)
    if not wanted:
        return ""
    cells = [cell.text for row in rows for cell in row.cells]
    exact = next((text for text in cells if plain(text) == wanted), None)
    if exact is not None:
        return exact
    head = [cell.text for row in rows[:PRINTED_ROWS] for cell in row.cells if any(c.isalpha() for c in cell.text)]
    best = max(head, key=lambda text: fuzz.ratio(plain(text), wanted), default="")
    return best if fuzz.ratio(plain(best), wanted) >= MIN_PRINTED_RATIO else ""


def _trace(
    field: DocumentField,
    value: JsonValue,
    rows: tuple[Row, ...],
    notation: Notation,
    sizes: Mapping[int, tuple[float, float]],
    most: int,
) -> Trace:
    places = list(_places(field, value, rows, notation))
    right = [candidate for candidate in places if value is not None and is_equal(field, candidate.value, value)]
    if value is not None and not right:
        return Trace()
    kept = right[:MAX_RIGHT_PLACES]
    of_right = dict.fromkeys(sign for candidate in kept for sign in _signs(field, candidate, rows, sizes))
    found = list(of_right)[:most]
    taken = {candidate.place for candidate in right}
    rivals = [candidate for candidate in places if not is_equal(field, candidate.value, value)]
    rivals.sort(key=lambda other: min((abs(other.cell.row - own.cell.row) for own in kept), default=other.cell.row))
    against: dict[str, None] = {}
    for rival in rivals:
        own = _signs(field, rival, rows, sizes)
        if rival.place in taken:
            own = tuple(sign for sign in own if sign not in of_right)
        against.update(dict.fromkeys(own))
    left = max(most - len(found), 0)
    return Trace(right=dict.fromkeys(found, 1), wrong=dict.fromkeys(list(against)[:left], 1), is_absent=value is None)


def _signs(
    field: DocumentField, candidate: Candidate, rows: tuple[Row, ...], sizes: Mapping[int, tuple[float, float]]
) -> tuple[str, ...]:
    return signs(candidate, rows, sizes.get(candidate.cell.page, (0.0, 0.0)), is_name=is_named(field))


def _places(field: DocumentField, value: JsonValue, rows: tuple[Row, ...], notation: Notation) -> Iterator[Candidate]:
    """Every place that holds the value, or another one that could have been taken for it."""
    for row in rows:
        for cell in row.cells:
            if field.type is not FieldType.TEXT:
                yield from candidates(field, cell, notation)
            elif field.hints.kind == "identifier":
                found = identifier(cell, 0, len(cell.text), notation)
                if found is not None:
                    yield found
            elif isinstance(value, str) and plain(value) and plain(value) in plain(cell.text):
                yield Candidate(cell, 0, len(cell.text), value)
            elif field.hints.kind in {"organisation", "person"} and looks_like_name(cell.text):
                yield Candidate(cell, 0, len(cell.text), cell.text)


def is_equal(field: DocumentField, found: JsonValue, value: JsonValue) -> bool:
    """Whether two values of a field are the same: amounts as numbers, texts without case, blanks and marks.

    A list's order says nothing, its marks do: C is not C++. A table's rows have an order. None, not on the document,
    equals None only.
    """
    if found is None or value is None:
        return found is value
    if field.type in NUMERIC:
        try:
            return Decimal(str(found)) == Decimal(str(value))
        except InvalidOperation:
            return False
    if field.type is FieldType.TEXT:
        return _compared(found) == _compared(value)
    if isinstance(found, list) and isinstance(value, list):
        return _is_equal_list(field, found, value)
    return found == value


def _is_equal_list(field: DocumentField, found: list[JsonValue], value: list[JsonValue]) -> bool:
    if field.type is not FieldType.TABLE:
        return {fold(str(item)) for item in found} == {fold(str(item)) for item in value}
    return len(found) == len(value) and all(
        is_equal_row(field, one, other) for one, other in zip(found, value, strict=True)
    )


def is_equal_row(table: DocumentField, found: JsonValue, value: JsonValue) -> bool:
    """Whether two rows of a table are the same in every column."""
    if not isinstance(found, dict) or not isinstance(value, dict):
        return found == value
    return all(is_equal(column, found.get(name), value.get(name)) for name, column in table.columns.items())


def _compared(text: JsonValue) -> str:
    """A text as it is compared; one of marks only, such as €, is compared by its marks."""
    return plain(str(text)) or fold(str(text))
