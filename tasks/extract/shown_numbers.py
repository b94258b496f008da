"""How a spreadsheet shows its numbers: the decimals, the per cent sign and the currency that each cell's format gives.

calamine gives values alone. An xlsx states a format per cell (ECMA-376 part 1, 18.8.31), an ods the text that it
shows. The binary formats xls and xlsb are not looked into: their numbers are written as they are stored.
"""

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from lxml import etree

from blocks.files.archive_types import MALFORMED_ZIP

DIGITS = 15
"""What spreadsheet programs keep and show of a number; a binary fraction differs from what was typed after them."""
MAX_DECIMALS = 12
_ALL_DIGITS = Context(prec=330, rounding=ROUND_HALF_UP)
"""A float has up to 309 digits before its decimals, and a per cent two more."""
MAX_REPEATED = 1_000
MAX_XML_BYTES = 10_000_000
"""A larger sheet, of some 200,000 cells, is written as it is stored: its formats would take longer than its values."""
MALFORMED = (*MALFORMED_ZIP, etree.LxmlError, ValueError, KeyError, IndexError)
BUILT_IN = {
    **dict.fromkeys((1, 3, 5, 6, 37, 38, 41, 42), "0"),
    **dict.fromkeys((2, 4, 7, 8, 39, 40, 43, 44), "0.00"),
    9: "0%",
    10: "0.00%",
}
"""Formats that a workbook names by their number alone, as far as they show plain decimals (ECMA-376, 18.8.30).

Which currency 5 to 8, 42 and 44 show depends on the computer: it is left out.
"""
MAX_CODE = 255
"""Characters of a format's code, as Excel has it."""

