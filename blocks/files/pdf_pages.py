"""PDF files by pdfium: open one with its passwords, load a page, draw it."""

import ctypes
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium

from blocks.errors import Corrupt, Encrypted
from blocks.files.media_types import PDF
from blocks.files.pages import GrayImage

if TYPE_CHECKING:
    from PIL import Image

OCR_DPI = 300
MAX_PICTURE_SCALE = 4.0
"""288 dpi: letters need no more, so a small page is drawn no larger."""
PASSIVE_ANNOTATIONS = (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP)
_SHOWS_TEXT = re.compile(r"T[jJ]\b|['\"]\s")
EMPTY_DRAWING = 120
"""Characters of a drawing that has nothing but a frame or a colour in it."""
GRAY, COLOUR = 1, 4
"""Bytes per pixel of a drawn page: gray, or blue, green, red and an unused byte."""


@dataclass(frozen=True, slots=True)
class PageFrame:
    """The visible page in the PDF's own coordinates, which go up from the bottom left."""

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

    def place(self, left: Any, bottom: Any, right: Any, top: Any) -> tuple[Any, Any, Any, Any]:
        """Boxes of the PDF, single or as arrays of sides, in points from the top left of the upright page."""
        match self.quarter_turns:
            case 0:
                return left - self.left, self.top - top, right - self.left, self.top - bottom
            case 1:
                return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
            case 2:
                return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
            case _:
                return self.top - top, self.right - right, self.top - bottom, self.right - left


def frame_of(page: Any) -> PageFrame:
    """The frame of a loaded page: its crop box within its media box, and its rotation."""
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(box))
    return PageFrame(box.left, box.bottom, box.right, box.top, pdfium.FPDFPage_GetRotation(page) % 4)


class PdfPages:
    """`Pages` of a PDF that `open_pdf` has opened."""

    def __init__(self, document: Any) -> None:
        self._document = document

    @property
    def count(self) -> int:
        """See `Pages`."""
        return max(0, int(pdfium.FPDF_GetPageCount(self._document)))

    def gray(self, number: int, max_pixels: int) -> GrayImage:
        """See `Pages`."""
        with self._page(number) as page:
            frame = frame_of(page)
            area = max(1.0, frame.width * frame.height)
            dpi = min(float(OCR_DPI), 72 * (max_pixels / area) ** 0.5)
            width, height = max(1, int(frame.width * dpi / 72)), max(1, int(frame.height * dpi / 72))
            return GrayImage(width, height, round(dpi), draw(page, width, height))

    def picture(self, number: int, long_edge: int) -> "Image.Image":
        """See `Pages`."""
        from PIL import Image  # a parser of text PDFs has no use for it

        with self._page(number) as page:
            frame = frame_of(page)
            scale = min(MAX_PICTURE_SCALE, long_edge / max(frame.width, frame.height, 1.0))
            width, height = max(1, ceil(frame.width * scale)), max(1, ceil(frame.height * scale))
            drawn = draw(page, width, height, COLOUR)
        image = Image.frombuffer("RGB", (width, height), drawn, "raw", "BGRX", 0, 1)
        image.thumbnail((long_edge, long_edge))
        return image

    @contextmanager
    def _page(self, number: int) -> Iterator[Any]:
        with load_page(self._document, number) as page:
            if page is None:
                raise Corrupt(PDF, f"page {number} cannot be loaded")
            yield page


@contextmanager
def open_pdf(content: bytes, passwords: Sequence[str]) -> Iterator[Any]:
    """pdfium's handle of a document, opened without a password or with the first that fits.

    Raises `Encrypted` and `Corrupt`.
    """
    document = None
    for password in (None, *passwords):
        secret = None if password is None else password.encode()
        document = pdfium.FPDF_LoadMemDocument64(content, len(content), secret)
        if document:
            break
        error = pdfium.FPDF_GetLastError()
        if error == pdfium.FPDF_ERR_SECURITY:
            raise Encrypted(0)
        if error != pdfium.FPDF_ERR_PASSWORD:
            raise Corrupt(PDF, f"pdfium says error {error}")
    if not document:
        raise Encrypted(len(passwords))
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


@contextmanager
def load_page(document: Any, number: int) -> Iterator[Any]:
    """pdfium's handle of a page with its form fields and notes drawn into it; None if it cannot be loaded."""
    page = pdfium.FPDF_LoadPage(document, number - 1)
    if page and _has_drawn_annotations(page):
        if _lacks_appearances(page):
            _make_appearances(document, page)
        if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == 1:
            pdfium.FPDF_ClosePage(page)
            page = pdfium.FPDF_LoadPage(document, number - 1)
    try:
        yield page or None
    finally:
        if page:
            pdfium.FPDF_ClosePage(page)


def _lacks_appearances(page: Any) -> bool:
    """Whether a form field or a note has no drawing, or a form field a value and a drawing without text."""
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetSubtype(annotation) in (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT):
                drawing = text_from(
                    partial(pdfium.FPDFAnnot_GetAP, annotation, pdfium.FPDF_ANNOT_APPEARANCEMODE_NORMAL)
                )
                value = text_from(partial(pdfium.FPDFAnnot_GetStringValue, annotation, b"V"))
                if not drawing or (value and not _SHOWS_TEXT.search(drawing) and len(drawing) < EMPTY_DRAWING):
                    return True
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return False


def text_from(fetch: Callable[[Any, int], int]) -> str:
    """A text of pdfium. `fetch` writes it to a buffer of so many bytes, and gives the bytes that it needs: in UTF-16,
    with a zero at the end."""
    size = fetch(None, 0)
    buffer = (ctypes.c_ushort * max(1, size // 2))()
    fetch(buffer, size)
    return bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", "replace")


def _make_appearances(document: Any, page: Any) -> None:
    """Have pdfium draw form fields and notes for which the file has no drawing: many programs leave it to the viewer.

    pdfium may draw the other fields of the page anew too, check marks as lines in place of letters.
    No script of a form is run: this pdfium has none.
    """
    callbacks = pdfium.FPDF_FORMFILLINFO(version=2)  # pdfium keeps its address until the exit below
    form = pdfium.FPDFDOC_InitFormFillEnvironment(document, callbacks)
    if form:
        pdfium.FORM_OnAfterLoadPage(page, form)
        pdfium.FORM_OnBeforeClosePage(page, form)
        pdfium.FPDFDOC_ExitFormFillEnvironment(form)


def _has_drawn_annotations(page: Any) -> bool:
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            if kind not in PASSIVE_ANNOTATIONS:
                return True
    return False


def draw(page: Any, width: int, height: int, channels: int = GRAY, quarter_turns: int = 0) -> bytes:
    """The page in that size, `channels` bytes per pixel, row by row from the top without padding, turned clockwise.

    Raises MemoryError if pdfium gets no memory for it.
    """
    form = pdfium.FPDFBitmap_Gray if channels == GRAY else pdfium.FPDFBitmap_BGRx
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, form, None, 0)
    if not bitmap:
        raise MemoryError
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, quarter_turns, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        drawn = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * height)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    row_bytes = width * channels
    if stride == row_bytes:
        return drawn
    return b"".join(drawn[row * stride : row * stride + row_bytes] for row in range(height))
