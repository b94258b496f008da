"""Which words of a PDF page a reader cannot see: invisible, in the paper's colour, tiny, or off the page.

Text can be hidden from a reader and still be read by a machine. Scanners use that well (recognised text under the
image of the page), others to plant instructions. What lies over an image is left to OCR to confirm.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pypdfium2.raw as pdfium

from tasks.extract.pdf_words import IndexedWord, PageFrame

INVISIBLE_MODES = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
LIGHT = 190
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


class _Kind(Enum):
    SEEN = 0
    INVISIBLE = 1
    LIGHT = 2


@dataclass(slots=True)
class Sorted:
    """Words that a reader sees, words that none does, and invisible words over an image."""

    visible: list[IndexedWord] = field(default_factory=list)
    hidden: list[IndexedWord] = field(default_factory=list)
    layer: list[IndexedWord] = field(default_factory=list)


def sort_by_visibility(page: Any, text_page: Any, words: Sequence[IndexedWord], frame: PageFrame) -> Sorted:
    """Every word in one of the three lists, in the order given."""
    result = Sorted()
    kinds: dict[int, _Kind] = {}
    light: list[IndexedWord] = []
    invisible: list[IndexedWord] = []
    width, height = frame.width, frame.height
    text_object = _TEXT_OBJECT
    for word in words:
        x0, y0, x1, y1, _ = word.placed
        if (
            x1 <= 0
            or y1 <= 0
            or x0 >= width
            or y0 >= height
            or (max(y1 - y0, x1 - x0) > 0 and min_side(word) < TINY_PT)
        ):
            result.hidden.append(word)
            continue
        address = text_object(text_page, word.first) or 0
        kind = kinds.get(address)
        if kind is None:
            kind = kinds[address] = _kind_of(address)
        if kind is _Kind.SEEN:
            result.visible.append(word)
        else:
            (light if kind is _Kind.LIGHT else invisible).append(word)
    if invisible:
        images = image_boxes(page, frame)
        for word in invisible:
            (result.layer if _lies_on(word, images) else result.hidden).append(word)
    if light:
        _probe(page, light, frame, result)
    return result


def min_side(word: IndexedWord) -> float:
    """The height of the word's letters, whichever way it is turned."""
    x0, y0, x1, y1, text = word.placed
    if len(text) == 1:
        return max(x1 - x0, y1 - y0)
    return min(x1 - x0, y1 - y0)


def _kind_of(address: int) -> _Kind:
    if not address:
        return _Kind.SEEN
    handle = ctypes.cast(address, pdfium.FPDF_PAGEOBJECT)
    mode = pdfium.FPDFTextObj_GetTextRenderMode(handle)
    if mode in INVISIBLE_MODES:
        return _Kind.INVISIBLE
    if mode == pdfium.FPDF_TEXTRENDERMODE_STROKE:
        return _Kind.SEEN
    channels = [ctypes.c_uint() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetFillColor(handle, *channels):
        return _Kind.SEEN
    red, green, blue, alpha = (channel.value for channel in channels)
    return _Kind.LIGHT if min(red, green, blue) > LIGHT or alpha < FAINT_ALPHA else _Kind.SEEN


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


def _lies_on(word: IndexedWord, boxes: Sequence[tuple[float, float, float, float]]) -> bool:
    x, y = (word.placed[0] + word.placed[2]) / 2, (word.placed[1] + word.placed[3]) / 2
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


def _probe(page: Any, words: Sequence[IndexedWord], frame: PageFrame, result: Sorted) -> None:
    """Draw the page and see whether light words stand out, as white letters on a dark bar do."""
    scale = min(PROBE_DPI / 72, (MAX_PROBE_PIXELS / max(1.0, frame.width * frame.height)) ** 0.5)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    pixels = draw(page, width, height)
    for word in words:
        x0, y0, x1, y1 = (side * scale for side in word.placed[:4])
        left, right = max(0, int(x0)), min(width, int(x1) + 1)
        rows = [
            pixels[row * width + left : row * width + right] for row in range(max(0, int(y0)), min(height, int(y1) + 1))
        ]
        seen = b"".join(rows)
        is_seen = bool(seen) and max(seen) - min(seen) >= CONTRAST
        (result.visible if is_seen else result.hidden).append(word)


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


_TEXT_OBJECT = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(pdfium.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)
"""The object that a character is of, as a bare address: a pointer object for each word costs more than the call."""
