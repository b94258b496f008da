"""Draws pages as JPEG for models. Runs in an isolated process."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pypdfium2
from PIL import Image

from blocks.files.image_pages import ImagePages  # noqa: F401 - loaded before the fork, while files can be read
from blocks.files.media_types import JPEG
from blocks.files.pages import open_pages
from blocks.files.pdf_pages import PdfPages  # noqa: F401 - as above
from blocks.records import PageImage

QUALITY = 85
HEAD = struct.Struct("!IIII")
"""Before each picture: page, width, height, size in bytes."""


def warm_up() -> None:
    """Load every codec, and pdfium: an isolated process may not be able to read our files."""
    Image.init()
    document = pypdfium2.PdfDocument.new()
    document.new_page(72, 72).render(scale=0.1).to_pil().convert("RGB").save(BytesIO(), "JPEG")
    document.close()


def draw(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The pictures, packed. Arguments: those of `open_pages`, pages (from 1), long_edge.

    Raises what `open_pages` and its pages raise.
    """
    with open_pages(content, arguments) as pages:
        count = pages.count
        numbers = (number for number in arguments["pages"] if number <= count)
        return b"".join(_packed(number, pages.picture(number, arguments["long_edge"])) for number in numbers)


def unpack(packed: bytes) -> Iterator[PageImage]:
    """The pictures that `draw` packed."""
    position = 0
    while position < len(packed):
        page, width, height, size = HEAD.unpack_from(packed, position)
        position += HEAD.size
        picture = packed[position : position + size]
        yield PageImage(page=page, media_type=JPEG, content=picture, width=width, height=height)
        position += size


def _packed(number: int, picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, "JPEG", quality=QUALITY)
    return HEAD.pack(number, picture.width, picture.height, target.tell()) + target.getvalue()
