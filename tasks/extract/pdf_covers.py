"""Finds suspects: words of a PDF page that may be painted over, in the colour of their background, or clipped.

Drawing a page takes longer than all other work on it. So only a page with suspects is drawn, and the drawn page decides
whether a reader sees them. It cannot decide on a word that is painted over and has another written in its place: there
is something to see. Such a word is hidden without a look.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from blocks.files.pdf_pages import PageFrame
from tasks.extract.pdf_words import PageWords, bare

MIN_SIDE_PT = 3.0
"""Rules and underlines are thinner, and hide nothing."""
SAME_INK = 48
"""A word is a suspect if its gray differs by less than this from what is painted behind it."""
EXAMINED = 250
"""How many objects are examined at the page's start, and at its end: some pages have an object for each letter. What is
under all text comes first, and what is over it comes last."""
MAX_IN_FORM = 1_000
MAX_DEPTH = 4
MAX_PAIRS = 4_000_000
OPAQUE_ALPHA = 200
REPLACED_SHARE = 0.3
"""Letters of another word on a third of a word's box: nobody could read both."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Cover:
    """An object that covers an area: its box on the upright page, its position among the page's objects, its gray, and
    whether what is behind it can be seen."""

    box: Box
    turn: int
    ink: int | None
    is_sheer: bool = False


