"""One page from gray pixels to text: resolution, slant, direction, words.

Asking for the direction costs a fifth of a reading, and nearly every page is upright. So a page whose lines lie is
read first, and asked about only where the reading is poor.
"""

from collections.abc import Sequence

from PIL import Image as PillowImage
from PIL.Image import Image, Resampling

from tasks.extract.ocr.engine import Engine, RawWord
from tasks.extract.ocr.image import GrayImage, OcrPage
from tasks.extract.ocr.lines import lay_out, weighted_confidence
from tasks.extract.ocr.second_look import look_again
from tasks.extract.ocr.upright import measure_slant, straighten, turn

TARGET_DPI = 300
SURELY_UPRIGHT = 0.75
_LETTER_SIDE_INCHES = 11.3  # between the long sides of Letter and A4
_PLAUSIBLE_SIDE_INCHES = (1.0, 24.0)
_PLAUSIBLE_DPI = (60, 2_400)
_LEGIBLE_WORD = 0.6


def read_page(engine: Engine, image: GrayImage) -> OcrPage:
    """The page as `engine` reads it, put upright first."""
    page = PillowImage.frombuffer("L", (image.width, image.height), image.pixels, "raw", "L", 0, 1)
    dpi = believable_dpi(image)
    page, scale = _rescale(page, dpi)
    dpi_read = round(dpi * scale)
    slant = measure_slant(page)
    rotation = 90 if slant.stands else 0
    page = straighten(turn(page, rotation), slant.skew_degrees)
    words: Sequence[RawWord] = [] if slant.stands else engine.words(page, dpi_read)
    if weighted_confidence(words) < SURELY_UPRIGHT:
        more = _further_turn(engine, page, dpi_read)
        turned = turn(page, more)
        if more or slant.stands:
            other = engine.words(turned, dpi_read)
            if slant.stands or legibility(other) > legibility(words):
                page, words, rotation = turned, other, (rotation + more) % 360
    words = look_again(engine, page, dpi_read, words)
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


def believable_dpi(image: GrayImage) -> float:
    """The image's own resolution where it makes a page of plausible size, else that of a letter-size page.

    Cameras and screenshots write 72 or 96 whatever was photographed.
    """
    longest = max(image.width, image.height)
    if _PLAUSIBLE_DPI[0] <= image.dpi <= _PLAUSIBLE_DPI[1]:
        smallest, largest = _PLAUSIBLE_SIDE_INCHES
        if smallest <= longest / image.dpi <= largest:
            return float(image.dpi)
    return max(float(_PLAUSIBLE_DPI[0]), longest / _LETTER_SIDE_INCHES)


def legibility(words: Sequence[RawWord]) -> float:
    """How much of a page was read with some certainty: characters of legible words, each by its confidence."""
    return sum(word.confidence * len(word.text) for word in words if word.confidence >= _LEGIBLE_WORD)


def _rescale(page: Image, dpi: float) -> tuple[Image, float]:
    scale = TARGET_DPI / dpi
    size = (max(1, round(page.width * scale)), max(1, round(page.height * scale)))
    return page.resize(size, Resampling.LANCZOS), scale


def _further_turn(engine: Engine, page: Image, dpi: int) -> int:
    """By how much to turn a page that reads poorly: what the engine says, else what a strip of it reads better as."""
    found = engine.clockwise_turn(page, dpi)
    if found is not None:
        return found
    third = page.height // 3
    strip = page.crop((0, third, page.width, 2 * third)) if third > 300 else page
    upright, upside_down = (legibility(engine.words(turn(strip, degrees), dpi)) for degrees in (0, 180))
    return 180 if upside_down > upright else 0
