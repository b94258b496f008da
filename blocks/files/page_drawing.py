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
_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
"""Pillow turns the other way."""
HEAD = struct.Struct("!IIII")
"""Before each picture: page, width, height, size in bytes."""


def warm_up() -> None:
    """Load every codec, and pdfium: an isolated process may not be able to read our files."""
    Image.init()
    document = pypdfium2.PdfDocument.new()
    document.new_page(72, 72).render(scale=0.1).to_pil().convert("RGB").save(BytesIO(), "JPEG")
    document.close()


def draw(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The pictures, packed. Arguments: those of `open_pages`, pages (from 1), long_edge,
    turned: the degrees by which the pages are turned clockwise, in quarters and then in parts of one.

    Raises what `open_pages` and its pages raise.
    """
    with open_pages(content, arguments) as pages:
        count = pages.count
        numbers = (number for number in arguments["pages"] if number <= count)
        drawn = ((number, pages.picture(number, arguments["long_edge"])) for number in numbers)
        return b"".join(_packed(number, _turned(picture, *arguments["turned"])) for number, picture in drawn)


def unpack(packed: bytes) -> Iterator[PageImage]:
    """The pictures that `draw` packed."""
    position = 0
    while position < len(packed):
        page, width, height, size = HEAD.unpack_from(packed, position)
        position += HEAD.size
        picture = packed[position : position + size]
        yield PageImage(page=page, media_type=JPEG, content=picture, width=width, height=height)
        position += size


def _turned(picture: Image.Image, quarters: int, further: float) -> Image.Image:
    """The picture enlarged, in white, so that no corner is cut."""
    if quarters:
        picture = picture.transpose(_QUARTERS[quarters])
    if further:
        picture = picture.convert("RGB")
        picture = picture.rotate(-further, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))
    return picture


def _packed(number: int, picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, "JPEG", quality=QUALITY)
    return HEAD.pack(number, picture.width, picture.height, target.tell()) + target.getvalue()
