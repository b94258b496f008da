"""Table fields: rows under a header whose columns are known by their aliases.

With boxes a value belongs to the column that it stands under; without, a line's last amount is the last money column,
and the number that makes it with a price is the number column. A row needs an amount, or the first typed column when
the table has no money, to count as a row.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import quoted
from blocks.reader.candidates import Candidate, candidates
from blocks.reader.lexicon import Lexicon
from blocks.reader.lines import Cell, Row, overlap
from blocks.records import Box, Evidence, FieldReading, Page
from blocks.values.typed_values import squeeze

HEADER_ROWS = 4
CONTINUATION_ROWS = 2
_FIGURE = re.compile(r"[€$£]?[-(]?\d[\d.,]*[)%€$£]*")
MAX_QUOTE_CHARACTERS = 900
ROW_ALIGNED, ROW_BY_ORDER, BORNE_OUT = 0.75, 0.5, 0.15
"""Confidence of rows by how they were read, and what number x price = amount in most rows adds."""


@dataclass(slots=True)
class Header:
    """Where a table's columns stand: the row after the header, and the box of each column's label."""

    first_row: int
    page: int
    boxes: dict[str, Box | None]


@dataclass(slots=True)
class Item:
    """A row being read: its values and the cells that they come from."""

    values: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    is_borne_out: bool = False


class TableReader:
    """Reads one table field of one type version."""

    def __init__(self, table: DocumentField) -> None:
        self._columns = table.columns
        self._lexicon = Lexicon(DocumentType(name="columns", title="", fields=table.columns))
        typed = [name for name, column in table.columns.items() if column.type is not FieldType.TEXT]
        money = [name for name in typed if table.columns[name].type is FieldType.MONEY]
        self._anchor = money[-1] if money else typed[0] if typed else None
        self._texts = [name for name, column in table.columns.items() if column.type is FieldType.TEXT]

    def read(
        self, rows: tuple[Row, ...], ends: frozenset[int], pages: tuple[Page, ...], languages: tuple[str, ...]
    ) -> FieldReading | None:
        """The table's rows, or None.

        `ends` are the indices of rows that a table does not reach beyond, `languages` those by which numbers are read.
        """
        items: list[Item] = []
        has_boxes = True
        for header in self._headers(rows, languages):
            has_boxes = has_boxes and all(header.boxes.values())
            items.extend(self._items(header, rows, ends, languages))
        if not items:
            return None
        by_number = {page.number: page for page in pages}
        values: list[JsonValue] = [{name: item.values.get(name) for name in self._columns} for item in items]
        evidence = tuple(_evidence(item, by_number[item.cells[0].page]) for item in items)
        sure = ROW_ALIGNED if has_boxes else ROW_BY_ORDER
        sure += BORNE_OUT if 2 * sum(item.is_borne_out for item in items) >= len(items) else 0.0
        return FieldReading(value=values, confidence=sure, evidence=evidence)

    def _headers(self, rows: tuple[Row, ...], languages: tuple[str, ...]) -> Iterator[Header]:
        at = 0
        while at < len(rows):
            header = self._header(rows, at, languages)
            if header is None:
                at += 1
                continue
            yield header
            at = header.first_row

    def _header(self, rows: tuple[Row, ...], start: int, languages: tuple[str, ...]) -> Header | None:
        found: dict[str, tuple[float, int, Box | None]] = {}
        for row in rows[start : start + HEADER_ROWS]:
            if row.page != rows[start].page or self._has_anchor(row, languages):
                break
            for cell in row.cells:
                for label in self._lexicon.find(cell):
                    for meaning in label.meanings:
                        known = found.get(meaning.field)
                        if known is None or meaning.rank < known[0]:
                            found[meaning.field] = (meaning.rank, row.index, cell.box)
            if row.index == start and not found:
                return None
        taken = {(box, row) for _, row, box in found.values()}
        if self._anchor not in found or len(found) < 2 or (len(taken) < 2 and rows[start].top is not None):
            return None
        last = max(row for _, row, _ in found.values())
        return Header(last + 1, rows[start].page, {name: box for name, (_, _, box) in found.items()})

    def _has_anchor(self, row: Row, languages: tuple[str, ...]) -> bool:
        return any(one.weight > -1.0 for cell in row.cells for one in self._typed(self._anchor, cell, languages))

    def _typed(self, name: str | None, cell: Cell, languages: tuple[str, ...]) -> list[Candidate]:
        return candidates(self._columns[name], cell, languages) if name else []

    def _items(
        self, header: Header, rows: tuple[Row, ...], ends: frozenset[int], languages: tuple[str, ...]
    ) -> list[Item]:
        items: list[Item] = []
        pending: list[Cell] = []
        since, above = 0, header.first_row
        for row in rows[header.first_row :]:
            if row.page != header.page or row.index in ends:
                break
            item = self._item(header, row, languages)
            if item is not None:
                self._complete(item, header, rows[max(row.index - 1, above) : row.index], languages)
                if not any(name in item.values for name in self._texts) and pending:
                    self._name(item, pending[-1])
                items.append(item)
                pending, since, above = [], 0, row.index + 1
                continue
            names = [cell for cell in self._name_cells(header, row) if not _is_keyed(cell.text)]
            if items and names and since < CONTINUATION_ROWS and len(row.cells) == len(names):
                self._name(items[-1], names[0])
                since += 1
                continue
            if names:
                pending.append(names[0])
            since = CONTINUATION_ROWS
        return self._whole(header, items)

    def _whole(self, header: Header, items: list[Item]) -> list[Item]:
        """Without the rows that lack what most have: discounts and notes are no rows of their own."""
        for name in header.boxes:
            having = [item for item in items if name in item.values]
            if 2 * len(having) > len(items):
                items = having
        return items

    def _item(self, header: Header, row: Row, languages: tuple[str, ...]) -> Item | None:
        numbers = [one for cell in row.cells for one in self._typed(self._anchor, cell, languages)]
        anchor = _under(header.boxes.get(self._anchor or ""), [one for one in numbers if one.weight > -1.0])
        if anchor is None or self._anchor is None:
            return None
        item = Item({self._anchor: anchor.value}, [anchor.cell])
        for name, column in self._columns.items():
            if name == self._anchor or column.type is FieldType.TEXT:
                continue
            options = [
                one for cell in row.cells for one in self._typed(name, cell, languages) if not _same_place(one, anchor)
            ]
            box = header.boxes.get(name)
            chosen = _under(box, options) if box else None
            factor = _factor(options, anchor)
            item.is_borne_out |= factor is not None
            chosen = chosen or factor
            if chosen is not None:
                item.values[name] = chosen.value
                item.cells.append(chosen.cell)
        names = self._name_cells(header, row)
        if names:
            self._name(item, names[0])
        return item

    def _complete(self, item: Item, header: Header, above: tuple[Row, ...], languages: tuple[str, ...]) -> None:
        """Take what a row lacks from the row right above it: an amount may stand a little lower than its row."""
        for row in above:
            for name, box in header.boxes.items():
                if name in item.values or box is None or self._columns[name].type is FieldType.TEXT:
                    continue
                found = _under(box, [one for cell in row.cells for one in self._typed(name, cell, languages)])
                if found is not None:
                    item.values[name] = found.value
                    item.cells.append(found.cell)

    def _name_cells(self, header: Header, row: Row) -> list[Cell]:
        if not self._texts:
            return []
        box = header.boxes.get(self._texts[0])
        worded = [cell for cell in row.cells if _letters(cell.text) >= 3]
        if box is None:
            return sorted(worded, key=lambda cell: -_letters(cell.text))
        others = [other for name, other in header.boxes.items() if other is not None and name != self._texts[0]]
        left = max((other[2] for other in others if other[2] <= box[0]), default=0.0)
        right = min((other[0] for other in others if other[0] >= box[2]), default=float("inf"))
        inside = [cell for cell in worded if cell.box and left <= (cell.box[0] + cell.box[2]) / 2 < right]
        return sorted(inside, key=lambda cell: (-overlap(box, cell.box or box), abs((cell.box or box)[0] - box[0])))

    def _name(self, item: Item, cell: Cell) -> None:
        text = squeeze(cell.text)
        if cell.box is None:
            words = text.split()
            while words and not any(c.isalpha() for c in words[0]):
                words.pop(0)
            keep = next((i for i, word in enumerate(words) if i and _FIGURE.fullmatch(word)), len(words))
            text = " ".join(words[:keep])
        if text:
            known = item.values.get(self._texts[0])
            item.values[self._texts[0]] = f"{known} {text}" if known else text
            item.cells.append(cell)


def _under(box: Box | None, options: list[Candidate]) -> Candidate | None:
    """The candidate that stands under a column's label; without boxes the last one."""
    if not options:
        return None
    if box is None or options[0].cell.box is None:
        return options[-1]
    near = [
        one
        for one in options
        if one.cell.box and (overlap(box, one.cell.box) > 0.0 or abs(one.cell.box[2] - box[2]) < 25)
    ]
    return min(
        near,
        key=lambda one: min(abs((one.cell.box or box)[2] - box[2]), abs((one.cell.box or box)[0] - box[0])),
        default=None,
    )


def _factor(options: list[Candidate], product: Candidate) -> Candidate | None:
    """The number that gives the amount when multiplied with another number of the row."""
    total = abs(Decimal(product.value))
    for first in options:
        for other in options:
            if (
                first is not other
                and total
                and abs(Decimal(first.value) * Decimal(other.value) - total) <= Decimal("0.01")
            ):
                is_count = Decimal(first.value) == Decimal(first.value).to_integral_value()
                return first if is_count or Decimal(other.value) != Decimal(other.value).to_integral_value() else other
    return None


def _same_place(one: Candidate, other: Candidate) -> bool:
    return one.cell is other.cell and one.start < other.end and other.start < one.end


def _letters(text: str) -> int:
    return sum(c.isalpha() for c in text)


def _is_keyed(text: str) -> bool:
    head, colon, tail = text.partition(":")
    return bool(colon) and bool(tail.strip()) and len(head.split()) <= 2


def _evidence(item: Item, page: Page) -> Evidence:
    start, end = min(cell.start for cell in item.cells), max(cell.end for cell in item.cells)
    if end - start > MAX_QUOTE_CHARACTERS:
        start, end = item.cells[0].start, item.cells[0].end
    return quoted(page, start, end)
