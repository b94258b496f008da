"""Words with boxes to lines of text, as a reader goes: lines from top to bottom, words on one baseline together.

A label and its value, or the cells of a table's row, stay on one line, two spaces apart, however the file orders them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

PlacedWord = tuple[float, float, float, float, str]
"""x0, y0, x1, y1 in points from the page's top left, and the word."""

BASELINE_SHARE = 0.2
"""How much of a line's height lies below the baseline (descenders), in most fonts."""

SAME_LINE = 0.3
"""Baselines closer than this share of the smaller height are one: sub-pixel shifts and typed-in values, but no line
above, which is a whole height away."""

WIDE_GAP = 1.0
"""A gap wider than this many heights separates cells; a space between words is a quarter to a third of one."""


@dataclass(slots=True)
class Laid:
    """A page's words in reading order: the text, and the span and box of each word."""

    text: str = ""
    spans: list[tuple[int, int]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def append(
        self, text: str, spans: Sequence[tuple[int, int]], boxes: Sequence[tuple[float, float, float, float]]
    ) -> None:
        """Add lines below, with the spans of their words within `text`."""
        if self.text:
            self.text += "\n"
        start = len(self.text)
        self.text += text
        self.spans += [(start + first, start + end) for first, end in spans]
        self.boxes += boxes


@dataclass(slots=True)
class _Line:
    baseline: float
    height: float
    words: list[PlacedWord]


def lay_out(words: Sequence[PlacedWord]) -> Laid:
    """The words as lines of text."""
    laid = Laid()
    pieces: list[str] = []
    position = 0
    for line in _lines(words):
        if pieces:
            pieces.append("\n")
            position += 1
        line.words.sort()
        end_of_last: float | None = None
        for x0, y0, x1, y1, text in line.words:
            if end_of_last is not None:
                gap = x0 - end_of_last
                space = "  " if gap > WIDE_GAP * line.height else " "
                pieces.append(space)
                position += len(space)
            pieces.append(text)
            laid.spans.append((position, position + len(text)))
            laid.boxes.append((x0, y0, x1, y1))
            position += len(text)
            end_of_last = x1 if end_of_last is None else max(end_of_last, x1)
    laid.text = "".join(pieces)
    return laid


def _lines(words: Sequence[PlacedWord]) -> list[_Line]:
    """Words by baseline, from the top. A line's baseline is that of its first word, so that it cannot drift."""
    placed = sorted((word[3] - BASELINE_SHARE * (word[3] - word[1]), word) for word in words)
    lines: list[_Line] = []
    for baseline, word in placed:
        height = word[3] - word[1]
        for line in reversed(lines[-3:]):
            if abs(baseline - line.baseline) <= SAME_LINE * min(height, line.height):
                line.words.append(word)
                break
        else:
            lines.append(_Line(baseline, height, [word]))
    return lines
