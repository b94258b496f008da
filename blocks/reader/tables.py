"""Table fields: rows under a header whose columns are known by their aliases.

With word boxes a value belongs to the column above it. Without, the last amount of a line is the last money column, and
the number column is the number that, times a price, gives the amount. A line is a row where it has an amount, or a
value of the first typed column where the table has no money.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import median

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import box_of
from blocks.reader.candidates import Candidate, candidates
from blocks.reader.carried_rows import is_carried, without_carried
from blocks.reader.item_names import MAX_LINES, NameColumn, goes_on, without_description
from blocks.reader.lexicon import Lexicon
from blocks.reader.lines import Cell, Row, overlap
from blocks.reader.sheet import Sheet
from blocks.reader.table_rows import Header, Item, evidence_of, letter_count, words_of_line
from blocks.records import Box, FieldReading
from blocks.values.typed_values import NUMERIC, squeeze

HEADER_ROWS = 4
MAX_LABEL_CHARACTERS = 50
"""Longer cells between the rows of a header are sentences, and end it."""
MAX_ROWS_ABOVE = 3
"""How many rows may stand above the first row of a table that goes on from the page before."""
CONTINUATION_ROWS = 2
ALIGNED_WITHIN = 25
"""So many points may a number end left or right of its column's label."""
ROW_ALIGNED, ROW_BY_ORDER, ADDS_UP = 0.75, 0.5, 0.15
"""Confidence of rows with and without word boxes, and what number times price = amount in most rows adds."""


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

    def read(self, sheet: Sheet) -> tuple[FieldReading | None, frozenset[int]]:
        """The table's rows, None where there are none, and the rows of the document that they stand in."""
        headers = list(self._headers(sheet))
        items = [item for header in headers for item in self._items(header, sheet)]
        if self._anchor is not None and self._columns[self._anchor].type is FieldType.MONEY:
            items = without_carried(items, self._text, self._anchor)
        if not items:
            return None, frozenset()
        by_number = {page.number: page for page in sheet.pages}
        values: list[JsonValue] = [{name: item.values.get(name) for name in self._columns} for item in items]
        evidence = tuple(evidence_of(item, by_number[item.cells[0].page]) for item in items)
        confidence = ROW_ALIGNED if all(box for header in headers for box in header.boxes.values()) else ROW_BY_ORDER
        confidence += ADDS_UP if 2 * sum(item.adds_up for item in items) >= len(items) else 0.0
        rows = frozenset(cell.row for item in items for cell in item.cells)
        return FieldReading(value=values, confidence=confidence, evidence=evidence), rows

    def _headers(self, sheet: Sheet) -> Iterator[Header]:
        at = 0
        while at < len(sheet.rows):
            header = self._header(sheet, at)
            if header is not None:
                yield header
            at = header.first_row if header is not None else at + 1

    def _header(self, sheet: Sheet, start: int) -> Header | None:
        """The header that begins at a row: labels of the anchor and of another column in up to four rows."""
        labels: dict[str, list[tuple[float, Cell]]] = defaultdict(list)
        by_number = {page.number: page for page in sheet.pages}
        first = sheet.rows[start]
        for row in sheet.rows[start : start + HEADER_ROWS]:
            if row.page != first.page or self._anchors(row.cells, sheet):
                break
            if row is not first and any(len(cell.text) > MAX_LABEL_CHARACTERS for cell in row.cells):
                break
            for cell in row.cells:
                for label in self._lexicon.find(cell):
                    place = box_of(by_number[cell.page], cell.start + label.start, cell.start + label.end)
                    for meaning in label.meanings:
                        labels[meaning.field].append((meaning.rank, replace(cell, box=place)))
            if row is first and not labels:
                return None
        if self._anchor not in labels or len(labels) < 2:
            return None
        found = _nearest(labels, self._anchor)
        places = {(cell.box, cell.row) for cell in found.values()}
        if len(places) < 2 and first.top is not None:
            return None
        last = max(cell.row for cell in found.values())
        columns = {cell.start: name for name, cell in found.items()}
        order = tuple(columns.get(cell.start) for cell in first.cells) if first.top is None and last == start else ()
        boxes = {name: cell.box for name, cell in found.items()}
        return Header(last + 1, first.page, boxes, order, self._text_offset(found, sheet))

    def _text_offset(self, found: Mapping[str, Cell], sheet: Sheet) -> int:
        """How many lines below the amount's label the text's label stands, where another label is above the text's."""
        if self._text is None or self._anchor is None or self._text not in found:
            return 0
        text, anchor = found[self._text], found[self._anchor]
        above = [cell for row in sheet.rows[anchor.row : text.row] for cell in row.cells]
        is_below = text.box is not None and any(cell.box and overlap(cell.box, text.box) > 0.5 for cell in above)
        return text.row - anchor.row if is_below else 0

    def _anchors(self, cells: Sequence[Cell], sheet: Sheet) -> list[Candidate]:
        found = self._options(self._anchor, cells, sheet) if self._anchor else []
        return [option for option in found if option.weight > -1.0]

    def _options(self, name: str, cells: Sequence[Cell], sheet: Sheet) -> list[Candidate]:
        column = self._columns[name]
        return [option for cell in cells for option in candidates(column, cell, sheet.notation)]

    def _items(self, header: Header, sheet: Sheet) -> list[Item]:
        items: list[Item] = []
        pending: list[Cell] = []
        since, above = 0, header.first_row
        for row in self._body(header, sheet):
            if is_carried(row.text):
                pending, since, above = [], CONTINUATION_ROWS, row.index + 1
                continue
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
                if self._text not in items[-1].values or goes_on(items[-1].values[self._text], texts[0].text):
                    self._add_text(items[-1], texts[0])
                since += 1
                continue
            pending += texts[:1]
            since = CONTINUATION_ROWS
        self._name_by_column(header, items, sheet)
        return self._without_notes(header, items, sheet)

    def _body(self, header: Header, sheet: Sheet) -> Iterator[Row]:
        """The rows below a header. With word boxes the table may go on at the top of the next page."""
        page, items_on_page, misses = header.page, 0, 0
        for row in sheet.rows[header.first_row :]:
            if row.index in sheet.table_ends or (row.index > header.first_row and self._header(sheet, row.index)):
                return
            if row.page != page:
                if row.top is None or not (items_on_page or row.index <= header.first_row + HEADER_ROWS):
                    return
                page, items_on_page, misses = row.page, 0, 0
            is_item = bool(self._item(header, row, sheet))
            misses += not is_item and not items_on_page and page != header.page
            if misses > MAX_ROWS_ABOVE:
                return
            items_on_page += is_item
            yield row

    def _name_by_column(self, header: Header, items: Sequence[Item], sheet: Sheet) -> None:
        """Name the rows anew from the lines of their column, where word boxes show it."""
        box = header.boxes.get(self._text or "")
        if self._text is None or box is None or not items:
            return
        named = [cell.box[0] for item in items for cell in item.texts[:1] if cell.box and overlap(cell.box, box)]
        others = [other[0] for name, other in header.boxes.items() if other is not None and name != self._text]
        end = min((left for left in others if left > box[0]), default=math.inf)
        last = items[-1].row
        after = min((row for row in sheet.table_ends if row > last), default=len(sheet.rows))
        rows = sheet.rows[header.first_row : min(after, last + MAX_LINES + 1)]
        taken = {item.row + header.text_offset for item in items}
        column = NameColumn(rows, sheet.pages, median(named or [box[0]]), end, taken)
        for item in items:
            begins = item.row + header.text_offset
            places = (begins, item.row - 1, begins + 1) if item.is_completed else (begins, begins + 1, item.row - 1)
            at = next((row for row in places if column.line(row) and (row == begins or row not in taken)), None)
            if at is not None:
                cells = column.name(at, taken - {begins})
                item.values[self._text] = without_description(squeeze(" ".join(cell.text for cell in cells)))
                item.texts = cells

    def _item(self, header: Header, row: Row, sheet: Sheet) -> Item | None:
        anchor = _under(header.boxes.get(self._anchor or ""), self._anchors(row.cells, sheet))
        if anchor is None or self._anchor is None:
            return None
        item = Item(row.index)
        parted = self._parted(header, row, anchor, sheet)
        if parted is not None:
            name, number, anchor = parted
            item.take(name, number)
        item.take(self._anchor, anchor)
        for name in self._typed:
            if name == self._anchor or name in item.values:
                continue
            options = [option for option in self._options(name, row.cells, sheet) if not _overlap(option, anchor)]
            is_factor = {self._columns[name].type, self._columns[self._anchor].type} <= NUMERIC
            box, factor = header.boxes.get(name), _factor(options, anchor) if is_factor else None
            item.adds_up |= factor is not None
            chosen = (_under(box, options) if box else self._in_order(header, row, name, sheet)) or factor
            if chosen is not None:
                item.take(name, chosen)
        for cell in self._text_cells(header, row)[:1]:
            self._add_text(item, cell)
        return item

    def _parted(
        self, header: Header, row: Row, anchor: Candidate, sheet: Sheet
    ) -> tuple[str, Candidate, Candidate] | None:
        """A number and the amount, where "2 150.00" in a line of text is more likely both than one amount.

        It is where the line has no other number, and the column of numbers stands before that of the amounts. No other
        cell of the line may be a number: with one of its own, the blank groups thousands.
        """
        numbers = [name for name in self._typed if name in header.boxes and self._columns[name].type in NUMERIC]
        if anchor.cell.box is not None or len(numbers) != 2 or numbers[-1] != self._anchor:
            return None
        beside = [cell for cell in row.cells if cell is not anchor.cell]
        if any(option.quote == option.cell.text for option in self._options(numbers[0], beside, sheet)):
            return None
        options = self._options(numbers[0], [anchor.cell], sheet)
        first = [option for option in options if option.start == anchor.start and option.end < anchor.end]
        others = [option for option in options if option.end <= anchor.start or option.start >= anchor.end]
        amounts = [
            option
            for option in self._options(numbers[1], [anchor.cell], sheet)
            if option.end == anchor.end and option.start > anchor.start
        ]
        return (numbers[0], first[0], amounts[0]) if first and amounts and not others else None

    def _in_order(self, header: Header, row: Row, name: str, sheet: Sheet) -> Candidate | None:
        """The value of a column in text without boxes, where the row has as many cells as the header.

        In a line of a single cell it is the number right before the amount, if there is no other number.
        """
        if len(header.order) == 1 == len(row.cells):
            options = self._options(name, row.cells, sheet)
            before = [option for option in options if option.end < len(row.text.rstrip()) and option.end > 0]
            is_only = len(options) == 2 and len(before) == 1
            between = row.cells[0].text[before[0].end : options[-1].start] if is_only else "-"
            return before[0] if not between.strip() and name in header.boxes else None
        if len(header.order) < 2 or len(row.cells) != len(header.order) or name not in header.order:
            return None
        options = self._options(name, [row.cells[header.order.index(name)]], sheet)
        return options[-1] if options else None

    def _complete(self, item: Item, header: Header, above: Sequence[Cell], sheet: Sheet) -> None:
        """Take what a row lacks from the line right above it: an amount may stand a little lower than its row."""
        for name, box in header.boxes.items():
            if name in item.values or box is None or name not in self._typed:
                continue
            found = _under(box, self._options(name, above, sheet))
            if found is not None:
                item.take(name, found)
                item.is_completed = True

    def _text_cells(self, header: Header, row: Row) -> list[Cell]:
        """The cells of a row that may hold the text column's value, the likeliest first."""
        if self._text is None:
            return []
        box = header.boxes.get(self._text)
        worded = [cell for cell in row.cells if letter_count(cell.text) >= 3]
        if box is None:
            if len(row.cells) == len(header.order) > 1 and self._text in header.order:
                return [row.cells[header.order.index(self._text)]]
            return sorted(worded, key=lambda cell: -letter_count(cell.text))
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
        """Add a cell to the row's text."""
        if self._text is None:
            return
        text = words_of_line(item, cell) if cell.box is None and cell in item.cells else squeeze(cell.text)
        if text:
            known = item.values.get(self._text)
            item.values[self._text] = f"{known} {text}" if known else text
            item.texts.append(cell)

    def _without_notes(self, header: Header, items: list[Item], sheet: Sheet) -> list[Item]:
        """Without the rows that lack a value which most rows have: discounts and notes are no rows of their own.

        They are rows where the amounts of all rows, and not those of the others, add up to an amount below the table.
        """
        kept = items
        for name in header.boxes:
            having = [item for item in kept if name in item.values]
            if 2 * len(having) > len(kept):
                kept = having
        is_money = self._anchor is not None and self._columns[self._anchor].type is FieldType.MONEY
        if len(kept) == len(items) or not is_money or self._anchor is None:
            return kept
        if any(Decimal(item.values[self._anchor]) <= 0 for item in items if item not in kept):
            return kept
        below = [cell for row in sheet.rows[items[-1].row + 1 :] for cell in row.cells]
        printed = {Decimal(option.value) for option in self._options(self._anchor, below, sheet)}
        all_rows, others = (sum(Decimal(i.values[self._anchor]) for i in some) for some in (items, kept))
        return items if all_rows in printed and others not in printed else kept


def _nearest(labels: Mapping[str, Sequence[tuple[float, Cell]]], anchor: str) -> dict[str, Cell]:
    """The best label of each column, among equals the one closest to the row of the anchor's label."""
    row = min(labels[anchor], key=lambda ranked: ranked[0])[1].row
    return {
        name: min(ranked, key=lambda label: (label[0], abs(label[1].row - row)))[1] for name, ranked in labels.items()
    }


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


def _is_keyed(text: str) -> bool:
    """Whether a text is a key with its value: a note below a row."""
    head, colon, tail = text.partition(":")
    return bool(colon) and bool(tail.strip()) and len(head.split()) <= 2
