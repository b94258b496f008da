"""Words of Hebrew, Arabic and their like in reading order: they stand on a line from right to left.

The full algorithm (Unicode Standard Annex 9) makes what is seen from what is meant. This is its reverse for words on a
page: numbers keep the direction of the text around them, and words in Latin letters among them run from left to right.
"""

import re
from collections.abc import Sequence

_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]")
_LEFT_TO_RIGHT = re.compile(r"[A-Za-z\u00C0-\u024F\u0370-\u052F]")


def runs_right_to_left(text: str) -> bool:
    """Whether a text has letters that run from right to left."""
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def in_reading_order(words: Sequence[str]) -> list[int]:
    """The places of a line's words, given from left to right, in the order in which they are read."""
    runs_back = [runs_right_to_left(word) for word in words]
    runs_on = [
        not back and _LEFT_TO_RIGHT.search(word) is not None for word, back in zip(words, runs_back, strict=True)
    ]
    places = list(range(len(words)))
    if any(runs_back) and sum(runs_back) >= sum(runs_on):
        return _with_runs_turned(places[::-1], [runs_on[place] for place in places[::-1]])
    return _with_runs_turned(places, runs_back)


def _with_runs_turned(places: list[int], is_turned: list[bool]) -> list[int]:
    """The places, with each run of marked ones turned round; what stands between two marked ones belongs to the run."""
    ordered: list[int] = []
    position = 0
    while position < len(places):
        if not is_turned[position]:
            ordered.append(places[position])
            position += 1
            continue
        end = position + 1
        while end < len(places) and is_turned[end]:
            end += 1
        ordered += places[position:end][::-1]
        position = end
    return ordered
