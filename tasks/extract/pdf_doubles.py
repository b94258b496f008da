"""Words that a PDF page draws twice at nearly the same place, for bold letters without a bold font, or as a shadow."""

import numpy as np
from numpy.typing import NDArray

from tasks.extract.pdf_words import PageWords

MOVED = 0.25
"""The second drawing is moved by less than this share of the letters' height. The same word twice in a text is further
apart, even a single digit: there is a space between."""
LOOKED_BACK = 8
"""How many drawings of the same word on a line are compared with each."""


def drawn_again(words: PageWords) -> NDArray[np.bool_]:
    """Whether each word has been drawn before at nearly the same place."""
    again = np.zeros(len(words), np.bool_)
    numbers: dict[str, int] = {}
    alike = np.fromiter((numbers.setdefault(text, len(numbers)) for text in words.texts), np.int64, len(words))
    if len(numbers) == len(words):
        return again
    # Drawings of the same word at nearly the same place follow each other closely in this order.
    order = np.lexsort((words.boxes[:, 0], words.boxes[:, 1], alike))
    boxes, alike = words.boxes[order], alike[order]
    limits = MOVED * np.minimum(boxes[:, 3] - boxes[:, 1], 2 * (boxes[:, 2] - boxes[:, 0]))
    for step in range(1, min(LOOKED_BACK, len(words) - 1) + 1):
        is_close = np.abs(boxes[step:] - boxes[:-step]).max(axis=1) < limits[step:]
        is_close &= alike[step:] == alike[:-step]
        if is_close.any():
            again[np.maximum(order[step:], order[:-step])[is_close]] = True
    return again
