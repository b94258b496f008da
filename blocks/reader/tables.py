"""Table fields: rows under a header whose columns are known by their aliases.

With word boxes a value belongs to the column above it. Without, the last amount of a line is the last money column, and
the number column is the number that, times a price, gives the amount. A line is a row where it has an amount, or a
value of the first typed column where the table has no money.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import quoted
from blocks.reader.candidates import Candidate, candidates
from blocks.reader.lexicon import Lexicon
from blocks.reader.lines import Cell, Row, overlap
from blocks.reader.sheet import Sheet
from blocks.records import Box, Evidence, FieldReading, Page
from blocks.values.typed_values import NUMERIC, squeeze

HEADER_ROWS = 4
CONTINUATION_ROWS = 2
MAX_QUOTE_CHARACTERS = 900
ALIGNED_WITHIN = 25
"""So many points may a number end left or right of its column's label."""
ROW_ALIGNED, ROW_BY_ORDER, ADDS_UP = 0.75, 0.5, 0.15
"""Confidence of rows with and without word boxes, and what number times price = amount in most rows adds."""
_FIGURE = re.compile(r"[€$£]?[-(]?\d[\d.,]*[)%€$£]*")


@dataclass(slots=True)
class Header:
    """Where a table begins: the row after its header, and the box of each column's label."""

    first_row: int
    page: int
    boxes: dict[str, Box | None]


@dataclass(slots=True)
class Item:
    """A row being read: its values and their cells. `adds_up`: number times price is its amount."""

    values: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    adds_up: bool = False


class TableReader:
    """Reads one table field of one type version."""

    def __init__(self, table: DocumentField) -> None:
        self._columns = table.columns
        self._lexicon = Lexicon(DocumentType(name="columns", title="", fields=table.columns))
        typed = [name for name, column in table.columns.items() if column.type is not FieldType.TEXT]
        money = [name for name in typed if table.columns[name].type is FieldType.MONEY]
        self._typed = typed
        self._anchor = money[-1] if money else typed[0] if typed else None  # its value makes a line a row
        self._text = next((name for name, column in table.columns.items() if column.type is FieldType.TEXT), None)

    def read(self, sheet: Sheet) -> FieldReading | None:
        """The table's rows, or None where there are none."""
        headers = list(self._headers(sheet))
        items = [item for header in headers for item in self._items(header, sheet)]
        if not items:
            return None
        by_number = {page.number: page for page in sheet.pages}
        values: list[JsonValue] = [{name: item.values.get(name) for name in self._columns} for item in items]
        evidence = tuple(_evidence(item, by_number[item.cells[0].page]) for item in items)
        confidence = ROW_ALIGNED if all(box for header in headers for box in header.boxes.values()) else ROW_BY_ORDER
        confidence += ADDS_UP if 2 * sum(item.adds_up for item in items) >= len(items) else 0.0
        return FieldReading(value=values, confidence=confidence, evidence=evidence)

    def _headers(self, sheet: Sheet) -> Iterator[Header]:
        at = 0
        while at < len(sheet.rows):
            header = self._header(sheet, at)
            if header is not None:
                yield header
            at = header.first_row if header is not None else at + 1

    def _header(self, sheet: Sheet, start: int) -> Header | None:
        """The header that begins at a row: labels of the anchor and of another column in up to four rows."""
        found: dict[str, tuple[float, int, Box | None]] = {}
        first = sheet.rows[start]
        for row in sheet.rows[start : start + HEADER_ROWS]:
            if row.page != first.page or self._anchors(row.cells, sheet):
                break
            for cell in row.cells:
                for meaning in (meaning for label in self._lexicon.find(cell) for meaning in label.meanings):
                    known = found.get(meaning.field)
                    if known is None or meaning.rank < known[0]:
                        found[meaning.field] = (meaning.rank, row.index, cell.box)
            if row is first and not found:
                return None
        places = {(box, row) for _, row, box in found.values()}
        if self._anchor not in found or len(found) < 2 or (len(places) < 2 and first.top is not None):
            return None
        last = max(row for _, row, _ in found.values())
        return Header(last + 1, first.page, {name: box for name, (_, _, box) in found.items()})

    def _anchors(self, cells: Sequence[Cell], sheet: Sheet) -> list[Candidate]:
        found = self._options(self._anchor, cells, sheet) if self._anchor else []
        return [option for option in found if option.weight > -1.0]

    def _options(self, name: str, cells: Sequence[Cell], sheet: Sheet) -> list[Candidate]:
        column, languages = self._columns[name], sheet.number_languages
        return [option for cell in cells for option in candidates(column, cell, languages)]

    def _items(self, header: Header, sheet: Sheet) -> list[Item]:
        items: list[Item] = []
        pending: list[Cell] = []
        since, above = 0, header.first_row
        for row in sheet.rows[header.first_row :]:
            if row.page != header.page or row.index in sheet.table_ends:
                break
            item = self._item(header, row, sheet)
            if item is not None:
                for cells in (other.cells for other in sheet.rows[max(row.index - 1, above) : row.index]):
                    self._complete(item, header, cells, sheet)
                if self._text not in item.values and pending:
                    self._add_text(item, pending[-1])
                items.append(item)
                pending, since, above = [], 0, row.index + 1
                continue
            texts = [cell for cell in self._text_cells(header, row) if not _is_keyed(cell.text)]
            if items and texts and since < CONTINUATION_ROWS and len(row.cells) == len(texts):
                self._add_text(items[-1], texts[0])
                since += 1
                continue
            pending += texts[:1]
            since = CONTINUATION_ROWS
        return _without_notes(header, items)

    def _item(self, header: Header, row: Row, sheet: Sheet) -> Item | None:
        anchor = _under(header.boxes.get(self._anchor or ""), self._anchors(row.cells, sheet))
        if anchor is None or self._anchor is None:
            return None
        item = Item({self._anchor: anchor.value}, [anchor.cell])
        for name in self._typed:
            if name == self._anchor:
                continue
            options = [option for option in self._options(name, row.cells, sheet) if not _overlap(option, anchor)]
            is_factor = {self._columns[name].type, self._columns[self._anchor].type} <= NUMERIC
            box, factor = header.boxes.get(name), _factor(options, anchor) if is_factor else None
            item.adds_up |= factor is not None
            chosen = (_under(box, options) if box else None) or factor
            if chosen is not None:
                item.values[name] = chosen.value
                item.cells.append(chosen.cell)
        for cell in self._text_cells(header, row)[:1]:
            self._add_text(item, cell)
        return item

    def _complete(self, item: Item, header: Header, above: Sequence[Cell], sheet: Sheet) -> None:
        """Take what a row lacks from the line right above it: an amount may stand a little lower than its row."""
        for name, box in header.boxes.items():
            if name in item.values or box is None or name not in self._typed:
                continue
            found = _under(box, self._options(name, above, sheet))
            if found is not None:
                item.values[name] = found.value
                item.cells.append(found.cell)

    def _text_cells(self, header: Header, row: Row) -> list[Cell]:
        """The cells of a row that may hold the text column's value, the likeliest first."""
        if self._text is None:
            return []
        box = header.boxes.get(self._text)
        worded = [cell for cell in row.cells if _letter_count(cell.text) >= 3]
        if box is None:
            return sorted(worded, key=lambda cell: -_letter_count(cell.text))
        others = [other for name, other in header.boxes.items() if other is not None and name != self._text]
        left = max((other[2] for other in others if other[2] <= box[0]), default=0.0)
        right = min((other[0] for other in others if other[0] >= box[2]), default=float("inf"))
        inside = [
            (-overlap(box, cell.box), abs(cell.box[0] - box[0]), cell)
            for cell in worded
            if cell.box and left <= (cell.box[0] + cell.box[2]) / 2 < right
        ]
        return [cell for *_, cell in sorted(inside, key=lambda placed: placed[:2])]

    def _add_text(self, item: Item, cell: Cell) -> None:
        """Add a cell to the row's text. Without a box the cell is a line, whose words between the figures count."""
        if self._text is None:
            return
        text = squeeze(cell.text)
        if cell.box is None:
            words = text.split()
            while words and not any(c.isalpha() for c in words[0]):
                words.pop(0)
            keep = next((i for i, word in enumerate(words) if i and _FIGURE.fullmatch(word)), len(words))
            text = " ".join(words[:keep])
        if text:
            known = item.values.get(self._text)
            item.values[self._text] = f"{known} {text}" if known else text
            item.cells.append(cell)


