"""The words of a PDF page with their boxes, through pdfium's C functions.

A page has thousands of characters. Their text is fetched in a single call, their boxes into a single array, and the
rest is array arithmetic. pdfium's loose boxes are as high as the font and as wide as the glyph's advance, so words on a
line have the same height and gaps between letters are comparable.
"""

import ctypes
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from blocks.files.pdf_pages import PageFrame
from blocks.files.unseen_characters import without_unseen
from tasks.extract.reading_order import Boxes
from tasks.extract.right_to_left import runs_right_to_left

MAX_CODE_POINT = 0x10FFFF
LINE_END_HYPHENS = (0x02, 0xFFFE)
"""What pdfium writes for a hyphen at the end of a line, without a space before the next line."""

SPACE_GAP = 0.125
"""Gaps are shares of the height. Within words they were under 0.12 in the invoices and CVs that were measured; spaces
that pdfium misses begin at 0.13."""
SPACED_OUT_GAP = 0.07
SPACE_CONTRAST = 0.15
"""A space is at least this much of the height wider than the usual gap after the same letter, which may overhang."""
LIGATURE = 0.05
"""The letters of a ligature begin at the same place; the gap between them shows nothing of what is usual."""
ENOUGH_GAPS = 8
LINE_JUMP = 0.5
FIRST_RIGHT_TO_LEFT = 0x590
"""Some writers store letters of Hebrew and Arabic as they are seen, from left to right."""
SAMPLED_LETTERS = 24
TURNED = 1.8


@dataclass(frozen=True, slots=True)
class PageWords:
    """Words of a page: texts, boxes on the upright page, and the index of each first character in the text page."""

    texts: list[str]
    boxes: Boxes
    firsts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, wanted: NDArray[np.bool_]) -> "PageWords":
        """The words that are wanted, in the same order."""
        indices = np.flatnonzero(wanted)
        return PageWords([self.texts[index] for index in indices.tolist()], self.boxes[indices], self.firsts[indices])


def text_of(text_page: Any) -> str:
    """The characters of a text page, one for each of its indices."""
    count = max(0, pdfium.FPDFText_CountChars(text_page))
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(text_page, 0, count, buffer)
    text = bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", "replace")
    if len(text) == count:
        return text
    # pdfium omits characters without Unicode, and writes two units for characters beyond U+FFFF.
    codes = (pdfium.FPDFText_GetUnicode(text_page, index) for index in range(count))
    return "".join(
        chr(code) if 0 < code <= MAX_CODE_POINT and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes
    )


def words_of(text_page: Any, frame: PageFrame) -> PageWords:
    """Every word of the page in pdfium's order. Words that pdfium runs together are separated."""
    text = text_of(text_page)
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    is_hyphen = np.isin(codes, LINE_END_HYPHENS)
    in_word = ~_is_space(codes) | is_hyphen
    letters = np.flatnonzero(in_word)
    if len(letters) == 0:
        return PageWords([], np.empty((0, 4)), np.empty(0, np.int64))
    boxes = np.column_stack(frame.place(*_loose_boxes(text_page, letters)))
    # A letter begins another word if characters lie between it and the letter before, or the page shows a gap.
    is_apart = (np.diff(letters) > 1) | is_hyphen[letters[:-1]]
    turns = partial(quarter_turns_of, text_page, frame=frame)
    is_apart |= _shows_gap(letters, codes[letters], boxes, is_apart, turns)
    starts = np.concatenate(([0], np.flatnonzero(is_apart) + 1))
    ends = np.append(starts[1:], len(letters))
    firsts = letters[starts]
    texts = [text[first:end] for first, end in zip(firsts.tolist(), (letters[ends - 1] + 1).tolist(), strict=True)]
    if is_hyphen.any():
        texts = [word.replace("\x02", "-").replace("\ufffe", "-") for word in texts]
    if codes.max() >= FIRST_RIGHT_TO_LEFT:
        is_visual = (boxes[starts, 0] < boxes[ends - 1, 0]).tolist()
        texts = [
            word[::-1] if backwards and runs_right_to_left(word) else word
            for word, backwards in zip(texts, is_visual, strict=True)
        ]
    sides = (
        np.minimum.reduceat(boxes[:, 0], starts),
        np.minimum.reduceat(boxes[:, 1], starts),
        np.maximum.reduceat(boxes[:, 2], starts),
        np.maximum.reduceat(boxes[:, 3], starts),
    )
    return PageWords(texts, np.round(np.column_stack(sides), 1), firsts)


