"""One number out of several doubts: the probability that a value is right.

A value is right when the model chose the right place, and the text there was read right, and the value is really what
the quote says. The doubts are independent enough to multiply, and a product is never above its weakest factor: a 0.95
beside a 0.30 gives 0.29, not an average.
"""

from collections.abc import Iterable

UNGROUNDED_CEILING = 0.2
"""What a value without evidence may have at most: it may be right, but nobody can see why."""


def combine(reading: float, ocr: float | None = None, *, is_grounded: bool = True) -> float:
    """The confidence of a value, in [0, 1].

    `reading` is the model's own confidence, `ocr` that of the weakest word under the evidence (None where the text was
    not read by OCR), `is_grounded` whether the quote stands in the visible text and yields the value.
    """
    combined = _unit(reading) * (1.0 if ocr is None else _unit(ocr))
    return combined if is_grounded else min(combined, UNGROUNDED_CEILING)


def weakest(confidences: Iterable[float]) -> float:
    """A document's confidence: that of its weakest required field; 1 where nothing is required."""
    return min(confidences, default=1.0)


def _unit(value: float) -> float:
    return 0.0 if not value > 0.0 else min(value, 1.0)
