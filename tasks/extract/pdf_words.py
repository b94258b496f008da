"""The words of a PDF page with their boxes, through pdfium's C functions.

A page has thousands of characters, and each call from Python costs about half a microsecond. So text is fetched in one
call, and a word's box comes from its first and last character: their loose boxes are as high as the font and as wide as
the glyph's advance, so that nothing between them can stand out.
"""

import ctypes
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pypdfium2.raw as pdfium

from tasks.extract.reading_order import PlacedWord

_WORD = re.compile(r"[^\s\x00-\x1f\x7f-\xa0\ufffe\uffff]+[\x02\ufffe]?")
"""pdfium writes U+0002 or U+FFFE for a hyphen at the end of a line, without a space before the next line."""

MAX_CODE_POINT = 0x10FFFF

LONG_WORD = 8
SAMPLED_WORDS = 40
SPACE_GAP = 0.125
"""Gaps as shares of the height. Within words they stay under 0.12 in the invoices and CVs that were measured; spaces
that pdfium misses begin at 0.13."""
NARROW_SPACE_GAP = 0.07
SPACE_CONTRAST = 0.15
"""A space is a fifth of the height or more, also where letters overhang and the gap itself is next to nothing."""
ENOUGH_GAPS = 8

Box = tuple[float, float, float, float]
BoxOf = Callable[[int], Box]
Place = Callable[[float, float, float, float], Box]
Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PageFrame:
    """Where the page that a reader sees lies in the PDF's own coordinates, which go up from the bottom left."""

    left: float
    bottom: float
    right: float
    top: float
    quarter_turns: int

    @property
    def width(self) -> float:
        """Width of the upright page in points."""
        return self.right - self.left if self.quarter_turns % 2 == 0 else self.top - self.bottom

    @property
    def height(self) -> float:
        """Height of the upright page in points."""
        return self.top - self.bottom if self.quarter_turns % 2 == 0 else self.right - self.left

    def place(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """A box of the PDF in points from the top left of the upright page."""
        match self.quarter_turns:
            case 0:
                return left - self.left, self.top - top, right - self.left, self.top - bottom
            case 1:
                return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
            case 2:
                return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
            case _:
                return self.top - top, self.right - right, self.top - bottom, self.right - left


@dataclass(frozen=True, slots=True)
class IndexedWord:
    """A word, its place, and the index of its first character in pdfium's text page."""

    placed: PlacedWord
    first: int

    @property
    def is_tall(self) -> bool:
        """Whether its box is that of turned text: higher than wide, with more than two letters."""
        x0, y0, x1, y1, text = self.placed
        return len(text) > 2 and (y1 - y0) > 1.8 * (x1 - x0)


def frame_of(page: Any) -> PageFrame:
    """The frame of a loaded page: its crop box within its media box, and its rotation."""
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(box))
    return PageFrame(box.left, box.bottom, box.right, box.top, max(0, pdfium.FPDFPage_GetRotation(page)) % 4)


def text_of(text_page: Any, count: int) -> str:
    """The characters of a text page, one for each of its `count` indices."""
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(text_page, 0, count, buffer)
    text = bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", "replace")
    if len(text) == count:
        return text
    # pdfium leaves out characters that have no Unicode, and writes two units for those beyond U+FFFF.
    codes = (pdfium.FPDFText_GetUnicode(text_page, index) for index in range(count))
    return "".join(
        chr(code) if 0 < code <= MAX_CODE_POINT and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes
    )


def words_of(text_page: Any, text: str, frame: PageFrame) -> list[IndexedWord]:
    """Every word of the page in pdfium's order."""
    box_of = _loose_boxes(text_page)
    place = frame.place
    spans = [match.span() for match in _WORD.finditer(text)]
    if _misses_spaces(spans, box_of, place):
        return list(_cut_words(text, spans, box_of, place))
    words: list[IndexedWord] = []
    for first, end in spans:
        left, bottom, right, top = box_of(first)
        if end - first > 1:
            left_2, bottom_2, right_2, top_2 = box_of(end - 1)
            if abs(bottom_2 - bottom) > 0.5 * (top - bottom) and (left_2 >= right or right_2 <= left):
                words += _cut_words(text, ((first, end),), box_of, place)
                continue
            left, bottom = min(left, left_2), min(bottom, bottom_2)
            right, top = max(right, right_2), max(top, top_2)
        words.append(_placed(text[first:end], first, place(left, bottom, right, top)))
    return words


