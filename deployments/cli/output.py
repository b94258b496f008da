"""The command's output: lines, tables for people, JSON and csv for programs.

Rich takes as long to import as the rest of a small command, so only colours and tables import it.
"""

import csv
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.values.spreadsheet_text import inert

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Rows = Sequence[Mapping[str, object]]

_log = logging.getLogger("deployments")
_JSON_LINES = "winnow-json-lines"
"""The name of the handler that `configure_logs` adds where JSON is asked for. Prefect adds handlers of its own."""
_LEVELS = {"yellow": logging.WARNING, "red": logging.ERROR}

_FILE_WIDTH = 160
"""The width of tables that are written to a file or a pipe."""
_NARROW = 110
"""On a narrower terminal, a row takes a few lines."""
_LEAST_CHARACTERS = {"message": 40}
"""A column that would get less room makes a row take a few lines."""
_WRAPPED = ("reasons", "message", "aliases", "asks", "fields_read", "price", "limits", "key", "circuit")
_MAX_CHARACTERS = {"uri": 36, "reasons": 36, "message": 60}
_MAX_CHARACTERS_OF_OTHERS = 60
_UNBOUNDED = 10_000
_CUT = ("uri", "fields")


@cache
def stdout() -> "Console":
    """The console of standard output."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)


@cache
def stderr() -> "Console":
    """The console of standard error."""
    from rich.console import Console

    return Console(stderr=True)


def say(line: str = "", style: str = "") -> None:
    """Print a line of the command's result on standard output; `style` shows on a terminal only."""
    if style and sys.stdout.isatty():
        stdout().print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    else:
        print(line)


def note(line: str, style: str = "") -> None:
    """Print a line about what the command does on standard error; `style` shows on a terminal only.

    Where the command logs JSON there, the line is a record too: every line can be parsed.
    """
    if any(handler.name == _JSON_LINES for handler in _log.handlers):
        _log.log(_LEVELS.get(style, logging.INFO), "%s", line)
    elif sys.stderr.isatty():
        stderr().print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    else:
        print(line, file=sys.stderr)


def warn(line: str) -> None:
    """Print a line that the user should act on, on standard error."""
    note(line, style="yellow")


class OutputFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def write_file(file: Path, text: str) -> None:
    """Write a file that the user named, and the folders above it. Raises `UsageError` where it cannot be written."""
    from blocks.errors import UsageError

    try:
        make_folder_of(file)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def make_folder_of(file: Path) -> None:
    """Make the folders above a file. Raises `OSError`, except where the file itself says better what is wrong."""
    if not file.parent.exists():
        file.parent.mkdir(parents=True, exist_ok=True)


def show_rows(
    rows: Rows, columns: Sequence[str], output_format: OutputFormat, empty: str, narrow: Sequence[str] = ()
) -> None:
    """Print rows on standard output. A table shows `columns`; JSON and csv show every key.

    If the columns do not fit the terminal, the table shows `narrow`, or without it a few lines per row.
    """
    match output_format:
        case OutputFormat.JSON:
            print(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2, default=str))
        case OutputFormat.CSV:
            _write_csv(rows, columns)
        case OutputFormat.TABLE if not rows:
            note(empty)
        case OutputFormat.TABLE if narrow and not _fits(_as_table(rows, columns)):
            stdout().print(_as_table(rows, narrow))
            note("a wider terminal shows more columns, and --format json shows all", style="dim")
        case OutputFormat.TABLE if stdout().width < _NARROW or not _has_room(rows, columns):
            _print_blocks(rows, columns)
        case OutputFormat.TABLE:
            stdout().print(_as_table(rows, columns))


def _print_blocks(rows: Rows, columns: Sequence[str]) -> None:
    """A few lines per row, for a terminal that is too narrow for a line per row."""
    from rich.text import Text

    for row in rows:
        for index, column in enumerate(columns):
            if cell := _cell(column, row.get(column)):
                name = "" if index == 0 else f"  {column.replace('_', ' ')}: "
                stdout().print(Text.assemble((name, "dim"), (cell, "bold" if index == 0 else "")))


def _as_table(rows: Rows, columns: Sequence[str]) -> "Table":
    """A line per row. URIs are cut at their start, fields at their end."""
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", box=None, pad_edge=False)
    cells = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    taken = sum(
        min(
            max(len(column), *(len(line[index]) for line in cells)),
            _MAX_CHARACTERS.get(column, _MAX_CHARACTERS_OF_OTHERS),
        )
        + 2
        for index, column in enumerate(columns)
        if column != "fields"
    )
    for index, column in enumerate(columns):
        width = max(20, stdout().width - taken) if column == "fields" else _MAX_CHARACTERS.get(column)
        table.add_column(column.replace("_", " "), max_width=width, no_wrap=column not in _WRAPPED)
        if column in _CUT and width:
            for line in cells:
                line[index] = _cut(line[index], width, keep_end=column == "uri")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))
    return table


def _has_room(rows: Rows, columns: Sequence[str]) -> bool:
    """Whether the terminal leaves enough room for the columns that need some."""
    widths = {column: max(len(column), *(len(_cell(column, row.get(column))) for row in rows)) for column in columns}
    needed = (
        min(width, _LEAST_CHARACTERS.get(name, _MAX_CHARACTERS.get(name, width))) for name, width in widths.items()
    )
    return not {*columns} & {*_LEAST_CHARACTERS} or sum(needed) + 2 * len(columns) <= stdout().width


def _fits(table: "Table") -> bool:
    """Whether the terminal is wide enough for the table without wrapped lines."""
    console = stdout()
    return console.measure(table, options=console.options.update_width(_UNBOUNDED)).maximum <= console.width


def _cut(text: str, width: int, keep_end: bool) -> str:
    if len(text) <= width:
        return text
    return f"…{text[1 - width :]}" if keep_end else f"{text[: width - 1]}…"


def _cell(column: str, value: object) -> str:
    if column == "uri" and isinstance(value, str):
        return without_controls(value.removeprefix(f"{Path.cwd()}/"))
    if column == "fields" and isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(found)}" for name, found in value.items() if found is not None)
    if column.endswith("_at") and isinstance(value, str):
        return value[:16].replace("T", " ")
    return _plain(value)


def _write_csv(rows: Rows, columns: Sequence[str]) -> None:
    keys = list(rows[0]) if rows else list(columns)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_inert(_plain(row[key])) for key in keys])


def _plain(value: object) -> str:
    """A value in a single line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        text = ", ".join(value)
    elif isinstance(value, (dict, list, tuple)):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return without_controls(text)


def without_controls(text: str) -> str:
    """Text in a single line, without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def _inert(cell: str) -> str:
    """The cell, so that no spreadsheet takes it for a formula; numbers stay as they are."""
    try:
        float(cell)
    except ValueError:
        return inert(cell)
    return cell