def _loose_boxes(text_page: Any, letters: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Left, bottom, right and top of each letter, in the PDF's coordinates; zeros if pdfium has none, or no numbers."""
    rects = np.zeros((len(letters), 4), np.float32)
    address = rects.ctypes.data
    places = range(address, address + rects.nbytes, 16)
    page = ctypes.cast(text_page, ctypes.c_void_p).value
    deque(map(_GET_LOOSE_BOX, repeat(page), letters.tolist(), places), maxlen=0)
    left, top, right, bottom = np.nan_to_num(rects.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).T
    return left, bottom, right, top


def _is_space(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """White space, controls and non-characters."""
    is_space: NDArray[np.bool_] = (codes <= 0x20) | ((codes >= 0x7F) & (codes <= 0xA0)) | (codes == 0xFFFF)
    if codes.max(initial=0) > 0x1000:
        is_space |= np.isin(codes, _WIDE_SPACES)
    return is_space


def quarter_turns_of(text_page: Any, index: int, frame: PageFrame) -> int:
    """Clockwise quarter turns that put a character upright on the visible page."""
    angle = pdfium.FPDFText_GetCharAngle(text_page, index)
    if not angle >= 0:  # an error, or no number
        return 0
    # pdfium measures against the direction in which the PDF's own axes turn.
    return int(round((2 * math.pi - angle) / (math.pi / 2)) - frame.quarter_turns) % 4


def is_upside_down(text_page: Any, frame: PageFrame) -> bool:
    """Whether most of a sample of the page's letters stand on their heads."""
    count = max(0, pdfium.FPDFText_CountChars(text_page))
    sample = range(0, count, max(1, count // SAMPLED_LETTERS))
    letters = [index for index in sample if pdfium.FPDFText_GetUnicode(text_page, index) > ord(" ")]
    turned = sum(quarter_turns_of(text_page, index, frame) == 2 for index in letters)
    return turned > len(letters) / 2


def without_unseen_characters(words: PageWords) -> tuple[PageWords, str]:
    """The words without characters that no program shows, and what those say."""
    if all(map(str.isascii, words.texts)):
        return words, ""
    parted = [without_unseen(text) for text in words.texts]
    unseen_text = "".join(unseen for _, unseen in parted)
    if not unseen_text:
        return words, ""
    kept = PageWords([seen for seen, _ in parted], words.boxes, words.firsts)
    return kept.where(np.array([bool(seen) for seen, _ in parted])), unseen_text


def _shows_gap(
    letters: NDArray[np.int64],
    codes: NDArray[np.uint32],
    boxes: Boxes,
    is_apart: NDArray[np.bool_],
    quarter_turns: Callable[[int], int],
) -> NDArray[np.bool_]:
    """Whether a gap after each letter but the last ends a word.

    Some writers place words without space characters, so close that pdfium runs them together. A gap ends a word if it
    is wider than the run's other gaps (all gaps of a spaced-out heading are wide), or wider than usual after that
    letter on this page (letters overhang differently). A jump to another line always ends a word.
    """
    heights = boxes[:-1, 3] - boxes[:-1, 1]
    within = np.flatnonzero(~is_apart & (heights > 0))
    found = np.zeros(len(is_apart), np.bool_)
    if len(within) == 0:
        return found
    size = heights[within]
    gaps = (boxes[within + 1, 0] - boxes[within, 2]) / size
    run_of = np.concatenate(([0], np.cumsum(is_apart)))[within]
    own = _quantile_by_group(run_of, gaps, share=3, at_least=3, otherwise=np.zeros(len(gaps)))
    is_ligature = boxes[within + 1, 0] - boxes[within, 0] < LIGATURE * size
    apart = np.where(is_ligature, np.inf, gaps)
    usual = _quantile_by_group(codes[within], apart, share=4, at_least=ENOUGH_GAPS, otherwise=gaps)
    is_gap = (gaps > SPACE_GAP) & (gaps - own > SPACE_GAP)
    is_gap |= (own <= SPACED_OUT_GAP) & (gaps - usual > SPACE_CONTRAST)
    is_gap |= np.abs(boxes[within + 1, 3] - boxes[within, 3]) > LINE_JUMP * size
    here, there = boxes[within], boxes[within + 1]
    overlap = np.minimum(here[:, 2], there[:, 2]) - np.maximum(here[:, 0], there[:, 0])
    is_above = overlap > 0.5 * np.minimum(here[:, 2] - here[:, 0], there[:, 2] - there[:, 0])
    is_turned = _is_turned(boxes, is_apart)[within]
    found[within] = is_gap & ~is_above & ~is_turned
    # Letters above each other are turned text, or a column of single digits.
    for position in within[is_gap & is_above & ~is_turned].tolist():
        found[position] = quarter_turns(int(letters[position])) % 2 == 0
    return found


def _quantile_by_group(
    groups: NDArray[Any], values: NDArray[np.float64], *, share: int, at_least: int, otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each value, the 1/`share` quantile of its group; `otherwise` for groups with fewer than `at_least` values."""
    order = np.lexsort((values, groups))
    ordered = groups[order]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1))
    counts = np.diff(np.append(starts, len(ordered)))
    result = np.empty(len(values))
    result[order] = np.repeat(values[order][starts + counts // share], counts)
    is_small = np.empty(len(values), np.bool_)
    is_small[order] = np.repeat(counts < at_least, counts)
    return np.where(is_small, otherwise, result)


def _is_turned(boxes: Boxes, is_apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a letter is in a run whose letters are above each other."""
    starts = np.concatenate(([0], np.flatnonzero(is_apart) + 1))
    ends = np.append(starts[1:], len(boxes))
    first, last = boxes[starts], boxes[ends - 1]
    across = np.maximum(first[:, 2], last[:, 2]) - np.minimum(first[:, 0], last[:, 0])
    along = np.maximum(first[:, 3], last[:, 3]) - np.minimum(first[:, 1], last[:, 1])
    is_turned = (ends - starts > 2) & (along > TURNED * across)
    return np.repeat(is_turned, ends - starts)[:-1]


def bare(function: Any, result: Any, *arguments: Any) -> Any:
    """A pdfium function that takes bare addresses: making a pointer object for each letter costs more than the call."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ctypes.c_void_p).value or 0)


_WIDE_SPACES = np.array([0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF], np.uint32)
_GET_LOOSE_BOX = bare(pdfium.FPDFText_GetLooseCharBox, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
