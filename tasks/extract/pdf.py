"""PDF by pdfium: text with word boxes, what is hidden, and pages drawn for OCR. Runs in a child, one document each."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pypdfium2.raw as pdfium
from pydantic_core import to_json
from pypdfium2 import PDFIUM_INFO

from blocks.errors import Corrupt, Empty, Encrypted, TooManyPages
from blocks.media_types import PDF
from tasks.extract.pdf_visibility import draw, image_boxes, sort_by_visibility
from tasks.extract.pdf_words import IndexedWord, PageFrame, frame_of, text_of, words_of
from tasks.extract.reading import PageReading, Reading, clean
from tasks.extract.reading_order import lay_out

ENGINE = f"pdfium {PDFIUM_INFO.build}"

OCR_DPI = 300
SCAN_SHARE = 0.5
SCAN_CHARACTERS = 200
"""A page that is mostly image and has less text than this is a scan with a stamp, a footer or a page number."""
GARBAGE_SHARE = 0.3
SAMPLED_CHARACTERS = 64
PASSIVE_ANNOTATIONS = (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP)
METADATA = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate", "ModDate")
MAX_METADATA_CHARACTERS = 2_000
MAX_ATTACHMENTS_NAMED = 100


def warm_up() -> None:
    """Let pdfium load what it loads once, before children are forked."""
    pdfium.FPDF_InitLibrary()


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: passwords, max_pages.

    Raises `Encrypted`, `Corrupt`, `Empty` and `TooManyPages`.
    """
    with _opened(content, arguments["passwords"]) as document:
        count = pdfium.FPDF_GetPageCount(document)
        if count < 1:
            raise Empty("it has no pages")
        if count > arguments["max_pages"]:
            raise TooManyPages(count, arguments["max_pages"])
        has_form = pdfium.FPDF_GetFormType(document) != pdfium.FORMTYPE_NONE
        pages = [read_page(document, number) for number in range(1, count + 1)]
        if all(page is None for page in pages):
            raise Corrupt(PDF, "none of its pages can be loaded")
        known = [page or PageReading(number, method="text_layer") for number, page in enumerate(pages, 1)]
        if all(page.is_blank for page in known):
            raise Empty("there is nothing on any page")
        return Reading(PDF, ENGINE, known, _attributes(document), has_form).pack()


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """One page drawn for OCR: a line of JSON (width, height, dpi), then its gray pixels.

    Arguments: passwords, page (from 1), max_pixels.
    """
    with (
        _opened(content, arguments["passwords"]) as document,
        _page(document, arguments["page"]) as page,
    ):
        if page is None:
            raise Corrupt(PDF, f"page {arguments['page']} cannot be loaded")
        frame = frame_of(page)
        area = max(1.0, frame.width * frame.height)
        dpi = min(float(OCR_DPI), 72 * (arguments["max_pixels"] / area) ** 0.5)
        width, height = max(1, int(frame.width * dpi / 72)), max(1, int(frame.height * dpi / 72))
        return to_json({"width": width, "height": height, "dpi": round(dpi)}) + b"\n" + draw(page, width, height)


@contextmanager
def _opened(content: bytes, passwords: list[str]) -> Iterator[Any]:
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
def _page(document: Any, number: int) -> Iterator[Any]:
    """A loaded page with its form fields and notes drawn into it, or None where it cannot be loaded."""
    page = pdfium.FPDF_LoadPage(document, number - 1)
    if page and _has_drawn_annotations(page) and pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == 1:
        pdfium.FPDF_ClosePage(page)
        page = pdfium.FPDF_LoadPage(document, number - 1)
    try:
        yield page or None
    finally:
        if page:
            pdfium.FPDF_ClosePage(page)


def _has_drawn_annotations(page: Any) -> bool:
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            if kind not in PASSIVE_ANNOTATIONS:
                return True
    return False


def read_page(document: Any, number: int) -> PageReading | None:
    """One page as text, counted from 1; None where pdfium cannot load it."""
    with _page(document, number) as page:
        if page is None:
            return None
        frame = frame_of(page)
        text_page = pdfium.FPDFText_LoadPage(page)
        if not text_page:
            return PageReading(number, method="text_layer", needs_ocr=True)
        try:
            return _read_text(page, text_page, frame, number)
        finally:
            pdfium.FPDFText_ClosePage(text_page)


