"""Finds the words of a PDF page that a reader cannot see: invisible, in the paper's colour, painted over, tiny, or off
the page.

A machine reads text that is hidden from people. Scanners hide recognised text under the page's image, and attackers
hide instructions. OCR has to confirm invisible text over an image.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from blocks.files.pdf_pages import COLOUR, PageFrame, draw
from tasks.extract.pdf_covers import covered_words, fill_colour, gray_of
from tasks.extract.pdf_words import PageWords, bare
from tasks.extract.reading_order import Boxes

INVISIBLE_MODES = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
LIGHT_CHANNEL = 190
"""Paper is usually white: text whose darkest channel is lighter than this (of 255) is a suspect."""
FAINT_ALPHA = 40
TINY_PT = 2.0
"""Nobody reads print below two points; the small print of contracts has four."""
CONTRAST = 24
"""The least difference between the lightest and darkest pixel of a word that can be read, in gray levels."""
PROBE_DPI = 100
EDGE = 0.12
"""The share of a word's height that is ignored at each edge of its box."""
MAX_PROBE_PIXELS = 8_000_000
MAX_DEPTH = 4
MAX_OBJECTS = 20_000
MAX_MARKS = 8
LAYER_MARK = "OC\0".encode("utf-16-le")
"""The tag of marked content that belongs to a layer (ISO 32000-1, 8.11.3.2)."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Words that a reader sees, hidden words, and invisible words over an image."""

    visible: PageWords
    hidden: PageWords
    layer: PageWords


def sort_by_visibility(page: Any, text_page: Any, words: PageWords, frame: PageFrame) -> Sorted:
    """Sort each word into one of three groups, in the order given."""
    x0, y0, x1, y1 = words.boxes.T
    is_hidden = (x1 <= 0) | (y1 <= 0) | (x0 >= frame.width) | (y0 >= frame.height) | _is_tiny(words)
    is_layer = np.zeros(len(words), np.bool_)
    address = ctypes.cast(text_page, ctypes.c_void_p).value
    objects: list[int | None] = list(map(_TEXT_OBJECT, repeat(address), words.firsts.tolist()))
    inks = {found: _ink_of(found) for found in set(objects)}
    marked = [found for found, count in zip(inks, map(_COUNT_MARKS, inks), strict=True) if count > 0]
    inks |= {found: (LIGHT, inks[found][1]) for found in marked if inks[found][0] == SEEN and _is_in_layer(found)}
    suspects, is_replaced = covered_words(page, words, objects, lambda found: inks[found][1] if found else 0, frame)
    is_hidden |= is_replaced
    if any(mark for mark, _ in inks.values()):
        marks = np.fromiter((inks[found][0] for found in objects), np.int64, len(objects))
        invisible = ~is_hidden & (marks == INVISIBLE)
        if invisible.any():
            is_layer = invisible & _lies_on(words.boxes, image_boxes(page, frame))
        is_hidden |= invisible & ~is_layer
        suspects |= marks == LIGHT
    suspects &= ~is_hidden & ~is_layer
    if suspects.any():
        is_hidden[suspects] = ~_stands_out(page, words.where(suspects), frame)
    if not is_hidden.any() and not is_layer.any():
        return Sorted(words, words.where(is_hidden), words.where(is_hidden))
    return Sorted(words.where(~is_hidden & ~is_layer), words.where(is_hidden), words.where(is_layer))


def _is_tiny(words: PageWords) -> NDArray[np.bool_]:
    """Whether letters are too small to read, also turned ones. A lone comma counts by the size of its font."""
    sides = words.boxes[:, 2:] - words.boxes[:, :2]
    lengths = np.fromiter(map(len, words.texts), np.int64, len(words))
    size = np.where(lengths == 1, sides.max(axis=1), sides.min(axis=1))
    is_tiny: NDArray[np.bool_] = (size < TINY_PT) & (sides.max(axis=1) > 0)
    return is_tiny


SEEN, INVISIBLE, LIGHT = 0, 1, 2


def _ink_of(address: int | None) -> tuple[int, int]:
    """Whether a text object is drawn, invisible or a suspect, and the gray of its fill."""
    if not address:
        return SEEN, 0
    mode = _RENDER_MODE(address)
    if mode in INVISIBLE_MODES:
        return INVISIBLE, 0
    if mode == pdfium.FPDF_TEXTRENDERMODE_STROKE:
        return LIGHT, 0
    colour = fill_colour(address)
    if colour is None:
        return SEEN, 0
    red, green, blue, alpha = colour
    if (red > LIGHT_CHANNEL and green > LIGHT_CHANNEL and blue > LIGHT_CHANNEL) or alpha < FAINT_ALPHA:
        return LIGHT, gray_of(colour)
    return SEEN, gray_of(colour)


