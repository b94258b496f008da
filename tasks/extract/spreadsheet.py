"""Spreadsheets by calamine: a page per sheet, columns in line, dates and numbers as values. Runs in a parser process.

calamine gives values without their number formats. A date is written as ISO 8601 has it, an amount with two decimals.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from io import BytesIO
from math import isfinite
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from blocks.errors import Corrupt, Empty, Encrypted, TooManyPages
from tasks.extract.reading import Reading, clean, text_pages

MEDIA_TYPES = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template": "xltx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xlsb",
    "application/vnd.ms-excel": "xls",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
VERSION = 2
PACKAGES = ("python-calamine",)
SETTINGS = ()

ENGINE = f"calamine {version('python-calamine')}"
MAX_PADDED = 40
"""Wider cells do not widen their column: a note of 500 characters would move all other columns out of sight."""
DIGITS = 15
"""What spreadsheet programs keep and show of a number; a binary fraction differs from what was typed after them."""
MAX_DECIMALS = 12

Cell = int | float | str | bool | date | datetime | time | object


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` with a page per visible sheet, packed. Arguments: media_type, max_pages.

    Raises `Corrupt`, `Encrypted`, `Empty` and `TooManyPages`.
    """
    shown: dict[str, str] = {}
    hidden: list[str] = []
    try:
        workbook = CalamineWorkbook.from_filelike(BytesIO(content))
        if len(workbook.sheet_names) > arguments["max_pages"]:
            raise TooManyPages(len(workbook.sheet_names), arguments["max_pages"])
        for sheet in workbook.sheets_metadata:
            text = _text_of(workbook.get_sheet_by_name(sheet.name).to_python())
            if text and sheet.visible == SheetVisibleEnum.Visible:
                shown[clean(sheet.name)] = text
            elif text:
                hidden.append(text)
    except CalamineError as error:
        if "password" in str(error).lower():
            raise Encrypted(0) from error
        raise Corrupt(arguments["media_type"], f"calamine says {error}") from error
    if not shown and not hidden:
        raise Empty("its sheets have no cells")
    pages = text_pages(shown.values() or [""])
    pages[0].hidden_text = "\n".join(hidden)
    return Reading(arguments["media_type"], ENGINE, pages, {"sheets": ", ".join(shown)} if shown else {}).pack()


def _text_of(rows: Sequence[Sequence[Cell]]) -> str:
    """The rows as lines; a column begins at the same place in all of them, two spaces after the widest cell before."""
    table = [[_written(cell) for cell in row] for row in rows]
    widths = [min(MAX_PADDED, max(map(len, column), default=0)) for column in zip(*table, strict=True)]
    lines = (
        "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=True) if width).rstrip()
        for row in table
    )
    return "\n".join(_without_gaps(lines)).strip("\n")


def _without_gaps(lines: Iterator[str]) -> Iterator[str]:
    """The lines, with a single empty line where there are several."""
    is_gap = False
    for line in lines:
        if line or not is_gap:
            yield line
        is_gap = not line


def _written(cell: Cell) -> str:
    match cell:
        case bool():
            return str(cell).upper()
        case float() if cell.is_integer():
            return str(int(cell))
        case float() if isfinite(cell):
            typed = Decimal(f"{cell:.{DIGITS}g}")
            whole, _, decimals = f"{round(typed, MAX_DECIMALS):f}".partition(".")
            return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "seconds" if cell.second else "minutes")
        case _:
            return " ".join(clean(str(cell)).split())
