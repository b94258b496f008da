"""The media type of a file, by its structure. A file name decides only between kinds of text that look alike.

Most formats begin with their signature. One that may stand elsewhere, or that a text may quote, does not count by
itself: the rest of the file has to be built as that format is.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from blocks.files import mailboxes
from blocks.files.archive_types import ole_type, zip_type
from blocks.files.encodings import sniff_text
from blocks.files.media_types import (
    AVIF,
    BINARY,
    BMP,
    EML,
    EMPTY,
    GIF,
    HEIC,
    HTML,
    IMAGES,
    JPEG,
    JPEG_2000,
    JSONL,
    MARKDOWN,
    MBOX,
    PDF,
    PNG,
    PNM,
    RTF,
    TEXT,
    TIFF,
    WEBP,
    ZIP,
)
from blocks.files.text_types import kind_of_text

HEAD_BYTES = 65_536
"""How much of a file is examined. Archives are examined by their own directories."""
PDF_MARK = b"%PDF-"
PDF_MARK_WITHIN = 1_024
"""Programs of the field find the header of a PDF behind as much as this: a line of HTTP, or what a scanner wrote."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51\x00", JPEG_2000),
    (b"{\\rtf", RTF),
    (b"%!PS", "application/postscript"),
    (b"\x7fELF", "application/x-executable"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
)

_BRANDS = {b"avif": AVIF, b"avis": AVIF} | dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), HEIC)
"""ISO/IEC 23008-12: what the file type box names. mif1 and msf1 say nothing of the coding, so a later brand decides."""
_PNM_HEADER = re.compile(rb"P([1-6])(?:\s+|\s*#[^\n]*\n)+(\d+)(?:\s+|\s*#[^\n]*\n)+(\d+)\s")
_PDF_OBJECT = re.compile(rb"\d+[ \r\n]+\d+[ \r\n]+obj\b")
_SIGNED_DATA = re.compile(rb"\x30[\x80-\x84].{0,4}\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", re.S)
"""DER of PKCS#7: a sequence whose first element is an object identifier below 1.2.840.113549.1.7."""


def media_type_of(content: bytes, name: str = "") -> str:
    """The media type of `content`; `name`, a path or URL, breaks ties between kinds of text.

    Never raises: unknown content is application/octet-stream. No parser may read the type.
    """
    if not content:
        return EMPTY
    head = content[:HEAD_BYTES]
    known = _by_signature(head) or (PNM if _is_pnm(head, len(content)) else None) or _by_container(content)
    if known is not None:
        return known
    suffix = PurePosixPath(name).suffix.lower()
    text = sniff_text(head)
    kind = None if text is None else kind_of_text(text, suffix, is_complete=len(content) <= HEAD_BYTES)
    if kind not in (EML, HTML) and _is_pdf_behind_junk(content, suffix):
        return PDF
    if kind == EML and mailboxes.is_mailbox(content):
        return MBOX
    return kind or _by_magic(head, name)


def _by_signature(head: bytes) -> str | None:
    start = head[:PDF_MARK_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x00")
    if start.startswith(PDF_MARK):
        return PDF
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    signed = next((media_type for signature, media_type in _SIGNATURES if head.startswith(signature)), None)
    return signed or next((media_type for is_so, media_type in _SHAPES if is_so(head)), None)


def _by_brand(head: bytes) -> str | None:
    size = min(int.from_bytes(head[:4], "big"), len(head), 256)
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, size, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _is_pnm(head: bytes, size_bytes: int) -> bool:
    """Whether a picture of the stated size follows the header: a text may begin with ``P4 10 2024``."""
    header = _PNM_HEADER.match(head[:1_024])
    if header is None:
        return False
    kind, width, height = int(header[1]), int(header[2]), int(header[3])
    rest = head[header.end() :]
    if kind <= 3:  # numbers as text
        return not rest[:256].strip(b"0123456789 \t\r\n#")
    raster, brightest = header.end(), 1
    if kind >= 5:
        maximum = re.match(rb"(\d+)\s", rest)
        if maximum is None:
            return False
        raster, brightest = raster + maximum.end(), int(maximum[1])
    row_bytes = (width + 7) // 8 if kind == 4 else width * (3 if kind == 6 else 1) * (2 if brightest > 255 else 1)
    return size_bytes - raster == height * row_bytes or sniff_text(head[raster:]) is None


def _is_program(head: bytes) -> bool:
    return head[:2] == b"MZ" and b"\x00" in head[:64]


_SHAPES: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", WEBP),
    (lambda head: head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00", BMP),
    (_is_program, "application/x-msdownload"),
    (lambda head: _SIGNED_DATA.match(head) is not None, "application/pkcs7-mime"),
)


def _by_container(content: bytes) -> str | None:
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return zip_type(content)
    if content[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return ole_type(content)
    return None


def _is_pdf_behind_junk(content: bytes, suffix: str) -> bool:
    """Whether a PDF begins behind a few other bytes, or has lost its beginning: its objects tell."""
    start = content.find(PDF_MARK, 0, PDF_MARK_WITHIN)
    if start >= 0:
        return _PDF_OBJECT.search(content, start, start + HEAD_BYTES) is not None
    return suffix == ".pdf" and (b"endobj" in content[:HEAD_BYTES] or b"startxref" in content[-HEAD_BYTES:])


def _by_magic(head: bytes, name: str) -> str:
    """The type that puremagic finds; never a type whose structure is known here, and was not found."""
    import puremagic

    try:
        found: str = puremagic.from_string(head, mime=True, filename=PurePosixPath(name).name or None)
    except (puremagic.PureError, ValueError, IndexError, UnicodeError):
        return BINARY
    return BINARY if not found or found in _STRUCTURED or found.startswith("text/") else found


_STRUCTURED = IMAGES | {PDF, EML, MBOX, HTML, TEXT, MARKDOWN, JSONL, ZIP}
