"""Images: counts their pages, each of which needs OCR. Runs in a parser process."""

from typing import Any

import PIL
from PIL import Image

from blocks.files.image_pages import ImagePages, open_image
from blocks.files.pages import render
from tasks.extract.reading import PageReading, Reading

__all__ = ["read", "render", "warm_up"]

MEDIA_TYPES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/tiff": "TIFF",
    "image/gif": "GIF",
    "image/webp": "WebP",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
    "image/jp2": "JPEG 2000",
    "image/x-portable-anymap": "PNM",
}
VERSION = 3
PACKAGES = ("pillow",)
SETTINGS = ("ocr",)

ENGINE = f"pillow {PIL.__version__}"


def warm_up() -> None:
    """Load every decoder and encoder: a parser process may not be able to read our files."""
    Image.init()


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` whose pages all need OCR, packed. Arguments: media_type, max_pages, max_megapixels.

    Raises `Corrupt`, `TooLarge` and `TooManyPages`.
    """
    media_type = arguments["media_type"]
    with open_image(content, media_type) as image:
        count = ImagePages(image, arguments["max_pages"], arguments["max_megapixels"]).count
    pages = [PageReading(number, method="ocr", needs_ocr=True) for number in range(1, count + 1)]
    return Reading(media_type, ENGINE, pages).pack()
