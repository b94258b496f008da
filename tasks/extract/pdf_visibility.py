"""Which words of a PDF page a reader cannot see: invisible, in the paper's colour, tiny, or off the page.

Text can be hidden from a reader and still be read by a machine. Scanners use that well (recognised text under the
image of the page), others to plant instructions. What lies over an image is left to OCR to confirm.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from tasks.extract.pdf_words import PageFrame, PageWords
from tasks.extract.reading_order import Boxes

INVISIBLE_MODES = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
LIGHT_CHANNEL = 190
"""Paper is white as a rule: text is looked at again when its darkest channel is lighter than this, of 255."""
FAINT_ALPHA = 40
TINY_PT = 2.0
"""Print below two points is not for readers; the finest of contracts is set in four."""
CONTRAST = 24
"""Gray levels between the lightest and darkest pixel of a word that can be read."""
PROBE_DPI = 100
MAX_PROBE_PIXELS = 8_000_000
MAX_DEPTH = 4
MAX_OBJECTS = 20_000


@dataclass(frozen=True, slots=True)
class Sorted:
    """Words that a reader sees, words that none does, and invisible words over an image."""

    visible: PageWords
    hidden: PageWords
    layer: PageWords


def sort_by_visibility(page: Any, text_page: Any, words: PageWords, frame: PageFrame) -> Sorted:
    """Every word in one of the three, in the order given."""
    x0, y0, x1, y1 = words.boxes.T
    is_hidden = (x1 <= 0) | (y1 <= 0) | (x0 >= frame.width) | (y0 >= frame.height) | _is_tiny(words)
    is_layer = np.zeros(len(words), np.bool_)
    marks = _marks(text_page, words)
    if marks is not None:
        invisible = ~is_hidden & (marks == INVISIBLE)
        if invisible.any():
            is_layer = invisible & _lies_on(words.boxes, image_boxes(page, frame))
        light = np.flatnonzero(~is_hidden & (marks == LIGHT))
        is_hidden |= invisible & ~is_layer
        if len(light):
            is_hidden[light] = ~_stands_out(page, words.boxes[light], frame)
    if not is_hidden.any() and not is_layer.any():
        return Sorted(words, words.where(is_hidden), words.where(is_hidden))
    return Sorted(words.where(~is_hidden & ~is_layer), words.where(is_hidden), words.where(is_layer))


def _is_tiny(words: PageWords) -> NDArray[np.bool_]:
    """Whether letters are too small to read, whichever way they are turned; a lone comma is judged by its font."""
    sides = words.boxes[:, 2:] - words.boxes[:, :2]
    lengths = np.fromiter(map(len, words.texts), np.int64, len(words))
    size = np.where(lengths == 1, sides.max(axis=1), sides.min(axis=1))
    is_tiny: NDArray[np.bool_] = (size < TINY_PT) & (sides.max(axis=1) > 0)
    return is_tiny


SEEN, INVISIBLE, LIGHT = 0, 1, 2


def _marks(text_page: Any, words: PageWords) -> NDArray[np.int64] | None:
    """For each word whether its text object is drawn at all, or in a light colour; None where all is plainly seen."""
    address = ctypes.cast(text_page, ctypes.c_void_p).value
    objects = list(map(_TEXT_OBJECT, repeat(address), words.firsts.tolist()))
    marks = {found: _mark_of(found) for found in set(objects)}
    if not any(marks.values()):
        return None
    return np.fromiter((marks[found] for found in objects), np.int64, len(objects))


def _mark_of(address: int | None) -> int:
    if not address:
        return SEEN
    mode = _RENDER_MODE(address)
    if mode in INVISIBLE_MODES:
        return INVISIBLE
    if mode == pdfium.FPDF_TEXTRENDERMODE_STROKE:
        return SEEN
    colour = (ctypes.c_uint * 4)()
    first = ctypes.addressof(colour)
    if not _FILL_COLOUR(address, first, first + 4, first + 8, first + 12):
        return SEEN
    red, green, blue, alpha = colour
    return (
        LIGHT
        if (red > LIGHT_CHANNEL and green > LIGHT_CHANNEL and blue > LIGHT_CHANNEL) or alpha < FAINT_ALPHA
        else SEEN
    )


def image_boxes(page: Any, frame: PageFrame) -> list[tuple[float, float, float, float]]:
    """The boxes of the page's images, on the upright page. An image within a form counts by the form's box."""
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


def _stands_out(page: Any, boxes: Boxes, frame: PageFrame) -> NDArray[np.bool_]:
    """Draw the page and see which light words stand out, as white letters on a dark bar do."""
    scale = min(PROBE_DPI / 72, (MAX_PROBE_PIXELS / max(1.0, frame.width * frame.height)) ** 0.5)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    pixels = np.frombuffer(draw(page, width, height), np.uint8).reshape(height, width)
    seen = []
    for x0, y0, x1, y1 in (boxes * scale).tolist():
        patch = pixels[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1]
        seen.append(patch.size > 0 and int(patch.max()) - int(patch.min()) >= CONTRAST)
    return np.array(seen, np.bool_)


def draw(page: Any, width: int, height: int) -> bytes:
    """The page as a gray image of that size, 8 bits a pixel, rows from the top without padding.

    Raises `MemoryError` where pdfium has no memory for it.
    """
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_Gray, None, 0)
    if not bitmap:
        raise MemoryError
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        drawn = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * height)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    if stride == width:
        return drawn
    return b"".join(drawn[row * stride : row * stride + width] for row in range(height))


def _bare(function: Any, result: Any, *arguments: Any) -> Any:
    """A pdfium function of bare addresses: making a pointer object for each word costs more than the call."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ctypes.c_void_p).value or 0)


_TEXT_OBJECT = _bare(pdfium.FPDFText_GetTextObject, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
_RENDER_MODE = _bare(pdfium.FPDFTextObj_GetTextRenderMode, ctypes.c_int, ctypes.c_void_p)
_FILL_COLOUR = _bare(pdfium.FPDFPageObj_GetFillColor, ctypes.c_int, *[ctypes.c_void_p] * 5)