_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|[_*].|\[[^\]]*\]')
_SECTION = re.compile(r'((?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*)(?:;|$)')
_FIGURE = re.compile(r"(?P<whole>[0#?][0#?,]*)?(?:\.(?P<decimals>[0#?]*))?(?P<scale>,*)\s*(?P<percent>%?)")
_NUMBER = re.compile(r"\d(?:[\d.,'’\s]*\d)?")
_CONDITION = re.compile(r"\[[<>=]")
_CELL = re.compile(r"([A-Z]{1,3})(\d+)")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How a cell shows a number. `before` and `after` are a currency or a unit."""

    decimals: int
    optional_decimals: int = 0
    is_percent: bool = False
    before: str = ""
    after: str = ""

    def written(self, value: float) -> str:
        """The number as it is shown, with a point and without separators of thousands."""
        typed = Decimal(f"{value:.{DIGITS}g}") * (100 if self.is_percent else 1)
        most = self.decimals + self.optional_decimals
        whole, _, decimals = f"{typed.quantize(Decimal(1).scaleb(-most), context=_ALL_DIGITS):f}".partition(".")
        decimals = decimals[: self.decimals] + decimals[self.decimals :].rstrip("0")
        figure = f"{whole.lstrip('-')}.{decimals}" if decimals else whole.lstrip("-")
        sign = "-" if whole.startswith("-") and figure.strip("0.") else ""
        before = f"{self.before} " if self.before.isalpha() else self.before
        after = f" {self.after}" if self.after else ""
        return f"{sign}{before}{figure}{'%' if self.is_percent else ''}{after}"


@dataclass(frozen=True, slots=True)
class CellFormat:
    """The formats of a cell for positive and negative numbers and for zero; None where a number is shown otherwise."""

    positive: NumberFormat | None
    negative: NumberFormat | None
    zero: NumberFormat | None

    def written(self, value: float) -> str | None:
        """The number as it is shown; None if the format says nothing of it."""
        chosen = self.positive if value > 0 else self.negative if value < 0 else self.zero
        return None if chosen is None else chosen.written(value)


Sheets = Mapping[str, Mapping[int, Mapping[int, CellFormat]]]
"""The formats of cells, by the name of their sheet, their row and their column, counted from 0."""


def formats_of(content: bytes) -> Sheets:
    """The formats of the cells of an xlsx or ods; empty for other files, and for one whose formats cannot be read."""
    if not content.startswith(b"PK"):
        return {}
    try:
        with ZipFile(BytesIO(content)) as archive:
            if "xl/workbook.xml" in archive.NameToInfo:
                return _of_xlsx(archive)
            is_ods = "content.xml" in archive.NameToInfo
            return _of_ods(archive) if is_ods and archive.getinfo("content.xml").file_size <= MAX_XML_BYTES else {}
    except MALFORMED:  # calamine reads files that are not quite sound
        return {}


def cell_format(code: str) -> CellFormat | None:
    """What the code of a number format shows; None for General, dates and all that shows no plain decimals."""
    if len(code) > MAX_CODE or _CONDITION.search(code):
        return None
    sections = [found[1] for found in _SECTION.finditer(code)][:-1] or [code]
    positive, *others = map(_section, sections[:3])
    negative = others[0] if others else positive
    found = CellFormat(positive, negative, others[1] if len(others) > 1 else positive)
    return found if positive or negative else None


def _section(section: str) -> NumberFormat | None:
    literals: list[str] = []

    def kept(found: re.Match[str]) -> str:
        literals.append(found[1] or found[2] or found[3] or "")
        return "\0"

    bare = _LITERAL.sub(kept, section)
    figure = next((found for found in _FIGURE.finditer(bare) if found["whole"] or found["decimals"]), None)
    if figure is None or figure["scale"] or not {*figure[0]} & {*"0#"}:
        return None
    rest = bare[: figure.start()] + bare[figure.end() :]
    if re.search(r"[a-z@/0#?]", rest.replace("\0", ""), re.I):  # a date, a fraction, an exponent, General
        return None
    parts = iter(literals)
    before = "".join(next(parts) if char == "\0" else char for char in bare[: figure.start()])
    after = "".join(next(parts) if char == "\0" else char for char in bare[figure.end() :])
    decimals = figure["decimals"] or ""
    optional = len(decimals) - len(decimals.rstrip("#"))
    return NumberFormat(
        min(len(decimals) - optional, MAX_DECIMALS),
        min(optional, MAX_DECIMALS),
        figure["percent"] == "%" or "%" in rest,
        _unit(before),
        _unit(after),
    )


def _unit(text: str) -> str:
    """The letters and signs of currency of a text that stands beside a number."""
    kept = (char if char.isalpha() or unicodedata.category(char) == "Sc" else " " for char in text)
    return " ".join("".join(kept).split())


def _of_xlsx(archive: ZipFile) -> Sheets:
    styles = _styles(archive)
    if not any(styles):
        return {}
    targets = {
        relation.get("Id"): posixpath.join("/xl", relation.get("Target", ""))
        for relation in _tree(archive, "xl/_rels/workbook.xml.rels").iter("{*}Relationship")
    }
    found: dict[str, Mapping[int, Mapping[int, CellFormat]]] = {}
    for sheet in _tree(archive, "xl/workbook.xml").iter("{*}sheet"):
        relation = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), None)
        member = posixpath.normpath(targets.get(relation, "")).lstrip("/")
        if member in archive.NameToInfo and archive.getinfo(member).file_size <= MAX_XML_BYTES:
            found[sheet.get("name", "")] = _cells(archive, member, styles)
    return found


def _styles(archive: ZipFile) -> list[CellFormat | None]:
    """What each style of cells shows, in the order by which cells name them."""
    if "xl/styles.xml" not in archive.NameToInfo:
        return []
    tree = _tree(archive, "xl/styles.xml")
    codes = {int(own.get("numFmtId")): own.get("formatCode", "") for own in tree.iter("{*}numFmt")}
    known = {number: cell_format(code) for number, code in BUILT_IN.items()}
    known |= {number: cell_format(code) for number, code in codes.items()}
    return [known.get(int(style.get("numFmtId", 0))) for style in tree.iterfind("{*}cellXfs/{*}xf")]


def _cells(archive: ZipFile, member: str, styles: list[CellFormat | None]) -> Mapping[int, Mapping[int, CellFormat]]:
    found: dict[int, dict[int, CellFormat]] = defaultdict(dict)
    row, column = -1, -1
    with archive.open(member) as file:
        for _, element in etree.iterparse(file, tag="{*}row", resolve_entities=False, no_network=True):
            row, column = int(element.get("r", row + 2)) - 1, -1
            for cell in element.iterchildren("{*}c"):
                place = _CELL.fullmatch(cell.get("r", ""))
                column = _column(place[1]) if place else column + 1
                style = styles[int(cell.get("s", 0))]
                if style is not None:
                    found[row][column] = style
            _forget(element)
    return found


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _of_ods(archive: ZipFile) -> Sheets:
    found: dict[str, dict[int, dict[int, CellFormat]]] = {}
    sheet: dict[int, dict[int, CellFormat]] = {}
    row = 0
    with archive.open("content.xml") as file:
        tags = ("{*}table", "{*}table-row")
        events = etree.iterparse(file, ("start", "end"), tag=tags, resolve_entities=False, no_network=True)
        for event, element in events:
            is_table = etree.QName(element).localname == "table"
            if event == "start" and is_table:
                row, sheet = 0, found.setdefault(_attribute(element, "name"), {})
            elif event == "end" and not is_table:
                shown = _ods_row(element)
                repeated = int(_attribute(element, "number-rows-repeated") or 1)
                if shown:
                    sheet |= dict.fromkeys(range(row, row + min(repeated, MAX_REPEATED)), shown)
                row += repeated
                _forget(element)
    return found


def _ods_row(row: Any) -> dict[int, CellFormat]:
    found: dict[int, CellFormat] = {}
    column = 0
    for cell in row.iterchildren("{*}table-cell", "{*}covered-table-cell"):
        repeated = int(_attribute(cell, "number-columns-repeated") or 1)
        if _attribute(cell, "value"):
            text = " ".join("".join(part.itertext()) for part in cell.iterchildren("{*}p"))
            shown = _as_shown(float(_attribute(cell, "value")), text)
            if shown:
                same = CellFormat(shown, shown, shown)
                found |= dict.fromkeys(range(column, column + min(repeated, MAX_REPEATED)), same)
        column += repeated
    return found


def _as_shown(value: float, text: str) -> NumberFormat | None:
    """The format by which `value` has the digits of `text`."""
    figure = _NUMBER.search(text)
    if figure is None:
        return None
    digits = "".join(filter(str.isdigit, figure[0]))
    is_percent = "%" in text
    before, after = _unit(text[: figure.start()]), _unit(text[figure.end() :])
    for decimals in range(MAX_DECIMALS + 1):
        shown = NumberFormat(decimals, 0, is_percent, before, after)
        if "".join(filter(str.isdigit, shown.written(value))) == digits:
            return shown
    return None


def _attribute(element: Any, name: str) -> str:
    return next((value for key, value in element.attrib.items() if key.endswith(f"}}{name}")), "")


def _tree(archive: ZipFile, member: str) -> Any:
    with archive.open(member) as file:
        return etree.parse(file, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()


def _forget(row: Any) -> None:
    """Free a row that was read, and those before it."""
    row.clear()
    while row.getprevious() is not None:
        del row.getparent()[0]
