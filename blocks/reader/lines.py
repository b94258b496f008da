"""Pages as rows of cells: what stands side by side, what stands below what.

With word boxes, rows are what the eye sees as one line, whatever the order in which a PDF holds its text; without,
rows are the lines of the text and cells what two blanks or a tab part. A cell's text is always literal, contiguous
text of its page, so that whatever is read out of a cell can be quoted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from blocks.records import Box, Page

CELL_GAP_HEIGHTS = 0.9
"""Words further apart than this share of the line's height belong to two cells; a blank is about a third of it."""

MARKED_GAP_HEIGHTS = 2.0
"""The same where the page's text marks its gaps by two blanks, so that one blank says that words belong together."""
BULLETS = frozenset("●•·∙▪|")
BULLET_GAP_HEIGHTS = 2.5
"""A bullet parts a line of text, and stands in it with wide blanks: it joins what is on either side."""

LONGEST_LINE = 400
"""Longer lines are taken in pieces: no label reaches that far, and a megabyte without a line break costs no more."""

_LINE = re.compile(rf"[^\r\n\f\v\u2028]{{1,{LONGEST_LINE}}}(?![^\s])|[^\r\n\f\v\u2028]{{1,{LONGEST_LINE}}}")
_CELL = re.compile(r"\S+(?:[ \u00a0]\S+)*")


@dataclass(frozen=True, slots=True)
class Cell:
    """Text that stands together: [start, end) in the page's text, `row` its row's index in the document."""

    page: int
    text: str
    start: int
    end: int
    row: int
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line as the eye sees it. `index` counts from 0 through the document; `top` is None without boxes."""

    index: int
    page: int
    cells: tuple[Cell, ...]
    top: float | None = None
    bottom: float | None = None

    @property
    def text(self) -> str:
        """The cells' texts, two blanks between two."""
        return "  ".join(cell.text for cell in self.cells)


def read_rows(pages: Sequence[Page]) -> tuple[Row, ...]:
    """The rows of all pages, in reading order."""
    rows: list[Row] = []
    for page in pages:
        rows.extend(_boxed_rows(page, len(rows)) if page.words.boxes else _text_rows(page, len(rows)))
    return tuple(rows)


def _text_rows(page: Page, first: int) -> list[Row]:
    rows: list[Row] = []
    for line in _LINE.finditer(page.text):
        index = first + len(rows)
        cells = tuple(
            Cell(page.number, match[0], line.start() + match.start(), line.start() + match.end(), index)
            for match in _CELL.finditer(line[0])
        )
        if cells:
            rows.append(Row(index, page.number, cells))
    return rows


@dataclass(slots=True)
class _Band:
    """Words being gathered into a row: indices into the page's words."""

    top: float
    bottom: float
    words: list[int]


def _boxed_rows(page: Page, first: int) -> list[Row]:
    boxes = page.words.boxes
    order = sorted(range(len(boxes)), key=lambda i: ((boxes[i][1] + boxes[i][3]) / 2, boxes[i][0]))
    heights = [box[3] - box[1] for box in boxes if box[3] > box[1]]
    usual = median(heights) if heights else 10.0
    bands: list[_Band] = []
    for index in order:
        _x0, y0, _x1, y1 = boxes[index]
        middle = (y0 + y1) / 2
        band = next((b for b in reversed(bands[-3:]) if b.top + 0.1 * usual <= middle <= b.bottom - 0.1 * usual), None)
        if band is None:
            bands.append(_Band(y0, max(y1, y0 + 1), [index]))
        else:
            band.words.append(index)
            if y1 - y0 < 1.6 * usual:
                band.top, band.bottom = (band.top * 3 + y0) / 4, (band.bottom * 3 + y1) / 4
    rows: list[Row] = []
    for band in sorted(bands, key=lambda b: (b.top + b.bottom) / 2):
        index = first + len(rows)
        cells = tuple(_cells(page, sorted(band.words, key=lambda i: boxes[i][0]), index))
        if cells:
            rows.append(Row(index, page.number, cells, band.top, band.bottom))
    return rows


def _cells(page: Page, words: list[int], row: int) -> list[Cell]:
    spans, boxes = page.words.spans, page.words.boxes
    cells: list[Cell] = []
    run: list[int] = []

    def close() -> None:
        if run:
            start, end = spans[run[0]][0], spans[run[-1]][1]
            text = page.text[start:end].rstrip()
            if text:
                cells.append(
                    Cell(page.number, text, start, start + len(text), row, surrounding([boxes[i] for i in run]))
                )
        run.clear()

    for index in words:
        if run and not _continues(page, run[-1], index):
            close()
        run.append(index)
    close()
    return cells


def _continues(page: Page, left: int, right: int) -> bool:
    (_, end), (start, _) = page.words.spans[left], page.words.spans[right]
    between = page.text[end:start]
    if start < end or between.strip() or "\n" in between or "\r" in between or "\f" in between or len(between) > 3:
        return False
    a, b = page.words.boxes[left], page.words.boxes[right]
    if "  " in page.text and between == " ":
        return b[0] - a[2] <= MARKED_GAP_HEIGHTS * max(a[3] - a[1], b[3] - b[1], 1.0)
    is_beside_bullet = page.text[slice(*page.words.spans[left])] in BULLETS or page.text[start] in BULLETS
    allowed = BULLET_GAP_HEIGHTS if is_beside_bullet else CELL_GAP_HEIGHTS
    return b[0] - a[2] <= allowed * max(a[3] - a[1], b[3] - b[1], 1.0)


def surrounding(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of `boxes`, of which there is at least one."""
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


def overlap(a: Box, b: Box) -> float:
    """How much of the narrower box's width both share, in [0, 1]."""
    narrower = min(a[2] - a[0], b[2] - b[0])
    shared = min(a[2], b[2]) - max(a[0], b[0])
    return max(0.0, shared / narrower) if narrower > 0 else 0.0
