"""A page from gray pixels to text: resolution, slant, direction, words.

To detect the direction takes a fifth of the time of a reading, and nearly every page is upright. So a strip is read
first, and the direction is detected only if the strip reads poorly. To read a full page upside down takes three times
as long.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL.Image import Image, Resampling

from blocks.files.pages import GrayImage
from tasks.extract.ocr.engine import Engine, RawWord
from tasks.extract.ocr.lines import lay_out, weighted_confidence
from tasks.extract.ocr.ocr_page import OcrPage
from tasks.extract.ocr.second_look import look_again
from tasks.extract.ocr.upright import Slant, ink_mask, measure_slant, straighten, turn

LOWEST_DPI, HIGHEST_DPI = 200, 250
"""Pages are scaled into this range. Below it letters break apart, above it the engine is slower and reads no better:
measured by benchmarks/ocr.py on pages of 100, 150, 200 and 300 dpi.
"""

SURELY_UPRIGHT = 0.5
"""Pages read upside down had a confidence of up to 0.32, poor scans read upright 0.56 and more."""

_STRIP_PIXELS, _STRIPS_PER_PAGE = 120, 16
_LETTER_SIDE_INCHES = 11.3  # between the long sides of Letter and A4
_PLAUSIBLE_SIDE_INCHES = (1.0, 24.0)
_PLAUSIBLE_DPI = (60, 2_400)
_LEGIBLE_WORD = 0.6


def read_page(engine: Engine, image: GrayImage) -> OcrPage:
    """The page as `engine` reads it after it was put upright."""
    page = PillowImage.frombuffer("L", (image.width, image.height), image.pixels, "raw", "L", 0, 1)
    dpi = believable_dpi(image)
    page, scale = _rescale(page, dpi)
    dpi_read = round(dpi * scale)
    slant = measure_slant(page)
    page, words, rotation = _read_upright(engine, page, dpi_read, slant)
    points_per_pixel = 72 / (dpi * scale)
    laid = lay_out(words, points_per_pixel)
    return OcrPage(
        text=laid.text,
        words=laid.words,
        confidence=laid.confidence,
        rotation_degrees=rotation,
        skew_degrees=slant.skew_degrees,
        width_pt=round(page.width * points_per_pixel, 2),
        height_pt=round(page.height * points_per_pixel, 2),
    )


def _read_upright(engine: Engine, page: Image, dpi: int, slant: Slant) -> tuple[Image, Sequence[RawWord], int]:
    """The page as read, its words, and the degrees by which it was turned clockwise before it was straightened."""
    lying = 90 if slant.stands else 0
    page = straighten(turn(page, lying), slant.skew_degrees)
    if slant.is_blank:
        return page, [], lying
    further = 0
    if weighted_confidence(engine.words(_strip(page), dpi)) < SURELY_UPRIGHT:
        further = engine.clockwise_turn(page, dpi) or 0
    upright = turn(page, further)
    words = engine.words(upright, dpi)
    if weighted_confidence(words) < SURELY_UPRIGHT:
        # If the reading is poor, so is the engine's guess of the direction: take the direction that reads better.
        strip = _strip(page)
        other = max((0, 180), key=lambda degrees: legibility(engine.words(turn(strip, degrees), dpi)))
        if other != further:
            turned = turn(page, other)
            reading = engine.words(turned, dpi)
            if legibility(reading) > legibility(words):
                further, upright, words = other, turned, reading
    return upright, look_again(engine, upright, dpi, words), (lying + further) % 360


def _strip(page: Image) -> Image:
    """A strip of the page where it has the most lines: enough to tell upright from upside down."""
    height = max(_STRIP_PIXELS, page.height // _STRIPS_PER_PAGE)
    if height >= page.height:
        return page
    ink_by_row = ink_mask(page.reduce(2)).sum(axis=1, dtype=np.int64)
    edges = np.concatenate(([0], np.cumsum(np.abs(np.diff(ink_by_row)))))
    top = 2 * int(np.argmax(edges[height // 2 :] - edges[: -(height // 2)]))
    return page.crop((0, top, page.width, min(page.height, top + height)))


def believable_dpi(image: GrayImage) -> float:
    """The image's own resolution if its page has a plausible size, else that of a letter-size page.

    Cameras and screenshots write 72 or 96, whatever they show.
    """
    longest = max(image.width, image.height)
    if _PLAUSIBLE_DPI[0] <= image.dpi <= _PLAUSIBLE_DPI[1]:
        smallest, largest = _PLAUSIBLE_SIDE_INCHES
        if smallest <= longest / image.dpi <= largest:
            return float(image.dpi)
    return max(float(_PLAUSIBLE_DPI[0]), longest / _LETTER_SIDE_INCHES)


def legibility(words: Sequence[RawWord]) -> float:
    """How much of a page was read with some certainty: the characters of legible words, weighted by confidence."""
    return sum(word.confidence * len(word.text) for word in words if word.confidence >= _LEGIBLE_WORD)


def _rescale(page: Image, dpi: float) -> tuple[Image, float]:
    """The page at a resolution that suits the engine, and the scale."""
    scale = min(max(dpi, LOWEST_DPI), HIGHEST_DPI) / dpi
    if round(scale, 2) == 1:
        return page, 1.0
    size = (max(1, round(page.width * scale)), max(1, round(page.height * scale)))
    return page.resize(size, Resampling.LANCZOS), scale