def _read_text(page: Any, text_page: Any, frame: PageFrame, number: int) -> PageReading:
    count = pdfium.FPDFText_CountChars(text_page)
    text = text_of(text_page, count) if count > 0 else ""
    words = words_of(text_page, text, frame) if text else []
    sorted_words = sort_by_visibility(page, text_page, words, frame)
    shown = sorted_words.visible
    reading = PageReading(
        number,
        method="text_layer",
        width=round(frame.width, 2),
        height=round(frame.height, 2),
        hidden_text=_lines_of(sorted_words.hidden),
    )
    characters = sum(len(word.placed[4]) for word in shown)
    if characters < SCAN_CHARACTERS:
        reading.needs_ocr = _is_scan(page, frame, characters)
    elif _is_garbage(text_page, shown):
        reading.needs_ocr = True
    if sorted_words.layer:
        reading.is_layer = reading.needs_ocr = True
        shown = shown + sorted_words.layer
    reading.is_blank = not words and not reading.needs_ocr
    _lay_out(reading, shown, frame)
    return reading


def _lay_out(reading: PageReading, words: list[IndexedWord], frame: PageFrame) -> None:
    """Put the page's text in reading order. Turned text comes last; a page of turned text is turned upright."""
    upright = [word.placed for word in words if not word.is_vertical]
    turned = [word.placed for word in words if word.is_vertical]
    if len(turned) > len(upright):
        # Turned text reads from bottom to top as a rule; its box then turns clockwise to stand upright.
        every = upright + turned
        laid = lay_out([(frame.height - y1, x0, frame.height - y0, x1, text) for x0, y0, x1, y1, text in every])
        reading.width, reading.height, reading.rotation_degrees = reading.height, reading.width, 90
    else:
        laid = lay_out(upright)
        for x0, y0, x1, y1, text in turned:
            start = len(laid.text) + (1 if laid.text else 0)
            laid.text += ("\n" if laid.text else "") + text
            laid.spans.append((start, start + len(text)))
            laid.boxes.append((x0, y0, x1, y1))
    reading.laid, reading.text = laid, laid.text


def _is_scan(page: Any, frame: PageFrame, characters: int) -> bool:
    """Whether a page of little text has something to see that its text does not say."""
    if pdfium.FPDFPage_CountObjects(page) < 1:
        return False
    if characters == 0:
        return True
    area = frame.width * frame.height
    covered = sum(
        max(0.0, min(x1, frame.width) - max(x0, 0.0)) * max(0.0, min(y1, frame.height) - max(y0, 0.0))
        for x0, y0, x1, y1 in image_boxes(page, frame)
    )
    return area > 0 and covered >= SCAN_SHARE * area


def _is_garbage(text_page: Any, words: list[IndexedWord]) -> bool:
    """Whether the glyphs of a sample of words have no known characters, as in fonts without a mapping."""
    step = max(1, len(words) // SAMPLED_CHARACTERS)
    sample = words[::step]
    unmapped = sum(
        pdfium.FPDFText_HasUnicodeMapError(text_page, word.first) == 1 or not _is_character(word.placed[4][0])
        for word in sample
    )
    return unmapped > GARBAGE_SHARE * len(sample)


def _is_character(letter: str) -> bool:
    return letter != "\ufffd" and not "\ue000" <= letter <= "\uf8ff"


def _lines_of(words: list[IndexedWord]) -> str:
    return lay_out([word.placed for word in words]).text if words else ""


def _attributes(document: Any) -> dict[str, str]:
    """What stands beside the pages: the document's own properties and the names of attached files."""
    found: dict[str, str] = {}
    for name in METADATA:
        value = _utf16(partial(pdfium.FPDF_GetMetaText, document, name.encode()))
        if value:
            found[name.lower()] = value
    names = []
    for index in range(min(max(0, pdfium.FPDFDoc_GetAttachmentCount(document)), MAX_ATTACHMENTS_NAMED)):
        attachment = pdfium.FPDFDoc_GetAttachment(document, index)
        if attachment:
            names.append(_utf16(partial(pdfium.FPDFAttachment_GetName, attachment)))
    if any(names):
        found["attachments"] = ", ".join(filter(None, names))
    return found


def _utf16(fetch: Any) -> str:
    size = fetch(None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    fetch(buffer, size)
    return clean(bytes(buffer)[: size - 2].decode("utf-16-le", "replace")).strip()[:MAX_METADATA_CHARACTERS]
