"""Draws pages as JPEG for models. Runs in an isolated process."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, TypedDict

import pypdfium2
from PIL import Image

from blocks.files.image_pages import ImagePages  # noqa: F401 - loaded before the fork, while files can be read
from blocks.files.pages import open_pages
from blocks.files.pdf_pages import PdfPages  # noqa: F401 - as above

QUALITY = 85
HEAD = struct.Struct("!IIII")
"""Before each picture: page, width, height, size in bytes."""


class Drawn(TypedDict):
    """A picture of a page; width and height in pixels."""

    page: int
    width: int
    height: int
    content: bytes


def warm_up() -> None:
    """Load every codec, and pdfium: an isolated process may not be able to read our files."""
    Image.init()
    document = pypdfium2.PdfDocument.new()
    document.new_page(72, 72).render(scale=0.1).to_pil().convert("RGB").save(BytesIO(), "JPEG")
    document.close()


def draw(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The pictures, packed. Arguments: media_type, passwords, max_pages, max_megapixels, pages (from 1), long_edge.

    Raises what `open_pages` and its pages raise.
    """
    packed = []
    with open_pages(
        content,
        arguments["media_type"],
        passwords=arguments["passwords"],
        max_pages=arguments["max_pages"],
        max_megapixels=arguments["max_megapixels"],
    ) as pages:
        count = pages.count
        for number in arguments["pages"]:
            if number > count:
                break
            packed.append(_packed(number, pages.picture(number, arguments["long_edge"])))
    return b"".join(packed)


def unpack(packed: bytes) -> Iterator[Drawn]:
    """The pictures that `draw` packed."""
    position = 0
    while position < len(packed):
        page, width, height, size = HEAD.unpack_from(packed, position)
        position += HEAD.size
        yield Drawn(page=page, width=width, height=height, content=packed[position : position + size])
        position += size


def _packed(number: int, picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, "JPEG", quality=QUALITY)
    return HEAD.pack(number, picture.width, picture.height, target.tell()) + target.getvalue()
