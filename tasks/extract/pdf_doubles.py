"""Words that a PDF page draws twice at nearly the same place, for bold letters without a bold font, or as a shadow."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from tasks.extract.pdf_words import PageWords

SHARED_AREA = 0.5
"""Two drawings of a word share at least this much of its box. The same word twice in a text shares nothing."""


def drawn_again(words: PageWords) -> NDArray[np.bool_]:
    """Whether each word has been drawn before at nearly the same place."""
    again = np.zeros(len(words), np.bool_)
    if len(set(words.texts)) == len(words):
        return again
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(words.texts):
        places[text].append(place)
    for alike in places.values():
        if len(alike) > 1:
            again[alike] = _overlaps_earlier(words.boxes[alike])
    return again


def _overlaps_earlier(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    widths = np.minimum(boxes[:, None, 2], boxes[None, :, 2]) - np.maximum(boxes[:, None, 0], boxes[None, :, 0])
    heights = np.minimum(boxes[:, None, 3], boxes[None, :, 3]) - np.maximum(boxes[:, None, 1], boxes[None, :, 1])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    shared = np.maximum(0, widths) * np.maximum(0, heights) > SHARED_AREA * areas[:, None]
    overlaps: NDArray[np.bool_] = np.tril(shared, -1).any(axis=1)
    return overlaps
