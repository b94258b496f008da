"""Tells a PDF page whose text is not what the page shows: its font maps glyphs to no characters, or to wrong ones.

A wrong mapping moves every letter, as a cipher does. Then letters that are rare in all languages are frequent. OCR
decides: a text that it confirms stays.
"""

import re
import unicodedata
from collections.abc import Sequence
from math import log2
from typing import Any

import pypdfium2.raw as pdfium

from tasks.extract.pdf_words import PageWords

GARBAGE_SHARE = 0.3
SAMPLED_WORDS = 64
MIN_LETTERS = 24
MAX_BITS = 4.9
"""The bits that a page's letter carries on average by the table below: 4.2 to 4.6 in eight European languages, and 5.1
to 5.5 in English whose letters are moved by 1 to 29 places."""
_SIGNS = re.compile(r"[!-~]{3,40}")
"""All that is on a page without a word: figures, or letters that are moved among signs and figures."""
_WORD = re.compile(r"[A-Za-z\u00C0-\u024F]{3,}")
_PER_MILLE = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        (82, 15, 33, 40, 130, 13, 17, 26, 75, 8, 15, 42, 29, 73, 63, 27, 5, 64, 66, 65, 40, 15, 13, 4, 13, 15),
        strict=True,
    )
)
"""How frequent letters are on average in English, German, French, Spanish, Italian, Polish and Czech; made once from
texts of this project and common tables, and rounded."""
_BITS = {letter: -log2(share / 1_000) for letter, share in _PER_MILLE.items()}


def has_no_characters(text_page: Any, words: PageWords) -> bool:
    """Whether the glyphs of a sample of words have no known characters, as in fonts without a mapping."""
    if not len(words):
        return False
    step = max(1, len(words) // SAMPLED_WORDS)
    sample = list(zip(words.texts[::step], words.firsts[::step].tolist(), strict=True))
    unmapped = sum(
        pdfium.FPDFText_HasUnicodeMapError(text_page, first) == 1 or not _is_character(text[0])
        for text, first in sample
    )
    return bool(unmapped > GARBAGE_SHARE * len(sample))


def _is_character(letter: str) -> bool:
    return letter != "\ufffd" and not "\ue000" <= letter <= "\uf8ff"


def looks_enciphered(texts: Sequence[str]) -> bool:
    """Whether the letters of a page's words are not as frequent as those of a language."""
    letters = "".join(_WORD.findall(" ".join(texts))).lower()
    if not letters.isascii():
        letters = unicodedata.normalize("NFD", letters)
    counts = {letter: letters.count(letter) for letter in _BITS}
    total = sum(counts.values())
    if total < MIN_LETTERS:
        page = "".join(texts)
        return not total and _SIGNS.fullmatch(page) is not None and not page.isdigit()
    return sum(count * _BITS[letter] for letter, count in counts.items()) > MAX_BITS * total