def _is_in_layer(address: int | None) -> bool:
    """Whether a text object belongs to a layer (optional content), which may be switched off. The drawn page tells."""
    for index in range(min(max(0, _COUNT_MARKS(address)), MAX_MARKS)):
        mark = _MARK(address, index)
        if mark and _MARK_NAME(mark, _NAME_AT, len(_NAME), _NAME_SIZE_AT) and bytes(_NAME[:6]) == LAYER_MARK:
            return True
    return False


def image_boxes(page: Any, frame: PageFrame) -> list[tuple[float, float, float, float]]:
    """The boxes of the page's images, on the upright page; the form's box for an image within a form."""
    boxes = []
    for index in range(min(pdfium.FPDFPage_CountObjects(page), MAX_OBJECTS)):
        found = pdfium.FPDFPage_GetObject(page, index)
        if _holds_image(found, 0):
            sides = [ctypes.c_float() for _ in range(4)]
            if pdfium.FPDFPageObj_GetBounds(found, *sides):
                boxes.append(frame.place(*(side.value for side in sides)))
    return boxes


def _holds_image(found: Any, depth: int) -> bool:
    kind = pdfium.FPDFPageObj_GetType(found)
    if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
        count = min(max(0, pdfium.FPDFFormObj_CountObjects(found)), 1_000)
        return any(_holds_image(pdfium.FPDFFormObj_GetObject(found, index), depth + 1) for index in range(count))
    return bool(kind == pdfium.FPDF_PAGEOBJ_IMAGE)


def _lies_on(boxes: Boxes, images: Sequence[tuple[float, float, float, float]]) -> NDArray[np.bool_]:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    lies = np.zeros(len(boxes), np.bool_)
    for x0, y0, x1, y1 in images:
        lies |= (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return lies


def _stands_out(page: Any, words: PageWords, frame: PageFrame) -> NDArray[np.bool_]:
    """Draw the page and find which words contrast with their background, as white letters on a dark bar do."""
    scale = min(PROBE_DPI / 72, (MAX_PROBE_PIXELS / max(1.0, frame.width * frame.height)) ** 0.5)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    turns = (frame.quarter_turns - pdfium.FPDFPage_GetRotation(page)) % 4
    pixels = np.frombuffer(draw(page, width, height, COLOUR, turns), np.uint8).reshape(height, width, COLOUR)
    seen = []
    for text, (x0, y0, x1, y1) in zip(words.texts, (words.boxes * scale).tolist(), strict=True):
        # The edge of a bar may run along a word's box, so the margin is ignored, but not that of a lone stroke or dot.
        margin = EDGE * min(x1 - x0, y1 - y0) if any(map(str.isalnum, text)) else 0.0
        rows = slice(max(0, int(y0 + margin)), int(y1 - margin) + 1)
        patch = pixels[rows, max(0, int(x0 + margin)) : int(x1 - margin) + 1]
        seen.append(patch.size > 0 and int(np.ptp(patch, axis=(0, 1)).max()) >= CONTRAST)
    return np.array(seen, np.bool_)


_TEXT_OBJECT = bare(pdfium.FPDFText_GetTextObject, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_COUNT_MARKS = bare(pdfium.FPDFPageObj_CountMarks, ctypes.c_int, ctypes.c_void_p)
_MARK = bare(pdfium.FPDFPageObj_GetMark, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
_MARK_NAME = bare(pdfium.FPDFPageObjMark_GetName, ctypes.c_int, *[ctypes.c_void_p] * 2, ctypes.c_ulong, ctypes.c_void_p)
_NAME, _NAME_SIZE = (ctypes.c_ubyte * 64)(), ctypes.c_ulong()
_NAME_AT, _NAME_SIZE_AT = ctypes.addressof(_NAME), ctypes.addressof(_NAME_SIZE)
"""Where pdfium writes the names of marks; a parser process has a single thread."""
_RENDER_MODE = bare(pdfium.FPDFTextObj_GetTextRenderMode, ctypes.c_int, ctypes.c_void_p)
