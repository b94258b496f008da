"""Spreadsheets by calamine: a page per sheet, columns in line. Runs in a parser process.

calamine gives values without their formats. A number of an xlsx or ods has the decimals, the per cent sign and the
currency that its cell shows. Elsewhere an amount has two decimals. A date is written as ISO 8601 has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from io import BytesIO
from math import isfinite
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetVisibleEnum

from blocks.errors import Corrupt, Empty, Encrypted, TooManyPages
from tasks.extract.reading import Reading, clean, text_pages
from tasks.extract.shown_numbers import DIGITS, MAX_DECIMALS, CellFormat, formats_of

MEDIA_TYPES = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template": "xltx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xlsb",
    "application/vnd.ms-excel": "xls",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
VERSION = 5
PACKAGES = ("python-calamine", "lxml")
SETTINGS = ()

ENGINE = f"calamine {version('python-calamine')}"
MAX_PADDED = 40
"""Wider cells do not widen their column: a note of 500 characters would move all other columns out of sight. The cell
after such a one is moved, and stands two spaces behind it.
"""

_EMPTY_ARCHIVE = b"PK\5\6" + bytes(18)

Cell = int | float | str | bool | date | datetime | time | timedelta | object


def warm_up() -> None:
    """Load what zipfile and lxml load at their first archive."""
    "".encode("cp437")
    formats_of(_EMPTY_ARCHIVE)


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
        formats = formats_of(content)
        for sheet in workbook.sheets_metadata:
            text = _text_of(_rows(workbook.get_sheet_by_name(sheet.name), formats.get(sheet.name, {})))
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


def _rows(sheet: CalamineSheet, formats: Mapping[int, Mapping[int, CellFormat]]) -> list[list[str]]:
    """The cells as they are shown."""
    first_row, first_column = sheet.start or (0, 0)
    table = []
    for number, row in enumerate(sheet.to_python(), first_row):
        shown = formats.get(number, {})
        table.append(
            [_shown(cell, shown.get(column)) or _written(cell) for column, cell in enumerate(row, first_column)]
        )
    return table


def _shown(cell: Cell, shown: CellFormat | None) -> str | None:
    if shown is None or not isinstance(cell, int | float) or isinstance(cell, bool) or not isfinite(cell):
        return None
    return shown.written(cell)


def _text_of(table: Sequence[Sequence[str]]) -> str:
    """The rows as lines; a column begins at the same place in all of them, two spaces after the widest cell before."""
    widths = [min(MAX_PADDED, max(map(len, column), default=0)) for column in zip(*table, strict=True)]
    lines = (
        "".join(f"{cell.ljust(width)}  " for cell, width in zip(row, widths, strict=True) if width).rstrip()
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
        case datetime() | timedelta():
            return _time_written(cell)
        case _:
            return " ".join(clean(str(cell)).split())


def _time_written(cell: datetime | timedelta) -> str:
    """A date, a date with its time of day, or hours and minutes, which a sum of hours has more than 24 of."""
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    if cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat(" ", "seconds" if cell.second else "minutes")
