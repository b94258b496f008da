"""Image files by Pillow: which frames are pages, and each page upright on white paper.

An image's header states its size: an image with too many pixels is refused before a pixel is decoded.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pi_heif
from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

from blocks.errors import Corrupt, TooLarge, TooManyPages
from blocks.files.pages import GrayImage

MEGA = 1_000_000
NEW_SUBFILE_TYPE, REDUCED_COPY = 254, 1
"""TIFF 6.0, section 8: bit 0 marks a reduced copy of another page, a thumbnail."""
PLAUSIBLE_DPI = range(50, 1_201)
PLAIN_CONTRAST = 24
"""Of 255. OCR skips a page that is plainer."""
MAX_FRAMES_TRIED = 50
SQUARE_PIXELS = (0.9, 1.1)
"""Horizontal over vertical resolution. That of a fax is outside: it has fewer lines than columns to the inch."""
pi_heif.register_heif_opener()
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
"""The decoder of AVIF starts threads by default, which a parser process may not."""
Image.MAX_IMAGE_PIXELS = None  # `_check_size` checks our own limit, with an error of our own

MIN_PAGE_PIXELS = (450, 600)
"""A page at 72 dpi has 595 by 842 pixels. Logos, icons and banners have a shorter side that is smaller."""

MALFORMED = (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError, IndexError, EOFError, RuntimeError)
"""What a malformed file makes Pillow raise."""


@contextmanager
def open_image(content: bytes, media_type: str) -> Iterator[Image.Image]:
    """The opened image. Raises `Corrupt`, also for what Pillow raises within the context."""
    try:
        with Image.open(BytesIO(content)) as image:
            yield image
    except UnidentifiedImageError as error:
        raise Corrupt(media_type, "it is not an image that Pillow knows") from error
    except MALFORMED as error:
        raise Corrupt(media_type, f"Pillow says {error or type(error).__name__}") from error


def may_show_page(content: bytes) -> bool:
    """Whether a picture within another document is large enough to be the scan or photo of a page."""
    try:
        with Image.open(BytesIO(content)) as image:
            sides = sorted((image.width, image.height))
    except (UnidentifiedImageError, *MALFORMED):
        return False
    return sides[0] >= MIN_PAGE_PIXELS[0] and sides[1] >= MIN_PAGE_PIXELS[1]


class ImagePages:
    """`Pages` of an image that `open_image` has opened."""

    def __init__(self, image: Image.Image, max_pages: int, max_megapixels: int) -> None:
        self._image = image
        self._max_pages = max_pages
        self._max_megapixels = max_megapixels

    @property
    def count(self) -> int:
        """See `Pages`."""
        return len(self._frames())

    def gray(self, number: int, max_pixels: int) -> GrayImage:
        """See `Pages`."""
        gray = self._seek(number).convert("L")
        horizontal, vertical = _dpi(self._image)
        if horizontal and vertical and not SQUARE_PIXELS[0] < horizontal / vertical < SQUARE_PIXELS[1]:
            finer = max(horizontal, vertical)
            gray = gray.resize((round(gray.width * finer / horizontal), round(gray.height * finer / vertical)))
            horizontal = finer
        pixels = gray.width * gray.height
        if pixels > max_pixels:
            scale = (max_pixels / pixels) ** 0.5
            size = max(1, int(gray.width * scale)), max(1, int(gray.height * scale))
            gray = gray.resize(size, Image.Resampling.BOX)
            horizontal = horizontal * scale
        return GrayImage(gray.width, gray.height, round(horizontal), gray.tobytes())

    def picture(self, number: int, long_edge: int) -> Image.Image:
        """See `Pages`."""
        picture = self._seek(number).convert("RGB")
        picture.thumbnail((long_edge, long_edge))
        return picture

    def _seek(self, number: int) -> Image.Image:
        """The page upright on paper. Of an animation, the first frame that shows something: many begin with nothing."""
        image = self._image
        image.seek(self._frames(number)[number - 1])
        shown = _on_paper(ImageOps.exif_transpose(image))
        if _is_animation(image):
            for frame in range(1, min(image.n_frames, MAX_FRAMES_TRIED)):  # type: ignore[attr-defined]  # an animation has them
                if not _is_plain(shown):
                    break
                image.seek(frame)
                self._check_size()
                shown = _on_paper(image)
        return shown

    def _frames(self, wanted: int | None = None) -> list[int]:
        """The frames that are pages: every full picture of a TIFF, the frames of a GIF; an animation is a single page.

        It stops at `wanted` pages. Each frame's size is checked before Pillow decodes it: Pillow decodes a GIF's frame
        when it seeks the next one.
        """
        image = self._image
        self._check_size()
        count = getattr(image, "n_frames", 1)
        if count == 1 or _is_animation(image) or image.format in ("JPEG", "MPO"):
            return [0]
        if count > self._max_pages:
            raise TooManyPages(count, self._max_pages)
        pages = []
        for frame in range(count):
            image.seek(frame)
            self._check_size()
            if not int(getattr(image, "tag_v2", {}).get(NEW_SUBFILE_TYPE, 0)) & REDUCED_COPY:
                pages.append(frame)
            if len(pages) == wanted:
                break
        return pages or [0]

    def _check_size(self) -> None:
        pixels, limit = self._image.width * self._image.height, self._max_megapixels * MEGA
        if pixels > limit:
            raise TooLarge("an image in pixels", pixels, limit, "WINNOW_MAX_IMAGE_MEGAPIXELS")


def _is_animation(image: Image.Image) -> bool:
    is_animated = image.format in ("GIF", "WEBP", "PNG", "AVIF") and getattr(image, "n_frames", 1) > 1
    return is_animated and ("duration" in image.info or "loop" in image.info)


def _is_plain(image: Image.Image) -> bool:
    """Whether all of it has nearly the same colour."""
    low, high = image.convert("L").getextrema()
    return float(high) - float(low) < PLAIN_CONTRAST  # type: ignore[arg-type]  # one channel, so plain numbers


def _dpi(image: Image.Image) -> tuple[float, float]:
    """The resolution that the file states, or zeros if it states none or an implausible one."""
    try:
        horizontal, vertical = (float(value) for value in image.info.get("dpi", (0, 0)))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0, 0.0
    if round(horizontal) in PLAUSIBLE_DPI and round(vertical) in PLAUSIBLE_DPI:
        return horizontal, vertical
    return 0.0, 0.0


def _on_paper(image: Image.Image) -> Image.Image:
    """The image with 8 bits per channel and without transparency, on white paper; on black if white shows nothing."""
    if image.mode.startswith("I;16"):
        return image.point(lambda level: level / 256).convert("L")
    if image.mode in ("I", "F"):
        low, high = image.getextrema()
        span = max(1.0, float(high) - float(low))  # type: ignore[arg-type]  # one channel, so plain numbers
        return image.convert("F").point(lambda level: (level - low) * (255 / span)).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colour = image.convert("RGBA")
        on_white = Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
        if not _is_plain(on_white):
            return on_white
        return Image.alpha_composite(Image.new("RGBA", colour.size, "black"), colour)  # made for a dark page
    return image
