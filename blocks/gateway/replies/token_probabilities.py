"""The probability of each value in a reply: those of its tokens, aligned with the reply's text.

A scalar has the product over its tokens (their joint probability, by the chain rule). A list or table has the
probability of its least sure entry: a product over entries would measure their number.
"""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}\[\],:]|[^\s{}\[\],:\"]+", re.DOTALL)

Place = tuple[str | int, ...]


def value_probabilities(text: str, start: int, token_logprobs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """By field, the probability of its value in the reply whose JSON object begins at `start` of `text`.

    Empty where the tokens do not add up to the text.
    """
    joined = "".join(token for token, _ in token_logprobs)
    shift = joined.find(text) if text else -1
    if shift < 0:
        return {}
    ends = list(accumulate(len(token) for token, _ in token_logprobs))
    found: dict[str, float] = {}
    for place, begin, end in _scalars(text, start):
        if len(place) < 3 or place[0] != "fields" or place[2] != "value" or begin == end:
            continue
        first, last = bisect_right(ends, begin + shift), bisect_left(ends, end + shift)
        total = math.fsum(min(logprob, 0.0) for _, logprob in token_logprobs[first : last + 1])
        if math.isnan(total):
            return {}
        name = str(place[1])
        found[name] = min(found.get(name, 1.0), math.exp(total))
    return found


def _scalars(text: str, start: int) -> Iterator[tuple[Place, int, int]]:
    """Each scalar of the JSON object at `start`: its path of keys and places, and its begin and end without quotes."""
    path: list[str | int] = []
    is_key = False
    for found in _TOKEN.finditer(text, start):
        mark = found[0]
        if mark in "{[":
            path.append("" if mark == "{" else 0)
            is_key = mark == "{"
        elif mark in "}]":
            path.pop()
            if not path:
                return
            is_key = False
        elif mark == ",":
            last = path[-1]
            is_key = isinstance(last, str)
            if isinstance(last, int):
                path[-1] = last + 1
        elif mark == ":":
            is_key = False
        elif is_key:
            path[-1] = str(json.loads(mark, strict=False))
        else:
            quotes = 1 if mark.startswith('"') else 0
            yield tuple(path), found.start() + quotes, found.end() - quotes
