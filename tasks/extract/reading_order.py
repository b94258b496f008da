"""Words with boxes to lines of text in reading order: lines from top to bottom, words on the same baseline together.

A label and its value, or the cells of a table's row, are on the same line, two spaces apart, in whatever order the file
has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.extract.right_to_left import in_reading_order, runs_right_to_left

Boxes = NDArray[np.float64]
"""A row per word: x0, y0, x1, y1 in points from the page's top left."""

BASELINE_SHARE = 0.2
"""The share of a line's height below the baseline (descenders), in most fonts."""

SAME_LINE = 0.3
"""Baselines closer than this share of the smaller height are on the same line. Values typed into a form are shifted a
little; the line above is a full height away."""

WIDE_GAP = 1.0
"""A gap wider than this many heights separates cells; a space between words has a quarter to a third of a height."""


@dataclass(slots=True)
class Laid:
    """A page's words in reading order: the text, and the span and box of each word."""

    text: str = ""
    spans: list[list[int]] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)

    def append(self, text: str, spans: Sequence[Sequence[int]], boxes: Sequence[list[float]]) -> None:
        """Add lines below, with the spans of their words within `text`."""
        if self.text:
            self.text += "\n"
        start = len(self.text)
        self.text += text
        self.spans += [[start + first, start + end] for first, end in spans]
        self.boxes += boxes


def lay_out(texts: Sequence[str], boxes: Boxes) -> Laid:
    """The words as lines of text."""
    if not texts:
        return Laid()
    heights = boxes[:, 3] - boxes[:, 1]
    line_of, line_heights = _lines(boxes[:, 3] - BASELINE_SHARE * heights, heights)
    order = np.lexsort((boxes[:, 0], line_of))
    boxes, line_of = boxes[order], line_of[order]
    starts_line = np.diff(line_of) != 0
    is_wide = boxes[1:, 0] - boxes[:-1, 2] > WIDE_GAP * line_heights[line_of[1:]]
    if runs_right_to_left("".join(texts)):
        read = _bidirectional([texts[index] for index in order.tolist()], line_of)
        order, boxes = order[read], boxes[read]
        is_wide = _gaps(boxes) > WIDE_GAP * line_heights[line_of[1:]]
    # After each word but the last: 0 a space, 1 two spaces, 2 a new line.
    after = np.where(starts_line, 2, is_wide)
    words = [texts[index] for index in order.tolist()]
    gaps = [_GAPS[kind] for kind in after.tolist()]
    pieces = [""] * (2 * len(words) - 1)
    pieces[::2], pieces[1::2] = words, gaps
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    starts = np.zeros(len(words), np.int64)
    np.cumsum(lengths[:-1] + np.where(after == 1, 2, 1), out=starts[1:])
    return Laid("".join(pieces), np.column_stack((starts, starts + lengths)).tolist(), boxes.tolist())


_GAPS = (" ", "  ", "\n")


def _bidirectional(words: Sequence[str], line_of: NDArray[np.int64]) -> list[int]:
    """The places of the words, line by line in the order in which each line is read."""
    starts = [0, *(np.flatnonzero(np.diff(line_of)) + 1).tolist(), len(words)]
    return [start + place for start, end in pairwise(starts) for place in in_reading_order(words[start:end])]


def _gaps(boxes: Boxes) -> NDArray[np.float64]:
    """The gap between each word and the next, on whichever side of it the next is."""
    gaps: NDArray[np.float64] = np.maximum(boxes[1:, 0] - boxes[:-1, 2], boxes[:-1, 0] - boxes[1:, 2])
    return gaps


def _lines(
    baselines: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The line of each word, counted from the top, and the height of each line.

    A line's baseline and height are those of its first word, so that the line cannot drift down the page.
    """
    order = np.argsort(baselines, kind="stable")
    line_of = np.empty(len(baselines), np.int64)
    found: list[tuple[float, float]] = []
    numbers: list[int] = []
    for baseline, height in zip(baselines[order].tolist(), heights[order].tolist(), strict=True):
        for number in range(len(found) - 1, max(-1, len(found) - 4), -1):
            line_baseline, line_height = found[number]
            if baseline - line_baseline <= SAME_LINE * (height if height < line_height else line_height):
                numbers.append(number)
                break
        else:
            numbers.append(len(found))
            found.append((baseline, height))
    line_of[order] = numbers
    return line_of, np.array([height for _, height in found])
