"""Reads strips of a page again that have ink and no words.

On blurred pages Tesseract sometimes loses lines, at random. It finds them in a strip of their own, at another
threshold. Measured by benchmarks/ocr.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from PIL.Image import Image

from tasks.extract.ocr.engine import STRONG_INK, Engine, RawWord
from tasks.extract.ocr.upright import ink_mask

_SCALE = 2
_WORDS_WORTH_A_LOOK = 2
_MIN_CONFIDENCE = 0.5
_PADDING_IN_LINE_HEIGHTS = 0.7
_MIN_STRIP_IN_LINE_HEIGHTS = 0.4
_LINES_OF_SECOND_LOOK = 10_000


def look_again(engine: Engine, page: Image, dpi: int, words: Sequence[RawWord]) -> list[RawWord]:
    """These words, and the words that the engine finds on strips of the page with much ink and no word."""
    found = list(words)
    for number, (top, bottom) in enumerate(missed_strips(page, words)):
        strip = page.crop((0, top, page.width, bottom))
        for word in engine.words(strip, dpi, STRONG_INK):
            block, paragraph, line = word.line
            moved = replace(
                word,
                y0=word.y0 + top,
                y1=word.y1 + top,
                line=(_LINES_OF_SECOND_LOOK * (number + 1) + block, paragraph, line),
            )
            if word.confidence >= _MIN_CONFIDENCE and not any(_overlap(moved, known) for known in words):
                found.append(moved)
    return found


def missed_strips(page: Image, words: Sequence[RawWord]) -> list[tuple[int, int]]:
    """Top and bottom, in pixels, of strips that have the ink of two words or more outside all words."""
    if not words:
        return []
    ink = ink_mask(page.reduce(_SCALE))
    total = int(ink.sum())
    for word in words:
        margin = max(2, (word.y1 - word.y0) // 4)
        rows = slice(max(0, word.y0 - margin) // _SCALE, (word.y1 + margin) // _SCALE + 1)
        columns = slice(max(0, word.x0 - margin) // _SCALE, (word.x1 + margin) // _SCALE + 1)
        ink[rows, columns] = False
    ink_by_row = ink.sum(axis=1)
    ink_of_a_word = (total - int(ink_by_row.sum())) / len(words)
    line_height = median(word.y1 - word.y0 for word in words)
    inked = np.nonzero(ink_by_row >= 3)[0]
    strips = []
    for group in np.split(inked, np.nonzero(np.diff(inked) > line_height / _SCALE)[0] + 1):
        if not len(group):
            continue
        first, last = int(group[0]), int(group[-1]) + 1
        is_worth_it = ink_by_row[first:last].sum() >= _WORDS_WORTH_A_LOOK * ink_of_a_word
        if is_worth_it and (last - first) * _SCALE >= _MIN_STRIP_IN_LINE_HEIGHTS * line_height:
            padding = round(line_height * _PADDING_IN_LINE_HEIGHTS)
            strips.append((max(0, first * _SCALE - padding), min(page.height, last * _SCALE + padding)))
    return strips


def _overlap(word: RawWord, known: RawWord) -> bool:
    height = min(word.y1, known.y1) - max(word.y0, known.y0)
    return word.x0 < known.x1 and known.x0 < word.x1 and height > 0.3 * min(word.y1 - word.y0, known.y1 - known.y0)
