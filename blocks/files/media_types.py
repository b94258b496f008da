"""The media type of a file, by its content. A file name decides only between kinds of text that look alike."""

import csv
import io
import json
import re
import zipfile
from itertools import islice
from pathlib import PurePosixPath

from blocks.files.encodings import sniff_text

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
GIF = "image/gif"
WEBP = "image/webp"
BMP = "image/bmp"
TEXT = "text/plain"
MARKDOWN = "text/markdown"
CSV = "text/csv"
JSONL = "application/jsonl"
HTML = "text/html"
EML = "message/rfc822"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EMPTY = "application/x-empty"
ENCRYPTED_OFFICE = "application/x-encrypted-office"
BINARY = "application/octet-stream"

IMAGES = frozenset({PNG, JPEG, TIFF, GIF, WEBP, BMP})
TABLES = frozenset({CSV, JSONL})
SUPPORTED = IMAGES | TABLES | {PDF, TEXT, MARKDOWN, HTML, EML, DOCX}

HEAD_BYTES = 65_536
"""How much of a file is examined. Only zip archives are examined from their end."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
)

_ZIP_MEMBERS: tuple[tuple[str, str], ...] = (
    ("word/document.xml", DOCX),
    ("xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
    ("ppt/presentation.xml", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)

_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("EncryptedPackage", ENCRYPTED_OFFICE),
)

_MAIL_HEADERS = frozenset(
    """
    from to cc bcc subject date received return-path message-id mime-version content-type content-transfer-encoding
    reply-to in-reply-to references sender x-mailer delivered-to resent-from resent-to errors-to newsgroups
    """.split()  # noqa: SIM905 - a list of literals would take thirty lines
)
_HEADER_LINE = re.compile(r"([!-9;-~]+):(?:[ \t]|$)")
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_HTML_TAG = re.compile(r"<(?:html|head|body|table|div|p|span|br|a|h[1-6])\b[^>]*>", re.I)
_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".psv", ".tab"})
_TEXT_SUFFIXES = frozenset({".txt", ".text", ".log", ".md", ".markdown"})
_DELIMITERS = ",;\t|"


def media_type_of(content: bytes, name: str = "") -> str:
    """The media type of `content`; `name`, a path or URL, breaks ties between kinds of text.

    Never raises: unknown content is application/octet-stream. The type may be one that is not `SUPPORTED`.
    """
    if not content:
        return EMPTY
    head = content[:HEAD_BYTES]
    signed = _by_signature(head) or _in_container(content, head)
    if signed is not None:
        return signed
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".pdf" and (b"endobj" in head or b"startxref" in content[-HEAD_BYTES:]):
        return PDF
    text = sniff_text(head)
    if text is None:
        return _by_magic(head, name)
    return _kind_of_text(text, suffix, is_complete=len(content) <= HEAD_BYTES)


def _by_signature(head: bytes) -> str | None:
    if b"%PDF-" in head[:1024]:
        return PDF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        return BMP
    return next((media_type for signature, media_type in _SIGNATURES if head.startswith(signature)), None)


def _in_container(content: bytes, head: bytes) -> str | None:
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _in_zip(content)
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return _in_ole(content)
    return None


def _in_zip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return archive.read("mimetype").decode("ascii", "replace").strip()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError):
        # The local headers of a damaged archive still name its members.
        names = {member for member, _ in _ZIP_MEMBERS if member.encode() in content}
    for member, media_type in _ZIP_MEMBERS:
        if member in names:
            return media_type
    return "application/zip"


def _in_ole(content: bytes) -> str:
    for stream, media_type in _OLE_STREAMS:
        if stream.encode("utf-16-le") in content:
            return media_type
    return "application/x-ole-storage"


def _by_magic(head: bytes, name: str) -> str:
    import puremagic

    try:
        found: str = puremagic.from_string(head, mime=True, filename=PurePosixPath(name).name or None)
    except (puremagic.PureError, ValueError, IndexError, UnicodeError):
        return BINARY
    return BINARY if not found or found in SUPPORTED else found


def _kind_of_text(text: str, suffix: str, *, is_complete: bool) -> str:
    if _is_mail(text, suffix):
        return EML
    if _HTML_START.match(text) or (suffix in (".html", ".htm", ".xhtml") and _HTML_TAG.search(text)):
        return HTML
    if text.lstrip().startswith("<?xml"):
        return "application/xml"
    json_kind = _json_kind(text, suffix, is_complete=is_complete)
    if json_kind is not None:
        return json_kind
    if suffix in _TABLE_SUFFIXES or (suffix not in _TEXT_SUFFIXES and _is_table(text, is_complete=is_complete)):
        return CSV
    return MARKDOWN if suffix in (".md", ".markdown") else TEXT


def _is_mail(text: str, suffix: str) -> bool:
    """Whether the text begins with a block of mail headers: two known headers, or one where the name ends in .eml."""
    lines = text.split("\n", 100)[:100]
    if lines and lines[0].startswith(("From ", ">From ")):
        lines = lines[1:]
    known = 0
    for position, line in enumerate(lines):
        if not line.strip():
            break
        if line[0] in " \t" and position > 0:
            continue
        header = _HEADER_LINE.match(line.rstrip("\r"))
        if header is None:
            if suffix != ".eml":
                return False
            break
        known += header[1].lower() in _MAIL_HEADERS
    return known >= (1 if suffix == ".eml" else 2)


def _json_kind(text: str, suffix: str, *, is_complete: bool) -> str | None:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    lines = [line for line in text.split("\n") if line.strip()]
    if not is_complete:
        lines = lines[:-1]
    if suffix in (".jsonl", ".ndjson") and lines and _is_json(lines[0]):
        return JSONL
    if len(lines) > 1 and all(_is_json(line) for line in lines[:5]):
        return JSONL
    return "application/json" if not is_complete or _is_json(text) else None


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_table(text: str, *, is_complete: bool) -> bool:
    """Whether at least three lines, and nearly all lines, have the same number of cells."""
    delimiter = delimiter_of(text)
    lines = text.splitlines() if is_complete else text.splitlines()[:-1]
    try:
        widths = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), 50) if row]
    except csv.Error:
        return False
    if len(widths) < 3 or widths[0] < 2:
        return False
    return sum(width == widths[0] for width in widths) >= 0.95 * len(widths)


def delimiter_of(text: str) -> str:
    """The delimiter of a table's text that the first lines agree on best; a comma if they agree on none."""
    lines = [line for line in islice(text.splitlines(), 20) if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        header = counts[0] if counts else 0
        return sum(count == header and header > 0 for count in counts), header

    best = max(_DELIMITERS, key=agreement)
    return best if agreement(best)[1] else ","
