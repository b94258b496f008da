"""Images: how many pages they hold, and each page as a gray bitmap for OCR. Runs in a child, one document each.

An image's size stands in its header: one with more pixels than allowed is refused before a pixel is decoded.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import PIL
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic_core import to_json

from blocks.errors import Corrupt, TooLarge, TooManyPages
from tasks.extract.reading import PageReading, Reading

ENGINE = f"pillow {PIL.__version__}"
MEGA = 1_000_000
REDUCED_COPY = 1
NEW_SUBFILE_TYPE = 254
"""TIFF 6.0, section 8: bit 0 marks a reduced copy of another page, a thumbnail."""
PLAUSIBLE_DPI = range(50, 1_201)
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked by `_check_size`, with an error of our own

MALFORMED = (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError, IndexError, EOFError)


def warm_up() -> None:
    """Load every decoder and encoder: a child may not be able to read our files."""
    Image.init()


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` whose pages all wait for OCR, packed. Arguments: media_type, max_pages, max_megapixels.

    Raises `Corrupt`, `TooLarge` and `TooManyPages`.
    """
    media_type = arguments["media_type"]
    with _opened(content, media_type) as image:
        frames = _page_frames(image, arguments["max_pages"], arguments["max_megapixels"])
    pages = [PageReading(number, method="ocr", needs_ocr=True) for number in range(1, len(frames) + 1)]
    return Reading(media_type, ENGINE, pages).pack()


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """One page as gray: a line of JSON (width, height, dpi), then its pixels.

    Arguments: media_type, page (from 1), max_pages, max_megapixels, max_pixels.
    """
    with _opened(content, arguments["media_type"]) as image:
        frames = _page_frames(image, arguments["max_pages"], arguments["max_megapixels"], arguments["page"])
        image.seek(frames[arguments["page"] - 1])
        horizontal, vertical = _dpi(image)
        gray = _gray(ImageOps.exif_transpose(image))
    if horizontal and vertical and not 0.9 < horizontal / vertical < 1.1:
        # A fax has fewer lines than columns to the inch.
        finer = max(horizontal, vertical)
        gray = gray.resize((round(gray.width * finer / horizontal), round(gray.height * finer / vertical)))
        horizontal = finer
    pixels = gray.width * gray.height
    if pixels > arguments["max_pixels"]:
        scale = (arguments["max_pixels"] / pixels) ** 0.5
        gray = gray.resize((max(1, int(gray.width * scale)), max(1, int(gray.height * scale))), Image.Resampling.BOX)
        horizontal = horizontal * scale
    head = {"width": gray.width, "height": gray.height, "dpi": round(horizontal)}
    return to_json(head) + b"\n" + gray.tobytes()


@contextmanager
def _opened(content: bytes, media_type: str) -> Iterator[Image.Image]:
    try:
        with Image.open(BytesIO(content)) as image:
            yield image
    except UnidentifiedImageError as error:
        raise Corrupt(media_type, "it is not an image that Pillow knows") from error
    except MALFORMED as error:
        raise Corrupt(media_type, f"Pillow says {error or type(error).__name__}") from error


def _page_frames(image: Image.Image, max_pages: int, max_megapixels: int, wanted: int | None = None) -> list[int]:
    """The frames that are pages: every full picture of a TIFF, the pages of a GIF; an animation is one picture.

    `wanted` is how many to find at the most. Each frame's size is checked before Pillow decodes it, which it does with
    a GIF's when it goes on to the next.
    """
    _check_size(image, max_megapixels)
    count = getattr(image, "n_frames", 1)
    is_animation = image.format in ("GIF", "WEBP", "PNG") and ("duration" in image.info or "loop" in image.info)
    if count == 1 or is_animation or image.format == "JPEG":
        return [0]
    if count > max_pages:
        raise TooManyPages(count, max_pages)
    pages = []
    for number in range(count):
        image.seek(number)
        _check_size(image, max_megapixels)
        tags = getattr(image, "tag_v2", {})
        if not int(tags.get(NEW_SUBFILE_TYPE, 0)) & REDUCED_COPY:
            pages.append(number)
        if len(pages) == wanted:
            break
    return pages or [0]


def _check_size(image: Image.Image, max_megapixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_megapixels * MEGA:
        raise TooLarge("an image in pixels", pixels, max_megapixels * MEGA, "WINNOW_MAX_IMAGE_MEGAPIXELS")


def _dpi(image: Image.Image) -> tuple[float, float]:
    """What the file says of its resolution, or zeros where it says nothing or nonsense."""
    try:
        horizontal, vertical = (float(value) for value in image.info.get("dpi", (0, 0)))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0, 0.0
    if round(horizontal) in PLAUSIBLE_DPI and round(vertical) in PLAUSIBLE_DPI:
        return horizontal, vertical
    return 0.0, 0.0


def _gray(image: Image.Image) -> Image.Image:
    """8-bit gray on white paper, whatever the file's colours."""
    if image.mode.startswith("I;16"):
        return image.point(lambda level: level / 256).convert("L")
    if image.mode in ("I", "F"):
        low, high = image.getextrema()
        span = max(1.0, float(high) - float(low))  # type: ignore[arg-type]  # one channel, so plain numbers
        return image.convert("F").point(lambda level: (level - low) * (255 / span)).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colour = image.convert("RGBA")
        paper = Image.new("RGBA", colour.size, "white")
        return Image.alpha_composite(paper, colour).convert("L")
    return image.convert("L")
