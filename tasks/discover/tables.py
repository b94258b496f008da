"""Reads the cells of a table's column, row by row, with a reason for each cell that may be wrong."""

import csv
import io
import json
import re
from collections.abc import Iterator
from itertools import chain

from blocks.errors import Corrupt, RowsColumnMissing
from blocks.files.encodings import decode
from blocks.files.media_types import CSV
from blocks.files.text_types import delimiter_of

Cell = tuple[str, str | None]
"""A cell's text, and why it may be wrong."""

MAX_CELL_CHARACTERS = 10_000_000
END = "\ue000end of the table\ue000"
"""A last row that is added: if a quotation mark is never closed, it ends up in another cell."""
_DELIMITER_LINE = re.compile(r"sep=(.)\r?\n")
"""How Excel states a table's delimiter."""


def csv_cells(content: bytes, column: str) -> Iterator[Cell]:
    """The cells of a csv file's column. The first row is the header; empty lines are no rows.

    Raises `RowsColumnMissing`, and `Corrupt` if a cell is too long or two columns have that name.
    """
    text = decode(content).lstrip("\r\n")
    stated = _DELIMITER_LINE.match(text)
    text = text[stated.end() :] if stated else text
    delimiter = stated[1] if stated else delimiter_of(text)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(chain(io.StringIO(text, newline=""), [END]), delimiter=delimiter)
    try:
        columns = [name.strip() for name in next(reader)]
        if columns[-1].endswith(END) and columns != [END]:
            raise Corrupt(CSV, "a quotation mark in its first row is never closed")
        if column not in columns:
            raise RowsColumnMissing(column, () if columns == [END] else tuple(columns))
        if columns.count(column) > 1:
            raise Corrupt(CSV, f"{columns.count(column)} columns are called {column!r}")
        place, line = columns.index(column), reader.line_num + 1
        for row in reader:
            if row and row != [END]:
                yield _csv_cell(row, place, len(columns), delimiter, line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Corrupt(CSV, f"after line {reader.line_num}: {error}") from error


def _csv_cell(row: list[str], place: int, width: int, delimiter: str, line: int) -> Cell:
    if row[-1].endswith(END):
        row = [*row[:-1], row[-1].removesuffix(END)]
        return delimiter.join(row), f"a quotation mark in the row that begins on line {line} is never closed"
    if width == 1:
        return delimiter.join(row), None  # in a table of a single column, a delimiter is text
    if any(row[width:]):
        return delimiter.join(row), f"the row on line {line} has {len(row)} cells, and the table {width} columns"
    return (row[place] if place < len(row) else ""), None


def jsonl_cells(content: bytes, column: str) -> Iterator[Cell]:
    """The values of a key in a file with a JSON object per line; a value that is no text becomes JSON.

    Raises `RowsColumnMissing` if no object has the key.
    """
    seen: dict[str, None] = {}
    is_found = False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", decode(content)), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield line, f"line {number} is no JSON: {error}"
            continue
        if not isinstance(row, dict):
            yield line, f"line {number} is no JSON object"
            continue
        seen |= dict.fromkeys(row)
        is_found = is_found or column in row
        value = row.get(column)
        yield value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False), None
    if not is_found:
        raise RowsColumnMissing(column, tuple(seen)[:50])
