"""docx: paragraphs and tables in order, headers, footers, notes, hidden text, and scans. Runs in a parser process.

python-docx opens the package. Its text is walked here, because python-docx omits inserted text, text boxes and content
controls.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BytesIO
from typing import Any

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.opc.part import PartFactory
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from docx.package import Package
from docx.parts.document import DocumentPart
from lxml import etree
from PIL import Image

from blocks.errors import Corrupt, Empty
from blocks.files.archive_types import MALFORMED_ZIP
from blocks.files.media_types import DOCX
from tasks.extract.pictures import draw_scan, pages_with_scans, scans_among
from tasks.extract.reading import PageReading, Reading, clean, text_pages

MEDIA_TYPES = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template": "dotx",
    "application/vnd.ms-word.document.macroenabled.12": "docm",
}
VERSION = 4
PACKAGES = ("python-docx",)
SETTINGS = ("ocr",)

ENGINE = f"python-docx {version('python-docx')}"
MALFORMED = (*MALFORMED_ZIP, OpcError, etree.LxmlError, AttributeError, IndexError, TypeError)
_AN_ADDRESS = re.compile(r" '<[^>]* at 0x[0-9a-f]+>'")
"""python-docx names its buffer by the address in memory, which changes with every reading."""
TINY_HALF_POINTS = 4
PROPERTIES = ("title", "author", "subject", "keywords")

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT, _TAB, _BREAK, _RETURN, _HYPHEN = qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:noBreakHyphen")
_RUN, _DELETED, _RENDERED_BREAK = qn("w:r"), qn("w:del"), qn("w:lastRenderedPageBreak")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MOVED_FROM = qn("w:moveFrom")
_VALUE, _KIND = qn("w:val"), qn("w:type")
_PICTURE, _OLD_PICTURE = qn("a:blip"), "{urn:schemas-microsoft-com:vml}imagedata"

for _main in (
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
):
    PartFactory.part_type_for[_main] = DocumentPart
"""python-docx refuses templates and documents with macros, which it reads as well as others. No macro is run."""


@dataclass(slots=True)
class _Walk:
    """The hidden text so far, and whether rendered breaks separate pages."""

    by_rendered_breaks: bool
    hidden: list[str] = field(default_factory=list)


def warm_up() -> None:
    """Load the template that python-docx reads at its first document, and every decoder of pictures."""
    Image.init()
    first = BytesIO()
    docx.Document().save(first)
    _opened(first.getvalue(), {"media_type": DOCX, "max_pages": 1})


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Its pages are those that Word showed last, then its scans. Arguments: media_type, max_pages.

    Raises `Corrupt`, `Empty` and `TooManyPages`.
    """
    pages, _, attributes = _opened(content, arguments)
    if not pages:
        raise Empty("it has no text, and no picture of a page")
    return Reading(arguments["media_type"], ENGINE, pages, attributes).pack()


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A scan as a `GrayImage`, packed. Arguments: those of `blocks.files.pages.render`."""
    pages, scans, _ = _opened(content, arguments)
    return draw_scan(scans, len(pages), arguments)


def _opened(content: bytes, arguments: Mapping[str, Any]) -> tuple[list[PageReading], list[bytes], dict[str, str]]:
    """The pages, the scans that the last of them show, and the properties. Raises as `read`."""
    try:
        document = Package.open(BytesIO(content)).main_document_part.document
        body = document.element.body
        walk = _Walk(next(body.iter(_RENDERED_BREAK), None) is not None)
        text = "\n".join(_blocks(body, walk))
        header, footer = _margins(document, walk)
        notes = _notes(document, walk)
        scans = scans_among(_pictures(document))
        properties = document.core_properties
        attributes = {name: clean(str(getattr(properties, name) or "")) for name in PROPERTIES}
    except MALFORMED as error:
        reason = _AN_ADDRESS.sub("", str(error))
        raise Corrupt(arguments["media_type"], f"python-docx says {reason or type(error).__name__}") from error
    pages = [page.strip("\n") for page in clean(text).split("\f")]
    pages = [page for page in pages if page.strip()] or [""]
    pages[0] = "\n".join(filter(None, (clean(header), pages[0])))
    pages[-1] = "\n".join(filter(None, (pages[-1], clean(notes), clean(footer))))
    readings = text_pages(pages)
    readings[0].hidden_text = clean("\n".join(filter(str.strip, walk.hidden)))
    known = {name: value for name, value in attributes.items() if value}
    return pages_with_scans(readings, scans, arguments), scans, known


def _margins(document: Any, walk: _Walk) -> tuple[str, str]:
    """Headers and footers of all sections as far as Word shows them, each text once."""
    headers: list[str] = []
    footers: list[str] = []
    has_even = document.settings.odd_and_even_pages_header_footer
    for section in document.sections:
        has_first = section.different_first_page_header_footer
        shown = [(section.first_page_header, headers), (section.first_page_footer, footers)] if has_first else []
        shown += [(section.header, headers), (section.footer, footers)]
        shown += [(section.even_page_header, headers), (section.even_page_footer, footers)] if has_even else []
        for part, found in shown:
            if not part.is_linked_to_previous:
                found.append("\n".join(_blocks(part._element, walk)).strip())
    return "\n".join(dict.fromkeys(filter(None, headers))), "\n".join(dict.fromkeys(filter(None, footers)))


def _notes(document: Any, walk: _Walk) -> str:
    """Footnotes and endnotes in order, without the lines that separate them from the text."""
    found: list[str] = []
    for kind, tag in ((RELATIONSHIP_TYPE.FOOTNOTES, qn("w:footnote")), (RELATIONSHIP_TYPE.ENDNOTES, qn("w:endnote"))):
        for relationship in document.part.rels.values():
            if relationship.reltype == kind and not relationship.is_external:
                notes = parse_xml(relationship.target_part.blob)
                found += ["\n".join(_blocks(note, walk)).strip() for note in notes.iter(tag) if note.get(_KIND) is None]
    return "\n".join(filter(None, found))


def _pictures(document: Any) -> Iterator[bytes]:
    """The pictures of the body in order, also those of old files."""
    for element in document.element.body.iter(_PICTURE, _OLD_PICTURE):
        part = document.part.related_parts.get(element.get(qn("r:embed")) or element.get(qn("r:id")))
        if part is not None:
            yield part.blob


def _blocks(container: Any, walk: _Walk) -> Iterator[str]:
    """Lines of paragraphs and table rows in order, through content controls and the like."""
    for child in container:
        if child.tag == _PARAGRAPH:
            yield _paragraph(child, walk)
        elif child.tag == _TABLE:
            for row in child.iter(_ROW):
                if next(row.iterancestors(_TABLE)) is child:
                    yield _row(row, walk)
        elif child.tag not in (_DELETED, _MOVED_FROM, _FALLBACK) and isinstance(child.tag, str):
            yield from _blocks(child, walk)


def _row(row: Any, walk: _Walk) -> str:
    """A table's row on a single line, cells two spaces apart."""
    cells = (cell for cell in row.iter(_CELL) if next(cell.iterancestors(_ROW)) is row)
    texts = (" ".join(" ".join(_blocks(cell, walk)).split()) for cell in cells)
    return "  ".join(text for text in texts if text)


