"""The names of a table's rows, from the lines of their column.

A name may be wrapped into several lines, and a description may stand below it. A line is the rest of a wrapped name
where its first word had no room left in the line above it, as a typesetter breaks lines.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from blocks.evidence.grounding import words_under
from blocks.reader.lines import Cell, Row
from blocks.records import Page

ALIGNED_WITHIN = 6.0
"""How many points the lines of a column may begin apart."""
ROOM_SHARE = 0.25
"""The share of a column's width that may stay empty though the next word would nearly fit."""
MAX_LINES = 6
BLANK_HEIGHTS = 0.3
MAX_BESIDE = 30.0
"""How far a line may reach into the next column, in points; a longer one is a note across the table."""
MAX_GAP_HEIGHTS = 1.0
_KEYED = re.compile(r"[\w.-]+(?: [\w.-]+)?\s?:")
_NAMED = re.compile(r"(?<=[\w)]):(?=\s*$|\s+[^\W\d_])")
"""A colon between a name and its description, but not between a key and a code."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the name column: its words as a cell, and the width of its first word."""

    cell: Cell
    left: float
    right: float
    top: float
    bottom: float
    first_width: float

    @property
    def height(self) -> float:
        """The height of its letters."""
        return self.bottom - self.top


class NameColumn:
    """The column of names of one table with word boxes: from `left` to the next column, which begins at `end`.

    `begins` are the rows in which names may begin; the longest line from there on shows how wide the column is.
    """

    def __init__(
        self, rows: Sequence[Row], pages: Sequence[Page], left: float, end: float, begins: Collection[int]
    ) -> None:
        self._pages = {page.number: page for page in pages}
        self._left = left
        self._end = end
        self._lines = {row.index: line for row in rows if (line := self._line(row)) is not None}
        chains = (chain for row in begins for chain in self._chain(row))
        self._limit = max((line.right for line in chains), default=end)

    def line(self, row: int) -> Line | None:
        """The line of the column in a row."""
        line = self._lines.get(row)
        return line if line is not None and any(c.isalpha() for c in line.cell.text) else None

    def _chain(self, row: int) -> Iterator[Line]:
        """The lines that follow each other from a row on."""
        while (line := self._lines.get(row)) is not None:
            yield line
            row += 1

    def name(self, row: int, others: Collection[int]) -> list[Cell]:
        """The lines of the name that begins in a row; those of the rows in `others` belong to other names."""
        line = self._lines.get(row)
        cells: list[Cell] = []
        while line is not None and len(cells) < MAX_LINES:
            cells.append(line.cell)
            row += 1
            following = None if row in others else self._lines.get(row)
            line = following if following is not None and self._is_wrapped(line, following) else None
        return cells

    def _is_wrapped(self, line: Line, following: Line) -> bool:
        gap = following.top - line.bottom
        if gap > MAX_GAP_HEIGHTS * line.height:
            return False
        if line.cell.text.endswith((":", "-")):
            return True
        if _KEYED.match(following.cell.text) or not any(c.isalpha() for c in following.cell.text):
            return False
        needed = line.right + BLANK_HEIGHTS * line.height + following.first_width
        return needed > self._limit - ROOM_SHARE * (self._limit - self._left)

    def _line(self, row: Row) -> Line | None:
        for cell in row.cells:
            if cell.box is None or cell.box[2] <= self._left or cell.box[0] >= self._end:
                continue
            page = self._pages[cell.page]
            words = [
                word
                for word in words_under(page, cell.start, cell.end)
                if self._left - ALIGNED_WITHIN < page.words.boxes[word][0] < self._end
            ]
            if not words or abs(page.words.boxes[words[0]][0] - self._left) > ALIGNED_WITHIN:
                continue
            first, last = page.words.boxes[words[0]], page.words.boxes[words[-1]]
            start, end = page.words.spans[words[0]][0], page.words.spans[words[-1]][1]
            text = page.text[start:end]
            if last[2] > self._end or cell.box[2] - last[2] > MAX_BESIDE:
                return None
            part = Cell(cell.page, text, start, end, cell.row, (first[0], first[1], last[2], last[3]))
            return Line(part, first[0], last[2], first[1], first[3], first[2] - first[0])
        return None


def goes_on(text: str, following: str) -> bool:
    """Whether the next line of a text without boxes belongs to a name: it begins small, or the name ends openly."""
    return following.strip()[:1].islower() or text.strip().endswith(("-", ",", "&", "/", "("))


def without_description(name: str) -> str:
    """The name before a colon that parts it from its description."""
    head = _NAMED.split(name, maxsplit=1)[0].strip()
    return head if sum(c.isalpha() for c in head) >= 3 else name
