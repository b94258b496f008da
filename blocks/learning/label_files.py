"""Files of labels, a row at a time: csv as spreadsheets write it, or jsonl, an object per line.

Encoding, separator and form are seen from the file itself. A row that cannot be read is one row less, never the file.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NoReturn

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType
from blocks.learning.errors import LabelFileInvalid
from blocks.learning.labels import Cells, Label, written_value
from blocks.values.given_values import text_of
from blocks.values.spreadsheet_text import inert, restored

if TYPE_CHECKING:
    from _csv import Reader as _Reader

PLACE_COLUMNS = ("uri", "document_id")
"""At least one of them says which document a row is about."""
COLUMNS = (
    *("uri", "document_id", "document_type", "type_version", "field", "value"),
    *("labelled_by", "labelled_at", "origin", "drawn_with"),
)
_MAX_CELL = 16 * 1024 * 1024  # a long table is one cell
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of a file and the line on which it begins; `problem` says why it has no cells."""

    line: int
    cells: Cells
    problem: str = ""


def rows_in(stream: IO[bytes], name: str) -> Iterator[FileRow]:
    """The rows of a file of labels, blank ones left out. Nothing of the file is kept.

    Raises `LabelFileInvalid` for a file without the columns, and one that is not UTF-8.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        yield from _rows(text, name)
    except UnicodeDecodeError as error:
        raise LabelFileInvalid(name, "it is not in UTF-8; save it as CSV UTF-8, and import it again") from error
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper, name: str) -> Iterator[FileRow]:
    head, blank = text.readline(), 0
    while head and not head.strip():
        head, blank = text.readline(), blank + 1
    lines = itertools.chain([head], text)
    if head.lstrip().startswith("{"):
        for number, line in enumerate(lines, start=blank + 1):
            if line.strip():
                yield _json_row(number, line)
    elif head.lstrip().startswith("["):
        raise LabelFileInvalid(name, "it is one JSON list; write an object per line")
    else:
        csv.field_size_limit(_MAX_CELL)
        separator = max(_SEPARATORS, key=head.count)
        yield from _csv_rows(csv.reader(lines, delimiter=separator, strict=True), blank, name)


def _json_row(number: int, line: str) -> FileRow:
    try:
        cells = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return FileRow(number, {}, f"the line is no JSON object ({error})")
    if not isinstance(cells, dict):
        return FileRow(number, {}, "the line is no JSON object")
    cells = {key.strip().lower(): value for key, value in cells.items()}
    missing = _missing(cells)
    return FileRow(number, cells, f"the object has no {missing}" if missing else "")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _csv_rows(reader: "_Reader", blank: int, name: str) -> Iterator[FileRow]:
    """The rows behind the header; `blank` lines are before it."""
    try:
        columns = [cell.strip().lower() for cell in next(reader, [])]
    except csv.Error as error:
        raise LabelFileInvalid(name, f"its first line cannot be read ({error})") from error
    missing = _missing(dict.fromkeys(columns))
    if missing:
        raise LabelFileInvalid(
            name,
            f"its first line has no column {missing}; write a csv file with the columns uri (or document_id), field "
            "and value, or jsonl with objects that have these; winnow labels export writes such files",
        )
    while True:
        begin = blank + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield FileRow(begin, {}, f"the row cannot be read ({error}); look at its quotes")
            continue
        if any(cell.strip() for cell in cells):
            yield _csv_row(begin, columns, cells)


def _csv_row(line: int, columns: list[str], cells: list[str]) -> FileRow:
    has = f"the row has {len(cells)} cells, and the first line has {len(columns)}"
    if len(cells) < len(columns):
        return FileRow(line, {}, has)
    if any(cell.strip() for cell in cells[len(columns) :]):
        return FileRow(line, {}, f"{has}; put quotes around a value that has the separator in it")
    return FileRow(line, {column: restored(cell) for column, cell in zip(columns, cells, strict=False)})


def _missing(cells: Mapping[str, object]) -> str:
    """The columns that a row must have and does not."""
    missing = [column for column in ("field", "value") if column not in cells]
    if not any(column in cells for column in PLACE_COLUMNS):
        missing.insert(0, "uri (or document_id)")
    return " and no ".join(missing)


def row_of(label: Label, uri: str, types: Mapping[str, DocumentType]) -> dict[str, JsonValue]:
    """The label as a row of a file, by `COLUMNS`, so that `rows_in` and `new_label` make the same label of it."""
    document_type = types.get(label.document_type)
    field = document_type.fields.get(label.field) if document_type is not None else None
    row = label.model_dump(mode="json", include={*COLUMNS}) | {"uri": uri, "value": written_value(field, label.value)}
    return {column: row[column] for column in COLUMNS}


def csv_cells(row: Mapping[str, JsonValue]) -> dict[str, str]:
    """The row's cells as texts that no spreadsheet takes for formulas."""
    return {column: inert(text_of(value)) for column, value in row.items()}
