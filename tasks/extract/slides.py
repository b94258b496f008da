"""Presentations by python-pptx: a page per slide, with tables and notes, then scans. Runs in a parser process."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from io import BytesIO
from typing import Any

import pptx
from lxml import etree
from PIL import Image
from pptx.exc import PythonPptxError
from pptx.package import Package
from pptx.shapes.picture import Picture

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.archive_types import MALFORMED_ZIP
from blocks.files.media_types import PPTX
from tasks.extract.pictures import draw_scan, pages_with_scans, scans_among
from tasks.extract.reading import PageReading, Reading, clean

MEDIA_TYPES = {
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow": "ppsx",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": "pptm",
}
VERSION = 3
PACKAGES = ("python-pptx",)
SETTINGS = ("ocr",)

ENGINE = f"python-pptx {version('python-pptx')}"
MALFORMED = (*MALFORMED_ZIP, PythonPptxError, etree.LxmlError, AttributeError, IndexError, TypeError)
MAX_DEPTH = 20


def warm_up() -> None:
    """Load the template that python-pptx reads at its first document, and every decoder of pictures."""
    Image.init()
    first = BytesIO()
    presentation = pptx.Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[0]).shapes[0].text_frame.text = "first"
    presentation.save(first)
    _opened(first.getvalue(), {"media_type": PPTX, "max_pages": 1})


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: media_type, max_pages. Raises `Corrupt`, `Empty` and `TooManyPages`."""
    pages, _ = _opened(content, arguments)
    if not pages:
        raise Empty("its slides have no text, and no picture of a page")
    return Reading(arguments["media_type"], ENGINE, pages).pack()


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A scan as a `GrayImage`, packed. Arguments: those of `blocks.files.pages.render`."""
    pages, scans = _opened(content, arguments)
    return draw_scan(scans, len(pages), arguments)


def _opened(content: bytes, arguments: Mapping[str, Any]) -> tuple[list[PageReading], list[bytes]]:
    """The pages, and the scans that the last of them show. Raises `Corrupt` and `TooManyPages`."""
    pages: list[PageReading] = []
    pictures: list[bytes] = []
    try:
        slides = list(Package.open(BytesIO(content)).presentation_part.presentation.slides)
        if len(slides) > arguments["max_pages"]:
            raise TooManyPages(len(slides), arguments["max_pages"])
        for number, slide in enumerate(slides, 1):
            texts = list(_texts(slide.shapes, pictures, 0))
            notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
            text = clean("\n".join(filter(str.strip, [*texts, notes.text if notes is not None else ""])))
            is_hidden = slide._element.get("show") in ("0", "false")
            pages.append(PageReading(number, hidden_text=text) if is_hidden else PageReading(number, text))
        scans = scans_among(pictures)
    except MALFORMED as error:
        raise Corrupt(arguments["media_type"], f"python-pptx says {error or type(error).__name__}") from error
    return pages_with_scans(pages, scans, arguments), scans


def _texts(shapes: Iterable[Any], pictures: list[bytes], depth: int) -> Iterator[str]:
    """The texts of shapes from top to bottom, those of groups and tables too; pictures are added to `pictures`."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes") and depth < MAX_DEPTH:
            yield from _texts(shape.shapes, pictures, depth + 1)
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield "  ".join(filter(None, (" ".join(cell.text.split()) for cell in row.cells)))
        elif shape.has_text_frame:
            yield shape.text_frame.text.replace("\v", "\n").strip()
        elif isinstance(shape, Picture) and shape._element.blip_rId is not None:  # a linked picture is not in the file
            pictures.append(shape.image.blob)