def covered_words(
    page: Any, words: PageWords, objects: Sequence[int | None], ink_of: Callable[[int], int], frame: PageFrame
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each word is a suspect, and whether another is written in its place.

    `objects` has the text object of each word, `ink_of` gives an object's gray.
    """
    suspects, replaced = _clipped(words, objects, frame), np.zeros(len(words), np.bool_)
    address = ctypes.c_void_p(ctypes.cast(page, ctypes.c_void_p).value)
    count = max(0, _COUNT(address))
    places = range(count) if count <= 2 * EXAMINED else [*range(EXAMINED), *range(count - EXAMINED, count)]
    drawn = list(map(_OBJECT, repeat(address), places))
    kinds = list(map(_KIND, drawn))
    covers = [
        cover
        for found, kind, turn in zip(drawn, kinds, places, strict=True)
        if kind != pdfium.FPDF_PAGEOBJ_TEXT and (cover := _cover(found, kind, turn, frame)) is not None
    ]
    if not covers or len(covers) * len(words) > MAX_PAIRS:
        return suspects | bool(covers), replaced
    x, y = (words.boxes[:, 0] + words.boxes[:, 2]) / 2, (words.boxes[:, 1] + words.boxes[:, 3]) / 2
    x0, y0, x1, y1 = np.array([cover.box for cover in covers]).T[:, :, None]
    pairs = np.argwhere((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).tolist()
    turn_of = dict(zip(drawn, places, strict=True)) if pairs else {}
    if pairs:
        turn_of |= {
            text: turn
            for found, kind, turn in zip(drawn, kinds, places, strict=True)
            if kind == pdfium.FPDF_PAGEOBJ_FORM
            for text in _texts_in(found, 0)
        }
    covered_at: dict[int, int] = {}
    otherwise = -1 if len(places) == count else EXAMINED
    for which, word in pairs:
        cover, found = covers[which], objects[word] or 0
        is_later = turn_of.get(found, otherwise) < cover.turn
        suspects[word] |= is_later or (cover.ink is not None and abs(cover.ink - ink_of(found)) < SAME_INK)
        if is_later and not cover.is_sheer and found in turn_of:
            covered_at[word] = max(cover.turn, covered_at.get(word, 0))
    if covered_at:
        turns = np.array([turn_of.get(found or 0, -1) for found in objects])
        for word, turn in covered_at.items():
            replaced[word] = _is_replaced(words, word, turns >= turn)
    return suspects, replaced


def _is_replaced(words: PageWords, word: int, is_later: NDArray[np.bool_]) -> bool:
    """Whether a later word stands where this word stands."""
    x0, y0, x1, y1 = words.boxes[word]
    others = words.boxes[is_later]
    widths = np.minimum(others[:, 2], x1) - np.maximum(others[:, 0], x0)
    heights = np.minimum(others[:, 3], y1) - np.maximum(others[:, 1], y0)
    shared = np.maximum(0, widths) * np.maximum(0, heights)
    return bool((shared > REPLACED_SHARE * (x1 - x0) * (y1 - y0)).any())


def _texts_in(form: int, depth: int) -> Iterator[int]:
    """The text objects within a form."""
    for index in range(min(max(0, _COUNT_IN_FORM(form)), MAX_IN_FORM)):
        found = _OBJECT_IN_FORM(form, index)
        kind = _KIND(found)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            yield found
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
            yield from _texts_in(found, depth + 1)


def _cover(found: int, kind: int, turn: int, frame: PageFrame) -> _Cover | None:
    """The area that an object covers; None if it hides nothing."""
    ink = None
    if kind == pdfium.FPDF_PAGEOBJ_PATH:
        mode, stroke = ctypes.c_int(), ctypes.c_int()
        if not _DRAW_MODE(found, ctypes.addressof(mode), ctypes.addressof(stroke)) or not mode.value:
            return None
    elif kind == pdfium.FPDF_PAGEOBJ_FORM and not _paints(found, 0):
        return None
    box = _bounds(found, frame)
    if box is None or box[2] - box[0] < MIN_SIDE_PT or box[3] - box[1] < MIN_SIDE_PT:
        return None
    is_sheer = False
    if kind == pdfium.FPDF_PAGEOBJ_PATH and (colour := fill_colour(found)) is not None:
        ink, is_sheer = gray_of(colour), colour[3] < OPAQUE_ALPHA
    return _Cover(box, turn, ink, is_sheer)


def _paints(form: int, depth: int) -> bool:
    """Whether a form holds anything but text."""
    for index in range(min(max(0, _COUNT_IN_FORM(form)), MAX_IN_FORM)):
        found = _OBJECT_IN_FORM(form, index)
        kind = _KIND(found)
        if kind == pdfium.FPDF_PAGEOBJ_FORM:
            if depth >= MAX_DEPTH or _paints(found, depth + 1):
                return True
        elif kind != pdfium.FPDF_PAGEOBJ_TEXT:
            return True
    return False


def _bounds(found: int, frame: PageFrame) -> Box | None:
    sides = (ctypes.c_float * 4)()
    first = ctypes.addressof(sides)
    if not _BOUNDS(found, first, first + 4, first + 8, first + 12):
        return None
    return frame.place(*sides)


def fill_colour(found: int) -> tuple[int, int, int, int] | None:
    """Red, green, blue and alpha (0 to 255) of an object's fill; None for patterns."""
    if not _FILL_COLOUR(found, *_COLOUR_AT):
        return None
    red, green, blue, alpha = _COLOUR
    return red, green, blue, alpha


def gray_of(colour: tuple[int, int, int, int]) -> int:
    """The gray of a colour, from 0 to 255, by the weights of ITU-R BT.601."""
    red, green, blue, _ = colour
    return (299 * red + 587 * green + 114 * blue) // 1_000


def _clipped(words: PageWords, objects: Sequence[int | None], frame: PageFrame) -> NDArray[np.bool_]:
    """Words whose middle is outside the box that their text is clipped to."""
    texts = [text for text in set(objects) if text]
    clips = list(map(_CLIP, texts))
    counts = map(_CLIP_PATHS, clips)
    found = {
        text: _clip_box(clip, count, frame)
        for text, clip, count in zip(texts, clips, counts, strict=True)
        if clip and count > 0
    }
    if not found:
        return np.zeros(len(words), np.bool_)
    everywhere = (-np.inf, -np.inf, np.inf, np.inf)
    boxes = np.array([found.get(text or 0) or everywhere for text in objects])
    x, y = (words.boxes[:, 0] + words.boxes[:, 2]) / 2, (words.boxes[:, 1] + words.boxes[:, 3]) / 2
    is_clipped: NDArray[np.bool_] = (x < boxes[:, 0]) | (y < boxes[:, 1]) | (x > boxes[:, 2]) | (y > boxes[:, 3])
    return is_clipped


def _clip_box(clip: int, paths: int, frame: PageFrame) -> Box:
    """The box, on the upright page, that all clip paths of a text object leave visible."""
    left, bottom, right, top = -np.inf, -np.inf, np.inf, np.inf
    point = (ctypes.c_float * 2)()
    at = ctypes.addressof(point)
    for path in range(paths):
        xs, ys = [], []
        for index in range(_CLIP_SEGMENTS(clip, path)):
            if _POINT(_CLIP_SEGMENT(clip, path, index), at, at + 4):
                xs.append(point[0])
                ys.append(point[1])
        if xs:
            left, right = max(left, min(xs)), min(right, max(xs))
            bottom, top = max(bottom, min(ys)), min(top, max(ys))
    return frame.place(left, bottom, right, top)


_ADDRESS, _INT = ctypes.c_void_p, ctypes.c_int
_COUNT = bare(pdfium.FPDFPage_CountObjects, _INT, _ADDRESS)
_OBJECT = ctypes.PYFUNCTYPE(_ADDRESS)(ctypes.cast(pdfium.FPDFPage_GetObject, _ADDRESS).value or 0)
"""Without argument types it is a third faster: some pages have an object for each letter."""
_KIND = bare(pdfium.FPDFPageObj_GetType, _INT, _ADDRESS)
_BOUNDS = bare(pdfium.FPDFPageObj_GetBounds, _INT, *[_ADDRESS] * 5)
_DRAW_MODE = bare(pdfium.FPDFPath_GetDrawMode, _INT, *[_ADDRESS] * 3)
_FILL_COLOUR = bare(pdfium.FPDFPageObj_GetFillColor, _INT, *[_ADDRESS] * 5)
_COUNT_IN_FORM = bare(pdfium.FPDFFormObj_CountObjects, _INT, _ADDRESS)
_OBJECT_IN_FORM = bare(pdfium.FPDFFormObj_GetObject, _ADDRESS, _ADDRESS, ctypes.c_ulong)
_CLIP = bare(pdfium.FPDFPageObj_GetClipPath, _ADDRESS, _ADDRESS)
_CLIP_PATHS = bare(pdfium.FPDFClipPath_CountPaths, _INT, _ADDRESS)
_CLIP_SEGMENTS = bare(pdfium.FPDFClipPath_CountPathSegments, _INT, _ADDRESS, _INT)
_CLIP_SEGMENT = bare(pdfium.FPDFClipPath_GetPathSegment, _ADDRESS, _ADDRESS, _INT, _INT)
_POINT = bare(pdfium.FPDFPathSegment_GetPoint, _INT, _ADDRESS, _ADDRESS, _ADDRESS)
_COLOUR = (ctypes.c_uint * 4)()
_COLOUR_AT = tuple(range(ctypes.addressof(_COLOUR), ctypes.addressof(_COLOUR) + 16, 4))
"""Where pdfium writes colours. A parser process has a single thread, so all calls share it."""
