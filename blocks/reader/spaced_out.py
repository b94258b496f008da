"""Numbers and texts whose signs stand apart: "1 2 3 4.56". None of their pieces is a value of its own."""

import re
from functools import lru_cache

from blocks.values.currencies import is_currency_word

MIN_FIGURES = 3
"""So many single figures, a blank between two, are a number that is spaced out."""
_TOKEN = re.compile(r"\S+")
_MAY_BE = re.compile(r"\d[.,]?[ \u00a0\u202f][\d.,]")
_NUMERIC = re.compile(r"[\d.,]+")
_PIECE = re.compile(r"\d[.,]?|[.,]\d?")
_LAST = re.compile(r"\d[.,]?|\d?[.,]\d{1,3}|\d\d")
_TORN = re.compile(
    r"(?<![\w.,])\d{1,3}(?: [.,]|[.,] )\d{3}[.,]\d\d(?!\d)"
    r"|(?P<currency>[€$£¥₹]|(?<!\w)[A-Z]{3}) ?\d{1,3}(?: \d{3})* \d{1,2}[.,]\d\d(?!\d)"
)
"""A blank beside a thousands sign, and one within a number behind its currency: "1, 234.56", "GBP 12 34.56"."""
_AROUND = "()[]:;*-+€$£¥₹"
_TEXT = re.compile(r"(?<!\S)[^\W_](?:[ \u00a0][^\s|]){2,}(?!\S)")
_TWO_FIGURES = re.compile(r"\d[ \u00a0]\d")


@lru_cache(maxsize=4096)
def spaced_numbers(text: str) -> tuple[tuple[int, int], ...]:
    """The [start, end) of each number that is spaced out; rows of numbers in columns are none.

    All of its tokens but the last are a figure or a sign, and no number stands right beside it. Or it is torn apart.
    """
    if not _MAY_BE.search(text) and not _TORN.search(text):
        return ()
    torn = [match for match in _TORN.finditer(text) if not match["currency"] or is_currency_word(match["currency"])]
    found = [match.span() for match in torn]
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        is_numeric = _NUMERIC.fullmatch(token[0].strip(_AROUND)) is not None
        if run and (not is_numeric or token.start() != run[-1].end() + 1):
            found += _span(run)
            run = []
        if is_numeric:
            run.append(token)
    return (*found, *_span(run))


@lru_cache(maxsize=4096)
def spaced_texts(text: str) -> tuple[tuple[int, int], ...]:
    """The [start, end) of each text of single signs with figures side by side: "K W - 3 1 1"."""
    return tuple(match.span() for match in _TEXT.finditer(text) if _TWO_FIGURES.search(match[0]))


def _span(run: list[re.Match[str]]) -> list[tuple[int, int]]:
    pieces = [token[0].strip(_AROUND) for token in run]
    figures = sum(any(sign.isdigit() for sign in piece) for piece in pieces)
    is_spaced = figures >= MIN_FIGURES and all(map(_PIECE.fullmatch, pieces[:-1])) and _LAST.fullmatch(pieces[-1])
    return [(run[0].start(), run[-1].end())] if is_spaced else []
