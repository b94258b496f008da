"""Draws pages as JPEG, in the isolated process: by pdfium for PDF, by Pillow for images."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, TypedDict

import pypdfium2
from PIL import Image, ImageOps, UnidentifiedImageError

from blocks.errors import Corrupt, Encrypted, TooLarge
from blocks.files.media_types import PDF

QUALITY = 85
MEGA = 1_000_000
HEAD = struct.Struct("!IIII")
"""Before each picture: page, width, height, bytes."""
NEW_SUBFILE_TYPE, REDUCED_COPY = 254, 1
"""TIFF 6.0, section 8: bit 0 marks a reduced copy of another page, which is no page of its own."""
LARGEST_SCALE = 4.0
"""288 dpi: a small page is not drawn larger than its letters need."""
MALFORMED = (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError, IndexError, EOFError)
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before a pixel is decoded, with an error of our own


class Drawn(TypedDict):
    """A picture of a page; width and height in pixels."""

    page: int
    width: int
    height: int
    content: bytes


def warm_up() -> None:
    """Load every codec, and pdfium: a child may not be able to read our files."""
    Image.init()
    document = pypdfium2.PdfDocument.new()
    document.new_page(72, 72).render(scale=0.1).to_pil().convert("RGB").save(BytesIO(), "JPEG")
    document.close()


def draw_pdf(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The pictures, packed. Arguments: passwords, pages (from 1), long_edge. Raises `Encrypted` and `Corrupt`."""
    document = _opened(content, arguments["passwords"])
    packed = []
    for number in arguments["pages"]:
        if number > len(document):
            break
        try:
            page = document[number - 1]
            scale = min(LARGEST_SCALE, arguments["long_edge"] / max(*page.get_size(), 1.0))
            image = page.render(scale=scale, draw_annots=True).to_pil()
        except pypdfium2.PdfiumError as error:
            raise Corrupt(PDF, f"page {number} cannot be drawn: {error}") from error
        packed.append(_packed(number, image, arguments["long_edge"]))
    return b"".join(packed)


def draw_image(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The pictures, packed. Arguments: media_type, pages (from 1), long_edge, max_megapixels.

    Raises `Corrupt` and `TooLarge`.
    """
    wanted, packed = set(arguments["pages"]), []
    try:
        with Image.open(BytesIO(content)) as image:
            for number, _ in enumerate(_frames(image, arguments["max_megapixels"]), 1):
                if number in wanted:
                    packed.append(_packed(number, ImageOps.exif_transpose(image), arguments["long_edge"]))
                if number >= max(wanted, default=0):
                    break
    except UnidentifiedImageError as error:
        raise Corrupt(arguments["media_type"], "it is not an image that Pillow knows") from error
    except MALFORMED as error:
        raise Corrupt(arguments["media_type"], f"Pillow says {error or type(error).__name__}") from error
    return b"".join(packed)


def unpack(packed: bytes) -> Iterator[Drawn]:
    """The pictures out of what a child gave."""
    place = 0
    while place < len(packed):
        page, width, height, size = HEAD.unpack_from(packed, place)
        place += HEAD.size
        yield Drawn(page=page, width=width, height=height, content=packed[place : place + size])
        place += size


def _opened(content: bytes, passwords: list[str]) -> pypdfium2.PdfDocument:
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(content, password=password)
        except pypdfium2.PdfiumError as error:
            if "password" not in str(error).lower():
                raise Corrupt(PDF, f"pdfium says {error}") from error
    raise Encrypted(len(passwords))


def _frames(image: Image.Image, max_megapixels: int) -> Iterator[int]:
    """Seek one page after the other; an animation is one page, and a reduced copy is none."""
    is_animation = image.format in ("GIF", "WEBP", "PNG") and ("duration" in image.info or "loop" in image.info)
    count = 1 if is_animation or image.format == "JPEG" else getattr(image, "n_frames", 1)
    for frame in range(count):
        image.seek(frame)
        if image.width * image.height > max_megapixels * MEGA:
            raise TooLarge(
                "an image in pixels",
                image.width * image.height,
                max_megapixels * MEGA,
                "WINNOW_MAX_IMAGE_MEGAPIXELS",
            )
        if not int(getattr(image, "tag_v2", {}).get(NEW_SUBFILE_TYPE, 0)) & REDUCED_COPY or count == 1:
            yield frame


def _packed(number: int, image: Image.Image, long_edge: int) -> bytes:
    if image.mode.startswith("I;16"):
        image = image.point(lambda level: level / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    image = image.convert("RGB")
    image.thumbnail((long_edge, long_edge))
    target = BytesIO()
    image.save(target, "JPEG", quality=QUALITY)
    return HEAD.pack(number, image.width, image.height, target.tell()) + target.getvalue()
