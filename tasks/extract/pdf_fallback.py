"""PDF by pypdf: for files that pdfium cannot open, and for the values of form fields. Runs in a parser process."""

import logging
from io import BytesIO
from typing import Any

import pypdf
from pydantic_core import to_json
from pypdf.errors import PyPdfError

from blocks.errors import Corrupt, Empty, Encrypted, TooManyPages
from blocks.files.media_types import PDF
from tasks.extract.reading import PageReading, Reading, clean, named_unread

ENGINE = f"pypdf {pypdf.__version__}"
MAX_FORM_FIELDS = 500
MAX_VALUE_CHARACTERS = 4_000

MALFORMED = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError)
"""What pypdf raises for a malformed file. RuntimeError: one that is nested too deep, or has an unknown filter."""


def warm_up() -> None:
    """Load what pypdf loads at its first document: a parser process may not be able to read our files."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file
    writer = pypdf.PdfWriter()
    writer.add_blank_page(72, 72)
    writer.encrypt("first", algorithm="AES-256")
    written = BytesIO()
    writer.write(written)
    _read_page(_opened(written.getvalue(), ["first"]), 1)
    form_values(written.getvalue(), {"passwords": ["first"]})


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` without word boxes, packed. Arguments: passwords, max_pages, cause (why pdfium did not).

    Raises `Encrypted`, `Corrupt`, `Empty` and `TooManyPages`.
    """
    try:
        reader = _opened(content, arguments["passwords"])
        count = len(reader.pages)
    except MALFORMED as error:
        raise Corrupt(PDF, f"{arguments['cause']}, pypdf says {error or type(error).__name__}") from error
    if count < 1:
        raise Empty("it has no pages")
    if count > arguments["max_pages"]:
        raise TooManyPages(count, arguments["max_pages"])
    pages = [_read_page(reader, number) for number in range(1, count + 1)]
    if not any(page is not None and page.text for page in pages):
        raise Corrupt(PDF, f"{arguments['cause']}, and pypdf finds no text in it")
    unread = [number for number, page in enumerate(pages, 1) if page is None]
    known = [page or PageReading(number, method="text_layer") for number, page in enumerate(pages, 1)]
    return Reading(PDF, ENGINE, known, named_unread(unread)).pack()


def form_values(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The form fields that have a value, as JSON by name. Arguments: passwords. Raises `Encrypted` and `Corrupt`."""
    values: dict[str, str] = {}
    try:
        fields = _opened(content, arguments["passwords"]).get_fields() or {}
        for name, found in list(fields.items())[:MAX_FORM_FIELDS]:
            value = found.get("/V")
            if value not in (None, ""):
                values[clean(str(name))] = clean(str(value))[:MAX_VALUE_CHARACTERS]
    except MALFORMED as error:
        raise Corrupt(PDF, f"of its form pypdf says {error or type(error).__name__}") from error
    return to_json(values)


def _opened(content: bytes, passwords: list[str]) -> pypdf.PdfReader:
    reader = pypdf.PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *passwords)):
        raise Encrypted(len(passwords))
    return reader


def _read_page(reader: pypdf.PdfReader, number: int) -> PageReading | None:
    """A page's text; None if pypdf cannot read the page."""
    try:
        page = reader.pages[number - 1]
        box = page.cropbox
        width, height = round(float(box.width), 2), round(float(box.height), 2)
        return PageReading(number, clean(page.extract_text()).strip(), "text_layer", width, height)
    except MALFORMED:
        return None
