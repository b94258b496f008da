"""Words that a PDF page draws twice at nearly the same place, for bold letters without a bold font, or as a shadow."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from tasks.extract.pdf_words import PageWords

MOVED = 0.25
"""The second drawing is moved by less than this share of the letters' height. The same word twice in a text is further
apart, even a single digit: there is a space between."""


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
            again[alike] = _is_close_to_earlier(words.boxes[alike])
    return again


def _is_close_to_earlier(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    limits = MOVED * np.minimum(boxes[:, 3] - boxes[:, 1], 2 * (boxes[:, 2] - boxes[:, 0]))
    moved = np.abs(boxes[:, None, :] - boxes[None, :, :]).max(axis=2)
    is_close: NDArray[np.bool_] = np.tril(moved < limits[:, None], -1).any(axis=1)
    return is_close
