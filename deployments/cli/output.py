"""How the command shows rows: a table for people, JSON and csv for programs."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text

stdout = Console()
stderr = Console(stderr=True)

Rows = Sequence[Mapping[str, object]]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class OutputFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show_rows(rows: Rows, columns: Sequence[str], output_format: OutputFormat, empty: str) -> None:
    """Print rows on standard output. A table shows `columns`; JSON and csv every key."""
    match output_format:
        case OutputFormat.JSON:
            print(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2, default=str))
        case OutputFormat.CSV:
            _write_csv(rows, columns)
        case OutputFormat.TABLE if not rows:
            stderr.print(empty, highlight=False)
        case OutputFormat.TABLE:
            table = Table(*(column.replace("_", " ") for column in columns), header_style="bold", box=None)
            for row in rows:
                table.add_row(*(Text(_plain(row.get(column))) for column in columns))
            stdout.print(table)


def _write_csv(rows: Rows, columns: Sequence[str]) -> None:
    keys = list(rows[0]) if rows else list(columns)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_inert(_plain(row[key])) for key in keys])


def _plain(value: object) -> str:
    """A value in one line."""
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
    """Text in one line, without the control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def _inert(cell: str) -> str:
    """The cell, with a quote before it where a spreadsheet would take it for a formula."""
    if not cell.startswith(_FORMULA_STARTS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