def _paragraph(paragraph: Any, walk: _Walk) -> str:
    pieces: list[str] = []
    boxes: list[str] = []
    _walk_inline(paragraph, walk, pieces, boxes)
    return "\n".join(filter(None, ("".join(pieces), *boxes)))


def _walk_inline(element: Any, walk: _Walk, pieces: list[str], boxes: list[str]) -> None:
    for child in element:
        tag = child.tag
        if tag in (_DELETED, _MOVED_FROM, _FALLBACK):
            continue
        if tag == _RUN and _is_hidden(child):
            walk.hidden.append("".join(text.text or "" for text in child.iter(_TEXT)))
        elif tag == _PARAGRAPH:
            boxes.append(_paragraph(child, walk))  # of a text box that is anchored here
        elif tag == _TEXT:
            pieces.append(child.text or "")
        elif tag == _TAB and element.tag == _RUN:
            pieces.append("  ")
        elif tag == _RENDERED_BREAK:
            pieces.append("\f")
        elif tag in (_BREAK, _RETURN):
            is_page = child.get(_KIND) == "page"
            pieces.append("\f" if is_page and not walk.by_rendered_breaks else "\n")
        elif tag == _HYPHEN:
            pieces.append("-")
        elif isinstance(tag, str):
            _walk_inline(child, walk, pieces, boxes)


def _is_hidden(run: Any) -> bool:
    """Whether text is vanished, white and not shaded, or of two points or less."""
    properties = run.find(qn("w:rPr"))
    if properties is None:
        return False
    vanish = properties.find(qn("w:vanish"))
    if vanish is not None and vanish.get(_VALUE, "true") not in ("0", "false", "off"):
        return True
    size = properties.find(qn("w:sz"))
    if size is not None and size.get(_VALUE, "").isdigit() and int(size.get(_VALUE)) <= TINY_HALF_POINTS:
        return True
    colour = properties.find(qn("w:color"))
    if colour is None or colour.get(_VALUE, "").upper() != "FFFFFF":
        return False
    around = [run, *run.iterancestors(_PARAGRAPH, _CELL, _TABLE)]
    return not any(next(part.iter(qn("w:shd"), qn("w:highlight")), None) is not None for part in around)
