"""The media types of zip archives and of OLE compound files, by the directory of what is in them."""

import io
import lzma
import re
import zipfile
import zlib

from blocks.files.media_types import DOC, DOCX, ENCRYPTED_OFFICE, MSG, PPT, PPTX, XLS, XLSB, XLSX, ZIP

CONTENT_TYPES = "[Content_Types].xml"
MAX_LISTED_BYTES = 1_000_000
MAX_MEDIA_TYPE_CHARACTERS = 200

_MAIN_PART = re.compile(rb"ContentType\s*=\s*[\"'](application/[\w.+-]+?)\.main(\+xml)?[\"']")
"""ECMA-376, part 2: each part's content type. That of the main part is the package's media type and ``.main+xml``."""
_OPEN_XML, _MICROSOFT = "application/vnd.openxmlformats-officedocument.", "application/vnd.ms-"
_MEMBERS: tuple[tuple[str, str], ...] = (
    ("word/document.xml", DOCX),
    ("xl/workbook.xml", XLSX),
    ("xl/workbook.bin", XLSB),
    ("ppt/presentation.xml", PPTX),
)
_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(..)..", re.S)

_STREAMS: tuple[tuple[str, str], ...] = (
    ("__properties_version1.0", MSG),
    ("WordDocument", DOC),
    ("PowerPoint Document", PPT),
    ("Workbook", XLS),
    ("Book", XLS),
    ("EncryptedPackage", ENCRYPTED_OFFICE),
)

MALFORMED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(ValueError, OSError, RuntimeError, KeyError, IndexError),
)
"""What zipfile raises for a malformed, encrypted or unusual archive. KeyError: a member that the directory lacks;
IndexError: one without a name."""


def zip_type(content: bytes) -> str:
    """What a zip archive is: the type that it states, that of its main part, or a plain archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            stated = _stated(archive, names)
    except MALFORMED_ZIP:
        # The headers before each member of a damaged archive still name it.
        names, stated = set(_local_names(content)), None
    return stated or next((media_type for member, media_type in _MEMBERS if member in names), ZIP)


def _stated(archive: zipfile.ZipFile, names: set[str]) -> str | None:
    if "mimetype" in names and archive.getinfo("mimetype").file_size <= MAX_MEDIA_TYPE_CHARACTERS:
        return archive.read("mimetype").decode("ascii", "replace").strip().lower() or None
    if CONTENT_TYPES not in names:
        return None
    with archive.open(CONTENT_TYPES) as file:
        listed = file.read(MAX_LISTED_BYTES)
    for found in _MAIN_PART.finditer(listed):
        main = found[1].decode()
        if main.startswith(_OPEN_XML):
            return main
        if main.startswith(_MICROSOFT):
            return f"{main.lower()}.12"  # with macros; as they are registered
    return None


def _local_names(content: bytes) -> list[str]:
    names = []
    for header in _LOCAL_HEADER.finditer(content):
        length = int.from_bytes(header[1], "little")
        names.append(content[header.end() : header.end() + length].decode("utf-8", "replace"))
    return names


def ole_type(content: bytes) -> str:
    """What a compound file is, by the streams in its root. What is embedded in it stands in folders of its own."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(content)) as opened:
            names = {path[0] for path in opened.listdir(streams=True, storages=False) if len(path) == 1}
    except (OSError, ValueError, IndexError, TypeError, AttributeError, RecursionError, MemoryError):
        names = {name for name, _ in _STREAMS if name.encode("utf-16-le") in content}  # a damaged directory
    return next((media_type for stream, media_type in _STREAMS if stream in names), "application/x-ole-storage")
