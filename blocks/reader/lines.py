"""Pages as rows of cells: what stands side by side, and what stands below what.

With word boxes, a row is a line as the eye sees it, whatever the order of the text in the PDF. Without boxes, a row is
a line of the text, and two blanks or a tab part its cells. A cell's text is literal, contiguous text of its page, so
every value read from a cell can be quoted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from blocks.evidence.grounding import surrounding_box
from blocks.records import Box, Page
from blocks.values.numbers import SPACES

CELL_GAP_HEIGHTS = 0.9
"""The widest gap within a cell, in heights of the line; a blank takes about a third of one."""
MARKED_GAP_HEIGHTS = 2.0
"""The same where the page's text marks gaps between cells by two blanks, and this gap has one."""
BULLETS = frozenset("●•·∙▪|")
BULLET_GAP_HEIGHTS = 2.5
"""The same beside a bullet: it stands between wide blanks, but within its line."""
MAX_LINE_CHARACTERS = 400
"""Longer lines are cut: no label reaches that far, and a megabyte without a line break must not cost more."""

_PIECE = rf"[^\r\n\f\v\u2028]{{1,{MAX_LINE_CHARACTERS}}}"
_LINE = re.compile(rf"{_PIECE}(?!\S)|{_PIECE}")
_CELL = re.compile(rf"\S+(?:[{SPACES}]\S+)*")
_MARKED_ROW = re.compile(r"\s*\|.*\|\s*")
_MARKED_CELL = re.compile(r"[^\s|]+(?:[ \u00a0]+[^\s|]+)*")
"""The row of a table whose cells are parted by upright strokes, as in Markdown, and its cells."""
_GAP = re.compile(r"[^\S\r\n\f]{0,3}")
"""What may stand in a page's text between two words of a cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Text that belongs together: [start, end) in the page's text, `row` its row's index in the document."""

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
            for match in (_MARKED_CELL if _MARKED_ROW.fullmatch(line[0]) else _CELL).finditer(line[0])
        )
        if cells:
            rows.append(Row(index, page.number, cells))
    return rows


@dataclass(slots=True)
class _Band:
    """A row being gathered: its vertical extent, and the indices of its words on the page."""

    top: float
    bottom: float
    words: list[int]


def _boxed_rows(page: Page, first: int) -> list[Row]:
    boxes = page.words.boxes
    rows: list[Row] = []
    for band in sorted(_bands(boxes), key=lambda band: (band.top + band.bottom) / 2):
        index = first + len(rows)
        cells = tuple(_cells(page, sorted(band.words, key=lambda word: boxes[word][0]), index))
        if cells:
            rows.append(Row(index, page.number, cells, band.top))
    return rows


def _bands(boxes: Sequence[Box]) -> list[_Band]:
    order = sorted(range(len(boxes)), key=lambda word: ((boxes[word][1] + boxes[word][3]) / 2, boxes[word][0]))
    heights = [box[3] - box[1] for box in boxes if box[3] > box[1]]
    usual = median(heights) if heights else 10.0
    bands: list[_Band] = []
    for word in order:
        _, top, _, bottom = boxes[word]
        middle, margin = (top + bottom) / 2, 0.1 * usual
        band = next((b for b in reversed(bands[-3:]) if b.top + margin <= middle <= b.bottom - margin), None)
        if band is None:
            bands.append(_Band(top, max(bottom, top + 1), [word]))
            continue
        band.words.append(word)
        if bottom - top < 1.6 * usual:
            band.top, band.bottom = (band.top * 3 + top) / 4, (band.bottom * 3 + bottom) / 4
    return bands


def _cells(page: Page, words: Sequence[int], row: int) -> list[Cell]:
    """The cells of a row; `words` are its words' indices from left to right."""
    runs: list[list[int]] = []
    for word in words:
        if runs and _is_same_cell(page, runs[-1][-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    cells: list[Cell] = []
    for run in runs:
        start, end = page.words.spans[run[0]][0], page.words.spans[run[-1]][1]
        text = page.text[start:end].rstrip()
        if text:
            box = surrounding_box([page.words.boxes[word] for word in run])
            cells.append(Cell(page.number, text, start, start + len(text), row, box))
    return cells


def _is_same_cell(page: Page, left: int, right: int) -> bool:
    (left_start, left_end), (start, _) = page.words.spans[left], page.words.spans[right]
    between = page.text[left_end:start]
    if start < left_end or not _GAP.fullmatch(between):
        return False
    a, b = page.words.boxes[left], page.words.boxes[right]
    allowed = CELL_GAP_HEIGHTS
    if "  " in page.text and between == " ":
        allowed = MARKED_GAP_HEIGHTS
    elif page.text[left_start:left_end] in BULLETS or page.text[start] in BULLETS:
        allowed = BULLET_GAP_HEIGHTS
    return b[0] - a[2] <= allowed * max(a[3] - a[1], b[3] - b[1], 1.0)


def overlap(a: Box, b: Box) -> float:
    """How much of the narrower box's width both share, in [0, 1]."""
    narrower = min(a[2] - a[0], b[2] - b[0])
    shared = min(a[2], b[2]) - max(a[0], b[0])
    return max(0.0, shared / narrower) if narrower > 0 else 0.0
