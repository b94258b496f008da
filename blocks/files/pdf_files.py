"""The files that are attached to a PDF, or that a portfolio holds, by pdfium."""

import ctypes
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pypdfium2.raw as pdfium

from blocks.files.pdf_pages import open_pdf, text_from

MAX_PAGES_WITH_NOTES = 500
MAX_NAME_CHARACTERS = 200


def warm_up() -> None:
    """Prepare pdfium before processes are forked."""
    pdfium.FPDF_InitLibrary()


def files_of(content: bytes, passwords: Sequence[str], limit: int) -> list[tuple[str, bytes]]:
    """Name and bytes of up to `limit` files: those of the document, and those that notes on its pages hold.

    Raises `Encrypted` and `Corrupt`.
    """
    with open_pdf(content, passwords) as document:
        found: dict[tuple[str, bytes], None] = {}
        for attachment in _attachments(document):
            file = _bytes_of(attachment)
            if file is not None:
                found[_name_of(attachment), file] = None
            if len(found) >= limit:
                break
        return list(found)


def _attachments(document: Any) -> Iterator[Any]:
    """pdfium's handles of attachments; valid until the next is asked for."""
    for index in range(max(0, pdfium.FPDFDoc_GetAttachmentCount(document))):
        attachment = pdfium.FPDFDoc_GetAttachment(document, index)
        if attachment:
            yield attachment
    for number in range(min(max(0, pdfium.FPDF_GetPageCount(document)), MAX_PAGES_WITH_NOTES)):
        page = pdfium.FPDF_LoadPage(document, number)
        if not page:
            continue
        try:
            yield from _of_notes(page)
        finally:
            pdfium.FPDF_ClosePage(page)


def _of_notes(page: Any) -> Iterator[Any]:
    for index in range(max(0, pdfium.FPDFPage_GetAnnotCount(page))):
        note = pdfium.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        try:
            if pdfium.FPDFAnnot_GetSubtype(note) == pdfium.FPDF_ANNOT_FILEATTACHMENT:
                attachment = pdfium.FPDFAnnot_GetFileAttachment(note)
                if attachment:
                    yield attachment
        finally:
            pdfium.FPDFPage_CloseAnnot(note)


def _name_of(attachment: Any) -> str:
    name = text_from(partial(pdfium.FPDFAttachment_GetName, attachment))
    return " ".join(name.replace("/", "_").replace("\\", "_").split())[:MAX_NAME_CHARACTERS]


def _bytes_of(attachment: Any) -> bytes | None:
    size = ctypes.c_ulong()
    if not pdfium.FPDFAttachment_GetFile(attachment, None, 0, size):
        return None
    buffer = ctypes.create_string_buffer(max(1, size.value))
    if not pdfium.FPDFAttachment_GetFile(attachment, buffer, size.value, size):
        return None
    return buffer.raw[: size.value]