def _without_notes(header: Header, items: list[Item]) -> list[Item]:
    """Without the rows that lack a value which most rows have: discounts and notes are no rows of their own."""
    for name in header.boxes:
        having = [item for item in items if name in item.values]
        if 2 * len(having) > len(items):
            items = having
    return items


def _under(box: Box | None, options: list[Candidate]) -> Candidate | None:
    """The candidate under a column's label; without boxes the last candidate."""
    if not options:
        return None
    if box is None or options[0].cell.box is None:
        return options[-1]
    near = [
        (min(abs(place[2] - box[2]), abs(place[0] - box[0])), option)
        for option in options
        if (place := option.cell.box) and (overlap(box, place) > 0.0 or abs(place[2] - box[2]) < ALIGNED_WITHIN)
    ]
    return min(near, key=lambda placed: placed[0], default=(0.0, None))[1]


def _factor(options: list[Candidate], product: Candidate) -> Candidate | None:
    """The number that, times another number of the row, gives the amount; of the two a whole number first."""
    total = abs(Decimal(product.value))
    numbers = [(Decimal(option.value), option) for option in options]
    for first, option in numbers:
        for second, other in numbers:
            if option is not other and total and abs(first * second - total) <= Decimal("0.01"):
                is_count = first == first.to_integral_value() or second != second.to_integral_value()
                return option if is_count else other
    return None


def _overlap(option: Candidate, other: Candidate) -> bool:
    return option.cell is other.cell and option.start < other.end and other.start < option.end


def _letter_count(text: str) -> int:
    return sum(c.isalpha() for c in text)


def _is_keyed(text: str) -> bool:
    """Whether a text is a key with its value: a note below a row."""
    head, colon, tail = text.partition(":")
    return bool(colon) and bool(tail.strip()) and len(head.split()) <= 2


def _evidence(item: Item, page: Page) -> Evidence:
    start, end = min(cell.start for cell in item.cells), max(cell.end for cell in item.cells)
    if end - start > MAX_QUOTE_CHARACTERS:
        start, end = item.cells[0].start, item.cells[0].end
    return quoted(page, start, end)
