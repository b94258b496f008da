"""A decided document as a worked example for a language model: what a reply to it would say."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import locate
from blocks.learning.traces import is_equal
from blocks.reader.candidates import candidates
from blocks.reader.lines import Row, read_rows
from blocks.records import Page
from blocks.values.notation import Notation, notation_of
from blocks.values.typed_values import NUMERIC

CONFIDENCE = 0.99
"""What a reply says of a value that a person decided."""

Quote = dict[str, JsonValue]


def reply_fields(
    document_type: DocumentType, pages: Sequence[Page], values: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The fields of a reply: null where the document has no value, else the value with its quotes and a confidence.

    `values` are typed values as results have them. A quote is literal text of its page. There is none where the value
    does not stand in the text: a draft, a value of an enum, a table of which a row is not found.
    """
    rows = read_rows(pages)
    notation = notation_of(tuple(page.text for page in pages), document_type.languages)
    found: dict[str, JsonValue] = {}
    for name, value in values.items():
        field = document_type.fields[name]
        if value is None:
            found[name] = None
            continue
        quotes = [] if field.written else list(_quotes(field, value, pages, rows, notation))
        found[name] = {"value": _as_replied(field, value), "evidence": [*quotes], "confidence": CONFIDENCE}
    return found


def _as_replied(field: DocumentField, value: JsonValue) -> JsonValue:
    """A typed value as a reply has it: numbers are texts."""
    if isinstance(value, list):
        return [_as_replied(field, item) for item in value]
    if isinstance(value, dict):
        return {name: _as_replied(column, value.get(name)) for name, column in field.columns.items()}
    return str(value) if isinstance(value, int | float) else value


def _quotes(
    field: DocumentField, value: JsonValue, pages: Sequence[Page], rows: Sequence[Row], notation: Notation
) -> Iterator[Quote]:
    if field.type is FieldType.TABLE:
        yield from _of_rows(field, value, pages, rows, notation)
    elif isinstance(value, list):
        yield from (quote for item in value if (quote := _literal(str(item), pages)) is not None)
    elif field.type is not FieldType.ENUM:
        quote = _of_type(field, value, rows, notation) or _literal(str(value), pages)
        if quote is not None:
            yield quote


def _of_type(field: DocumentField, value: JsonValue, rows: Sequence[Row], notation: Notation) -> Quote | None:
    """The first text that is the value by its type: an amount, a date, an account number."""
    if field.type is FieldType.TEXT:
        return None
    for row in rows:
        for cell in row.cells:
            for candidate in candidates(field, cell, notation):
                if is_equal(field, candidate.value, value):
                    return {"page": cell.page, "quote": candidate.quote}
    return None


def _literal(text: str, pages: Sequence[Page]) -> Quote | None:
    """Where a text stands, case, accents and blanks aside."""
    for page in pages:
        span = locate(page.text, text)
        if span is not None:
            return {"page": page.number, "quote": page.text[span.start : span.end]}
    return None


def _of_rows(
    table: DocumentField, value: JsonValue, pages: Sequence[Page], rows: Sequence[Row], notation: Notation
) -> Iterator[Quote]:
    """A quote per row of a table, in their order; none where a row is not found."""
    texts = {page.number: page.text for page in pages}
    quotes: list[Quote] = []
    left = list(rows)
    for wanted in value if isinstance(value, list) else []:
        cells = {name: cell for name, cell in wanted.items() if cell is not None} if isinstance(wanted, dict) else {}
        at, row = max(enumerate(left), key=lambda each: _cells_in(table, cells, each[1], notation), default=(0, None))
        if row is None or 2 * _cells_in(table, cells, row, notation) < max(len(cells), 1):
            return
        quotes.append({"page": row.page, "quote": _line(row, texts[row.page])})
        left = left[at + 1 :]
    yield from quotes


def _cells_in(table: DocumentField, cells: Mapping[str, JsonValue], row: Row, notation: Notation) -> int:
    """How many cells of a table's row stand in a row of the page."""
    return sum(
        locate(row.text, str(cell)) is not None
        or (table.columns[name].type in NUMERIC and _of_type(table.columns[name], cell, [row], notation) is not None)
        for name, cell in cells.items()
        if name in table.columns
    )


def _line(row: Row, text: str) -> str:
    """The literal text of a row, or of its first cell where its cells are not side by side in the page's text."""
    start, end = min(cell.start for cell in row.cells), max(cell.end for cell in row.cells)
    line = text[start:end]
    return row.cells[0].text if "\n" in line else line
