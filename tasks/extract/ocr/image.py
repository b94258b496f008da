"""What OCR takes and what it gives: a gray bitmap, and a page of text with word boxes."""

from dataclasses import dataclass

from pydantic import Field

from blocks.records import Record, Words


@dataclass(frozen=True)
class GrayImage:
    """An upright or turned page as it was scanned or rendered: 8-bit gray, row by row from the top, no padding.

    `dpi` is what the file or the renderer says; 0 where nothing is known, and OCR then guesses from the size.
    """

    width: int
    height: int
    dpi: int
    pixels: bytes

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or len(self.pixels) != self.width * self.height:
            raise ValueError(f"{len(self.pixels)} bytes are not a gray image of {self.width} x {self.height}")


class OcrPage(Record):
    """A page as OCR read it.

    `words` has boxes in points of the upright, deskewed page, whose size is `width_pt` by `height_pt`. `confidence`
    is in [0, 1], weighted by word length; 0 for a page without words. `rotation_degrees` (0, 90, 180 or 270,
    clockwise) and then `skew_degrees` (clockwise) are what was applied to the image to put it upright.
    """

    text: str
    words: Words = Words()
    confidence: float = Field(0.0, ge=0, le=1)
    rotation_degrees: int = 0
    skew_degrees: float = 0.0
    width_pt: float = 0.0
    height_pt: float = 0.0
