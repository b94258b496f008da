"""The signs of a place in a document: the words around it, its form, and its place on the page, as short digests.

Two documents of one issuer share the signs of the places where its software prints a value. A sign that has never been
seen says nothing, so words that happen to stand there do no harm.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import plain
from blocks.reader.lines import Cell, Row, overlap
from blocks.values.currencies import is_currency_word

SIGN_BYTES = 4
"""Of 32 bits: among the few thousand signs of a type's documents a chance match is one in a million."""
MAX_ROWS = 5
"""So far above and below a value its label is looked for."""
MAX_LABEL_WORDS = 4
HEAD_ROWS = 6
"""The rows of the head of a document, whose names are known by their place."""
GRID = 20
"""A page is parted in so many columns and rows; a place is known by the part where it stands."""
MIN_LETTERS = 2

_WORD = re.compile(r"[^\W\d_]+")
_FIGURES = re.compile(r"\d[\d.,:/' -]*")
_RUN = re.compile(r"\d+|[^\W\d_]+|\s+")
_DATE_PARTS = re.compile(r"\d+|[^\W\d_]{3,}")


def signs(
    candidate: Candidate, rows: tuple[Row, ...], page_size: tuple[float, float] = (0.0, 0.0), *, is_name: bool = False
) -> tuple[str, ...]:
    """The signs of a candidate's place, each a digest of `2 * SIGN_BYTES` hexadecimal digits.

    The form of a name is its last word, such as Ltd; that of other values the runs of figures and letters.
    """
    cell = candidate.cell
    before = _before(candidate, rows)
    above = _beyond(cell, rows, -1)
    texts = [
        f"before {before or above}",
        f"above {before} {above}",
        f"below {before} {_beyond(cell, rows, 1)}",
        f"form {_label(candidate.quote, 1) if is_name else form(candidate)}",
    ]
    if is_name:
        texts.append(words_sign(candidate))
        texts.extend([f"head {cell.row}"] if cell.row < HEAD_ROWS else [])
    if cell.box is not None and all(page_size):
        left, top, *_ = cell.box
        texts.append(f"place {cell.page} {int(GRID * left / page_size[0])} {int(GRID * top / page_size[1])}")
    return tuple(map(sign, texts))


def words_sign(candidate: Candidate) -> str:
    """The words of a value itself: a line that was not the issuer's name on one document is none on another."""
    return f"words {plain(candidate.quote)}"


@lru_cache(maxsize=65536)
def sign(text: str) -> str:
    """The digest of a sign's words."""
    return blake2b(text.encode(), digest_size=SIGN_BYTES).hexdigest()


def form(candidate: Candidate) -> str:
    """How a value is written: the runs of its figures and letters, and of a date the order of its parts."""
    quote = candidate.quote
    runs = _RUN.sub(lambda run: "9" if run[0][0].isdigit() else "" if run[0].isspace() else "a", quote)
    year, _, rest = candidate.value.partition("-")
    if len(year) != 4 or rest.count("-") != 1:
        return runs
    month, day = rest.split("-")
    meant = {year: "y", year[2:]: "y", month: "m", day: "d"}
    parts = [meant.get(part.zfill(2), "a") if part.isdigit() else "m" for part in _DATE_PARTS.findall(quote)]
    return f"{runs} {''.join(parts)}"


def _before(candidate: Candidate, rows: tuple[Row, ...]) -> str:
    """The label in the row of a value: the last words before it, and how many figures stand between the two."""
    cell = candidate.cell
    parts = [other.text for other in rows[cell.row].cells if _is_left(other, cell)]
    text = "  ".join([*parts, cell.text[: candidate.start]])
    words = _last_words(text)
    if not words:
        return ""
    label = plain("".join(word[0] for word in words))
    return f"{label} {len(_FIGURES.findall(text, words[-1].end()))}" if label else ""


def _is_left(other: Cell, cell: Cell) -> bool:
    if other.box is None or cell.box is None:
        return other.start < cell.start
    return other.box[2] <= cell.box[0] + 1


def _beyond(cell: Cell, rows: tuple[Row, ...], step: int) -> str:
    """The words of the nearest row above (-1) or below (1) that has any in the value's column, and how far it is."""
    at = cell.row + step
    for distance in range(1, MAX_ROWS + 1):
        if not 0 <= at < len(rows) or rows[at].page != cell.page:
            break
        label = _label("  ".join(other.text for other in rows[at].cells if _is_in_column(other, cell)))
        if label:
            return f"{label} {distance}"
        at += step
    return ""


def _is_in_column(other: Cell, cell: Cell) -> bool:
    return other.box is None or cell.box is None or overlap(other.box, cell.box) > 0


def _label(text: str, most: int = MAX_LABEL_WORDS) -> str:
    return plain("".join(word[0] for word in _last_words(text, most)))


def _last_words(text: str, most: int = MAX_LABEL_WORDS) -> list[re.Match[str]]:
    """The last words of a text that may be of a label, in their order."""
    found: list[re.Match[str]] = []
    for word in reversed(list(_WORD.finditer(text))):
        if _is_of_label(word[0]):
            found.append(word)
            if len(found) == most:
                break
    return found[::-1]


def _is_of_label(word: str) -> bool:
    return len(word) >= MIN_LETTERS and not is_currency_word(word)