def _placed(raw: str, first: int, box: Box) -> IndexedWord:
    text = raw[:-1] + "-" if raw[-1] in "\x02\ufffe" else raw
    x0, y0, x1, y1 = box
    return IndexedWord((round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1), text), first)


def _misses_spaces(spans: Spans, box_of: BoxOf, place: Place) -> bool:
    """Whether pdfium saw no space where the page shows one, judged by a sample of long words.

    Some writers place words without space characters, so close that pdfium runs them together.
    """
    long = [span for span in spans if span[1] - span[0] >= LONG_WORD]
    sample = long[:: max(1, len(long) // SAMPLED_WORDS)]
    return any(_breaks([place(*box_of(index)) for index in range(*span)]) for span in sample)


def _cut_words(text: str, spans: Spans, box_of: BoxOf, place: Place) -> Iterator[IndexedWord]:
    """The words of `spans`, cut where the page shows a space or goes on to the next line."""
    runs = [(first, text[first:end], [place(*box_of(index)) for index in range(first, end)]) for first, end in spans]
    usual = _usual_gaps(runs)
    for first, letters, boxes in runs:
        for start, stop in pairwise((0, *_breaks(boxes, letters, usual), len(boxes))):
            part = boxes[start:stop]
            left, upper = min(box[0] for box in part), min(box[1] for box in part)
            right, lower = max(box[2] for box in part), max(box[3] for box in part)
            yield _placed(letters[start:stop], first + start, (left, upper, right, lower))


def _usual_gaps(runs: Sequence[tuple[int, str, Sequence[Box]]]) -> dict[str, float]:
    """How far the next letter usually is from each letter, as a share of the height: letters overhang differently."""
    gaps: dict[str, list[float]] = {}
    for _, letters, boxes in runs:
        size = boxes[0][3] - boxes[0][1]
        if size > 0:
            for letter, (before, after) in zip(letters, pairwise(boxes), strict=False):
                gaps.setdefault(letter, []).append((after[0] - before[2]) / size)
    return {letter: sorted(found)[len(found) // 4] for letter, found in gaps.items() if len(found) >= ENOUGH_GAPS}


def _breaks(boxes: Sequence[Box], letters: str = "", usual: Mapping[str, float] = MappingProxyType({})) -> list[int]:
    """Where a run of characters is more than one word: a jump to another line, or a gap that stands out from the run's
    other gaps (wide ones all along are a spaced-out heading) or from what is usual after that letter."""
    size = boxes[0][3] - boxes[0][1]
    if size <= 0 or len(boxes) < 2 or _is_turned(boxes):
        return []
    gaps = [(after[0] - before[2]) / size for before, after in pairwise(boxes)]
    own = sorted(gaps)[len(gaps) // 3] if len(gaps) > 2 else 0.0
    is_spaced_out = own > NARROW_SPACE_GAP
    return [
        index
        for index, gap in enumerate(gaps, 1)
        if (gap > SPACE_GAP and gap - own > SPACE_GAP)
        or (not is_spaced_out and index <= len(letters) and gap - usual.get(letters[index - 1], gap) > SPACE_CONTRAST)
        or abs(boxes[index][3] - boxes[index - 1][3]) > 0.5 * size
    ]


def _is_turned(boxes: Sequence[Box]) -> bool:
    """Whether the letters stand above each other."""
    across = max(boxes[0][2], boxes[-1][2]) - min(boxes[0][0], boxes[-1][0])
    along = max(boxes[0][3], boxes[-1][3]) - min(boxes[0][1], boxes[-1][1])
    return len(boxes) > 2 and along > 1.8 * across


def _loose_boxes(text_page: Any) -> Callable[[int], Box]:
    rect = pdfium.FS_RECTF()
    pointer = ctypes.byref(rect)
    get_box = pdfium.FPDFText_GetLooseCharBox

    def box_of(index: int) -> Box:
        get_box(text_page, index, pointer)
        return rect.left, rect.bottom, rect.right, rect.top

    return box_of
