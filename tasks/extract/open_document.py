"""OpenDocument texts and presentations: paragraphs and tables in order, notes, headers, footers, hidden text, scans.

The format is XML in a zip archive (OASIS OpenDocument 1.3), which is walked here: the library for it, odfpy, has had no
release since 2020. Runs in a parser process.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from lxml import etree
from PIL import Image

from blocks.errors import Corrupt, Empty, Encrypted
from blocks.files.archive_types import MALFORMED_ZIP
from tasks.extract.pictures import draw_scan, pages_with_scans, scans_among
from tasks.extract.reading import PageReading, Reading, clean, text_pages

MEDIA_TYPES = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "ott",
    "application/vnd.oasis.opendocument.presentation": "odp",
}
VERSION = 2
PACKAGES = ("lxml",)
SETTINGS = ("ocr",)

ENGINE = f"lxml {etree.__version__}"
MAX_REPEATED = 1_000
_NAMES = {
    name: f"urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"
    for name, full in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "presentation": "presentation",
        "manifest": "manifest",
    }.items()
}
_SKIPPED = ("text:tracked-changes", "office:annotation", "presentation:notes", "text:note-citation", "office:forms")


def _tag(name: str) -> str:
    room, _, local = name.partition(":")
    return f"{{{_NAMES[room]}}}{local}"


_PARAGRAPHS = (_tag("text:p"), _tag("text:h"))
_ROW, _CELLS = _tag("table:table-row"), (_tag("table:table-cell"), _tag("table:covered-table-cell"))
_SPACE, _TAB, _BREAK, _PAGE = _tag("text:s"), _tag("text:tab"), _tag("text:line-break"), _tag("text:soft-page-break")
_NOTE, _SLIDE, _IMAGE, _SPAN = _tag("text:note"), _tag("draw:page"), _tag("draw:image"), _tag("text:span")
_UNSHOWN = frozenset(map(_tag, _SKIPPED))
_HREF = "{http://www.w3.org/1999/xlink}href"


@dataclass(slots=True)
class _Walk:
    """The names of styles that hide text, the notes and the hidden text so far."""

    hiding: frozenset[str]
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def warm_up() -> None:
    """Load every decoder of pictures: a parser process may not be able to read our files."""
    Image.init()
    first = BytesIO()
    with ZipFile(first, "w") as archive:
        archive.writestr("content.xml", "<a><b>first</b></a>")
    _opened(first.getvalue(), {"media_type": "", "max_pages": 1})


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: media_type, max_pages.

    Raises `Corrupt`, `Encrypted`, `Empty` and `TooManyPages`.
    """
    pages, _ = _opened(content, arguments)
    if not pages:
        raise Empty("it has no text, and no picture of a page")
    return Reading(arguments["media_type"], ENGINE, pages).pack()


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A scan as a `GrayImage`, packed. Arguments: those of `blocks.files.pages.render`."""
    pages, scans = _opened(content, arguments)
    return draw_scan(scans, len(pages), arguments)


def _opened(content: bytes, arguments: Mapping[str, Any]) -> tuple[list[PageReading], list[bytes]]:
    """The pages, and the scans that the last of them show. Raises `Corrupt`, `Encrypted` and `TooManyPages`."""
    try:
        with ZipFile(BytesIO(content)) as archive:
            if _is_encrypted(archive):
                raise Encrypted(0)
            body, styles = _xml(archive, "content.xml"), _xml(archive, "styles.xml")
            walk = _Walk(_hiding_styles(body, styles))
            text = "\n".join(_blocks(body, walk))
            header, footer = (_margin(styles, name, walk) for name in ("header", "footer"))
            links = [image.get(_HREF, "") for image in body.iter(_IMAGE)]
            members = {member.filename for member in archive.infolist()}
            scans = scans_among(archive.read(link) for link in links if link in members)
    except (*MALFORMED_ZIP, etree.LxmlError) as error:
        raise Corrupt(arguments["media_type"], str(error) or type(error).__name__) from error
    pages = [page.strip("\n") for page in clean(text).split("\f")]
    pages = [page for page in pages if page.strip()] or [""]
    pages[0] = "\n".join(filter(None, (header, pages[0])))
    pages[-1] = "\n".join(filter(None, (pages[-1], *map(clean, walk.notes), footer)))
    readings = text_pages(pages)
    readings[0].hidden_text = clean("\n".join(filter(str.strip, walk.hidden)))
    return pages_with_scans(readings, scans, arguments), scans


def _xml(archive: ZipFile, member: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    if member not in archive.namelist():
        return etree.Element("none")
    return etree.fromstring(archive.read(member), parser)


def _is_encrypted(archive: ZipFile) -> bool:
    manifest = _xml(archive, "META-INF/manifest.xml")
    return next(manifest.iter(_tag("manifest:encryption-data")), None) is not None


def _hiding_styles(*trees: Any) -> frozenset[str]:
    return frozenset(
        style.get(_tag("style:name"), "")
        for tree in trees
        for style in tree.iter(_tag("style:style"))
        if any(
            properties.get(_tag("text:display")) == "none" for properties in style.iter(_tag("style:text-properties"))
        )
    )


def _margin(styles: Any, kind: str, walk: _Walk) -> str:
    """The headers or footers of all page styles, each text once; those of first and of left pages too."""
    names = (f"style:{kind}", f"style:{kind}-first", f"style:{kind}-left")
    found = ["\n".join(_blocks(margin, walk)).strip() for name in names for margin in styles.iter(_tag(name))]
    return clean("\n".join(dict.fromkeys(filter(None, found))))


def _blocks(container: Any, walk: _Walk) -> Iterator[str]:
    """Lines of paragraphs and table rows in order; a form feed before each slide but the first."""
    for child in container:
        if child.tag in _PARAGRAPHS:
            yield _paragraph(child, walk)
        elif child.tag == _ROW:
            yield _row(child, walk)
        elif child.tag == _PAGE:
            yield "\f"
        elif child.tag == _SLIDE:
            yield "\n".join(_blocks(child, walk)) + "\f"
        elif isinstance(child.tag, str) and child.tag not in _UNSHOWN:
            yield from _blocks(child, walk)


def _row(row: Any, walk: _Walk) -> str:
    cells = (" ".join(" ".join(_blocks(cell, walk)).split()) for cell in row if cell.tag in _CELLS)
    return "  ".join(filter(None, cells))


def _paragraph(paragraph: Any, walk: _Walk) -> str:
    pieces: list[str] = []
    boxes: list[str] = []
    if paragraph.get(_tag("text:style-name")) in walk.hiding:
        walk.hidden.append("".join(paragraph.itertext()))
        return ""
    _walk_inline(paragraph, walk, pieces, boxes)
    return "\n".join(filter(None, ("".join(pieces), *boxes)))


def _walk_inline(element: Any, walk: _Walk, pieces: list[str], boxes: list[str]) -> None:
    pieces.append(_words(element.text))
    for child in element:
        if child.tag == _SPACE:
            pieces.append(" " * min(int(child.get(_tag("text:c"), 1)), MAX_REPEATED))
        elif child.tag == _TAB:
            pieces.append("  ")
        elif child.tag == _BREAK:
            pieces.append("\n")
        elif child.tag == _PAGE:
            pieces.append("\f")
        elif child.tag == _NOTE:
            walk.notes += _blocks(child, walk)
        elif child.tag == _SPAN and child.get(_tag("text:style-name")) in walk.hiding:
            walk.hidden.append("".join(child.itertext()))
        elif child.tag in _PARAGRAPHS or child.tag == _ROW:
            boxes += _blocks([child], walk)  # of a text box that is anchored here
        elif isinstance(child.tag, str) and child.tag not in _UNSHOWN:
            _walk_inline(child, walk, pieces, boxes)
        pieces.append(_words(child.tail))


def _words(text: str | None) -> str:
    """A text whose white space counts once, as the format says."""
    if not text:
        return ""
    squeezed = " ".join(text.split())
    return f"{' ' if text[0].isspace() else ''}{squeezed}{' ' if text[-1].isspace() and squeezed else ''}"
