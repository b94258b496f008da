"""Words to the text of a page: a line per baseline, wide gaps as two spaces, spans into that text.

The engine cuts its lines at columns, which would separate a label from its value and the cells of a table's row. So
lines of the same height are joined, as in the text layer of a PDF.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from statistics import median

from blocks.records import Box, Words
from tasks.extract.ocr.engine import RawWord

_WIDE_GAP_IN_LINE_HEIGHTS = 1.2
_WIDE_GAP_IN_CHARACTERS = 2.0
_SAME_ROW_OVERLAP = 0.5

BULLET = "•"
_READ_FOR_BULLETS = frozenset("•·¢©®«»°*§")


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A page's text and its words, and their confidence weighted by length."""

    text: str
    words: Words
    confidence: float


@dataclass(slots=True)
class _Row:
    top: float
    bottom: float
    words: list[RawWord] = field(default_factory=list)

    @property
    def height(self) -> float:
        return max(1.0, self.bottom - self.top)

    @property
    def character_width(self) -> float:
        return sum(word.x1 - word.x0 for word in self.words) / sum(len(word.text) for word in self.words)


def lay_out(words: Sequence[RawWord], points_per_pixel: float) -> LaidOut:
    """The page of these words. Boxes are in points, rounded to a hundredth."""
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    boxes: list[Box] = []
    confidences: list[float] = []
    length = 0
    for row in _rows(words):
        end_of_previous: int | None = None
        wide_gap = max(row.height * _WIDE_GAP_IN_LINE_HEIGHTS, row.character_width * _WIDE_GAP_IN_CHARACTERS)
        in_order = sorted(row.words, key=lambda w: w.x0)
        for word, following in zip_longest(in_order, in_order[1:]):
            starts_item = end_of_previous is None or word.x0 - end_of_previous > wide_gap
            if end_of_previous is not None:
                pieces.append("  " if starts_item else " ")
            elif pieces:
                pieces.append("\n")
            text = BULLET if starts_item and _is_bullet(word, following) else word.text
            length += len(pieces[-1]) if spans else 0
            spans.append((length, length + len(text)))
            pieces.append(text)
            length += len(text)
            left, top, right, bottom = (
                round(edge * points_per_pixel, 2) for edge in (word.x0, word.y0, word.x1, word.y1)
            )
            boxes.append((left, top, right, bottom))
            confidences.append(round(word.confidence, 3))
            end_of_previous = word.x1
    laid = Words(spans=tuple(spans), boxes=tuple(boxes), confidences=tuple(confidences))
    return LaidOut("".join(pieces), laid, weighted_confidence(words))


def weighted_confidence(words: Sequence[RawWord]) -> float:
    """The mean confidence of the words, weighted by their length; 0 without words."""
    length = sum(len(word.text) for word in words)
    return round(sum(word.confidence * len(word.text) for word in words) / length, 4) if length else 0.0


def _is_bullet(word: RawWord, following: RawWord | None) -> bool:
    """Whether a word at the start of an item is a character that Tesseract often gives for a bullet."""
    return word.text in _READ_FOR_BULLETS and following is not None and following.text[0].isalpha()


def _rows(words: Sequence[RawWord]) -> list[_Row]:
    """The engine's lines, those at one height side by side joined, from top to bottom."""
    lines: defaultdict[tuple[int, int, int], list[RawWord]] = defaultdict(list)
    for word in words:
        lines[word.line].append(word)
    rows: list[_Row] = []
    for line in sorted((_as_row(line) for line in lines.values()), key=lambda row: row.top + row.bottom):
        home = next((row for row in reversed(rows[-6:]) if _beside(row, line)), None)
        if home is None:
            rows.append(line)
        else:
            home.words.extend(line.words)
    return rows


def _as_row(line: list[RawWord]) -> _Row:
    # With the median, a tall bracket or a speck does not move the line.
    return _Row(median(word.y0 for word in line), median(word.y1 for word in line), line)


def _beside(row: _Row, line: _Row) -> bool:
    overlap = min(row.bottom, line.bottom) - max(row.top, line.top)
    if overlap < _SAME_ROW_OVERLAP * max(row.height, line.height):
        return False
    return not any(a.x0 < b.x1 and b.x0 < a.x1 for a in row.words for b in line.words)
