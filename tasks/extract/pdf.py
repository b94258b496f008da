"""PDF by pdfium: text with word boxes, hidden text, and pages drawn for OCR. Runs in a parser process."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from pypdfium2 import PDFIUM_INFO

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.media_types import PDF
from blocks.files.pages import render
from blocks.files.pdf_pages import PageFrame, PdfPages, frame_of, load_page, open_pdf, text_from
from tasks.extract.pdf_doubles import drawn_again
from tasks.extract.pdf_garbage import has_no_characters, looks_enciphered
from tasks.extract.pdf_visibility import image_boxes, sort_by_visibility
from tasks.extract.pdf_words import (
    TURNED,
    PageWords,
    is_upside_down,
    quarter_turns_of,
    without_unseen_characters,
    words_of,
)
from tasks.extract.reading import PageReading, Reading, clean, named_unread
from tasks.extract.reading_order import Boxes, lay_out

__all__ = ["read", "render", "warm_up"]

MEDIA_TYPES = {"application/pdf": "PDF"}
VERSION = 7
PACKAGES = ("pypdfium2", "pypdf")
SETTINGS = ("ocr", "passwords")

ENGINE = f"pdfium {PDFIUM_INFO.build}"

SCAN_SHARE = 0.5
SCAN_CHARACTERS = 200
"""A page that is mostly image and has less text than this is a scan with a stamp, a footer or a page number."""
METADATA = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate", "ModDate")
MAX_METADATA_CHARACTERS = 2_000
MAX_ATTACHMENTS_NAMED = 100

FIRST_DOCUMENT = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 72 72]>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
4 0 obj<</Length 41>>stream
1 g BT /F 12 Tf 9 9 Td (warming up) Tj ET
endstream endobj
trailer<</Root 1 0 R/Info<</Title(first)>>>>
"""


def warm_up() -> None:
    """Make pdfium load its fonts and codecs: a parser process may not be able to read our files."""
    pdfium.FPDF_InitLibrary()
    arguments = {
        "media_type": PDF,
        "passwords": [],
        "max_pages": 1,
        "max_megapixels": 1,
        "page": 1,
        "max_pixels": 1_000,
    }
    read(FIRST_DOCUMENT, arguments)
    render(FIRST_DOCUMENT, arguments)


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: passwords, max_pages.

    Raises `Encrypted`, `Corrupt`, `Empty` and `TooManyPages`.
    """
    with open_pdf(content, arguments["passwords"]) as document:
        count = PdfPages(document).count
        if count < 1:
            raise Empty("it has no pages")
        if count > arguments["max_pages"]:
            raise TooManyPages(count, arguments["max_pages"])
        has_form = pdfium.FPDF_GetFormType(document) != pdfium.FORMTYPE_NONE
        pages = [read_page(document, number) for number in range(1, count + 1)]
        unread = [number for number, page in enumerate(pages, 1) if page is None]
        if len(unread) == count:
            raise Corrupt(PDF, "none of its pages can be loaded")
        known = [page or PageReading(number, method="text_layer") for number, page in enumerate(pages, 1)]
        if all(page.is_blank for page in known):
            raise Empty("there is nothing on any page")
        return Reading(PDF, ENGINE, known, _attributes(document) | named_unread(unread), has_form).pack()


def read_page(document: Any, number: int) -> PageReading | None:
    """A page as text, counted from 1; None if pdfium cannot load it."""
    with load_page(document, number) as page:
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
    half_turns = 2 if is_upside_down(text_page, frame) else 0
    frame = replace(frame, quarter_turns=(frame.quarter_turns + half_turns) % 4)
    words, unseen_text = without_unseen_characters(words_of(text_page, frame))
    by_visibility = sort_by_visibility(page, text_page, words, frame)
    shown = by_visibility.visible
    hidden = lay_out(by_visibility.hidden.texts, by_visibility.hidden.boxes).text
    reading = PageReading(
        number,
        method="text_layer",
        width=round(frame.width, 2),
        height=round(frame.height, 2),
        hidden_text="\n".join(filter(None, (hidden, unseen_text))),
        rotation_degrees=90 * half_turns,
    )
    characters = sum(map(len, shown.texts))
    if has_no_characters(text_page, shown):
        reading.needs_ocr = True
    elif characters < SCAN_CHARACTERS:
        reading.needs_ocr = _is_scan(page, frame, characters)
    if not reading.needs_ocr and looks_enciphered(shown.texts):
        reading.needs_ocr = reading.is_doubtful = True
    if len(by_visibility.layer):
        reading.is_layer = reading.needs_ocr = True
        shown = words.where(~np.isin(words.firsts, by_visibility.hidden.firsts))
    reading.is_blank = not len(words) and not reading.needs_ocr
    _lay_out(reading, text_page, shown.where(~drawn_again(shown)), frame)
    return reading


def _lay_out(reading: PageReading, text_page: Any, words: PageWords, frame: PageFrame) -> None:
    """Put the page's text in reading order. Turned text comes last; a page of mostly turned text is turned upright."""
    is_turned = _turned(text_page, words, frame)
    if not is_turned.any():
        laid = lay_out(words.texts, words.boxes)
    else:
        turns = quarter_turns_of(text_page, int(words.firsts[is_turned][0]), frame) or 1
        if is_turned.sum() > len(words) / 2:
            laid = lay_out(words.texts, _turn(words.boxes, turns, frame.width, frame.height))
            if turns % 2:
                reading.width, reading.height = reading.height, reading.width
            reading.rotation_degrees = 90 * turns
        else:
            upright, aside = words.where(~is_turned), words.where(is_turned)
            laid = lay_out(upright.texts, upright.boxes)
            beside = lay_out(aside.texts, _turn(aside.boxes, turns, frame.width, frame.height))
            back = _turn(np.array(beside.boxes), (4 - turns) % 4, frame.height, frame.width)
            laid.append(beside.text, beside.spans, back.tolist())
    reading.laid, reading.text = laid, laid.text


