"""Puts a page upright before it is read: measures direction and slant of its lines on a small binarised copy.

The projection across lines of text has peaks, which are sharpest on a straight page. A single measure tells whether
lines are horizontal and by how much they slant: the sum of squared steps between neighbouring rows of the projection,
after W. Postl, "Detection of linear oblique structures and skew scan in digitized documents", ICPR 1986.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.Image import Image, Resampling

MAX_SKEW_DEGREES = 10.0
_SMALL_SIDE = 1_000  # enough for lines of 6 pt on a letter page to stay apart
_COARSE_STEP, _FINE_STEP = 0.5, 0.1
_MIN_INK_PIXELS = 200
_BLANK_INK_PIXELS = 5
_INK_TO_PAPER = 0.8
_CLEARLY_SHARPER = 1.05
_CLEARLY_STANDING = 1.3

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Slant:
    """Whether a page needs a quarter turn because its lines are vertical, and the degrees by which it must be turned
    clockwise to straighten it. A blank page has next to no ink.
    """

    stands: bool = False
    skew_degrees: float = 0.0
    is_blank: bool = False


def measure_slant(image: Image) -> Slant:
    """The slant of a gray page, up to 10 degrees; none if the page has too little ink or no clear lines."""
    rows, columns, height, width = _ink(image)
    if len(rows) < _MIN_INK_PIXELS:
        return Slant(is_blank=len(rows) < _BLANK_INK_PIXELS)
    lying, lying_sharpness = _best_angle(rows, columns, height, width)
    standing, standing_sharpness = _best_angle(columns, rows, width, height)
    if standing_sharpness > lying_sharpness * _CLEARLY_STANDING:
        return Slant(stands=True, skew_degrees=-standing or 0.0)
    return Slant(skew_degrees=lying)


def turn(image: Image, degrees: int) -> Image:
    """The page turned clockwise by a quarter, a half or three quarters, without loss."""
    quarter_turns = {
        90: PillowImage.Transpose.ROTATE_270,
        180: PillowImage.Transpose.ROTATE_180,
        270: PillowImage.Transpose.ROTATE_90,
    }
    return image.transpose(quarter_turns[degrees]) if degrees else image


def straighten(image: Image, degrees: float) -> Image:
    """The page turned clockwise by a few degrees, enlarged in its paper's colour so that no corner is cut."""
    if not degrees:
        return image
    return image.rotate(-degrees, resample=Resampling.BICUBIC, expand=True, fillcolor=paper_level(image))


def paper_level(image: Image) -> int:
    """The gray of the paper: the most frequent of the lighter half."""
    histogram = image.histogram()[:256]
    return max(range(128, 256), key=histogram.__getitem__)


def ink_mask(image: Image) -> NDArray[np.bool_]:
    """True where a gray page is clearly darker than its surroundings: paper is rarely even."""
    surroundings = image.resize((16, 16), Resampling.BOX).resize(image.size, Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32) < np.asarray(surroundings, dtype=np.float32) * _INK_TO_PAPER


def _ink(image: Image) -> tuple[Floats, Floats, int, int]:
    """Rows and columns of ink pixels on a copy with sides of at most 1,000 pixels, and that copy's height and width."""
    scale = max(1.0, max(image.size) / _SMALL_SIDE)
    small = image.resize((max(1, round(image.width / scale)), max(1, round(image.height / scale))), Resampling.BOX)
    rows, columns = np.nonzero(ink_mask(small))
    return rows.astype(np.float32), columns.astype(np.float32), small.height, small.width


def _best_angle(across: Floats, along: Floats, height: int, width: int) -> tuple[float, float]:
    """The angle with the sharpest projection of the ink, and its sharpness; 0 unless it is clearly sharper."""
    margin = int(np.ceil(width * np.tan(np.radians(MAX_SKEW_DEGREES + 1))))
    length = height + 2 * margin + 2
    centred = along - width / 2

    def sharpness(degrees: float) -> float:
        rows = (across - centred * np.float32(np.tan(np.radians(degrees))) + margin).astype(np.int32)
        steps = np.diff(np.bincount(np.clip(rows, 0, length - 1), minlength=length))
        return float(np.dot(steps, steps))

    straight = sharpness(0.0)
    coarse = max(np.arange(-MAX_SKEW_DEGREES, MAX_SKEW_DEGREES + 0.01, _COARSE_STEP), key=sharpness)
    fine = max(np.arange(coarse - _COARSE_STEP, coarse + _COARSE_STEP + 0.01, _FINE_STEP), key=sharpness)
    best = sharpness(fine)
    if best < straight * _CLEARLY_SHARPER or abs(fine) < _FINE_STEP:
        return 0.0, straight
    return -round(float(fine), 1), best
