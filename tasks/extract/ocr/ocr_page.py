"""The result of OCR: a page of text with word boxes."""

from pydantic import Field

from blocks.records import Record, Words


class OcrPage(Record):
    """A page as OCR read it.

    `words` has boxes in points of the upright, deskewed page, whose size is `width_pt` by `height_pt`. `confidence`
    is in [0, 1], weighted by word length; 0 for a page without words. The image was turned clockwise by
    `rotation_degrees` (0, 90, 180 or 270), and then by `skew_degrees`.
    """

    text: str
    words: Words = Words()
    confidence: float = Field(0.0, ge=0, le=1)
    rotation_degrees: int = 0
    skew_degrees: float = 0.0
    width_pt: float = 0.0
    height_pt: float = 0.0