def _turned(text_page: Any, words: PageWords, frame: PageFrame) -> NDArray[np.bool_]:
    """Which words are turned: words higher than wide, and if there are any, short words that pdfium calls turned."""
    sides = words.boxes[:, 2:] - words.boxes[:, :2]
    lengths = np.fromiter(map(len, words.texts), np.int64, len(words))
    is_turned: NDArray[np.bool_] = (lengths > 2) & (sides[:, 1] > TURNED * sides[:, 0])
    if is_turned.any():
        for index in np.flatnonzero(lengths <= 2).tolist():
            is_turned[index] = quarter_turns_of(text_page, int(words.firsts[index]), frame) % 2 == 1
    return is_turned


def _turn(boxes: Boxes, turns: int, width: float, height: float) -> Boxes:
    """The boxes after the page of that size has been turned clockwise."""
    x0, y0, x1, y1 = boxes.T
    match turns % 4:
        case 1:
            turned = (height - y1, x0, height - y0, x1)
        case 2:
            turned = (width - x1, height - y1, width - x0, height - y0)
        case 3:
            turned = (y0, width - x1, y1, width - x0)
        case _:
            turned = (x0, y0, x1, y1)
    return np.round(np.column_stack(turned), 1)


def _is_scan(page: Any, frame: PageFrame, characters: int) -> bool:
    """Whether a page with little text shows something that is not in its text."""
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


def _attributes(document: Any) -> dict[str, str]:
    """The document's properties and the names of attached files."""
    found: dict[str, str] = {}
    for name in METADATA:
        value = _attribute(partial(pdfium.FPDF_GetMetaText, document, name.encode()))
        if value:
            found[name.lower()] = value
    names = []
    for index in range(min(max(0, pdfium.FPDFDoc_GetAttachmentCount(document)), MAX_ATTACHMENTS_NAMED)):
        attachment = pdfium.FPDFDoc_GetAttachment(document, index)
        if attachment:
            names.append(_attribute(partial(pdfium.FPDFAttachment_GetName, attachment)))
    if any(names):
        found["attachments"] = ", ".join(filter(None, names))
    return found


def _attribute(fetch: Any) -> str:
    return clean(text_from(fetch)).strip()[:MAX_METADATA_CHARACTERS]
