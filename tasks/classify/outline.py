"""A text's outline: its lines, cut into cells where a table or a form leaves a gap, as folded words.

Titles and labels are looked for here rather than in the running text: "Order no. 4711" in a cell of its own says
something of the paper, and "please order by Friday" in a sentence does not.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

READ_LINES = 400
"""So many lines are looked at; titles and labels of a form stand on its first pages."""

_GAP = re.compile(r"\s{2,}|\t|\s*[|¦]\s*")
_BREAK = re.compile(r"\s[-–—/*]+\s|[–—()\[\]]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[#№]")
_SPACED_OUT = re.compile(r"\w(?: \w){3,}")
_AROUND = " *[](){}<>=_-–—.!"
"""What stands around a stamp: "[ D R A F T ]"."""
_SIGNS = str.maketrans({"’": "'", "°": "o", "º": "o", "№": "#"})
_MARKS = _SIGNS | {ord("ß"): "ss"}
_FIGURE = re.compile(r"\d[.,]\d\d-?(?:\s?\W|\s[^\W\d]{3})?$")


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line. `line` counts the lines that are not blank, from 0; `others` the line's other cells.

    `text` is the piece as it stands, and `labels_end` are the numbers of words after which a colon stands.
    """

    text: str

    words: tuple[str, ...]
    line: int
    others: int
    is_upper: bool
    labels_end: tuple[int, ...]

    def shown(self, start: int, end: int) -> str:
        """Words as they stand in the text, with their accents, in small letters."""
        written = _WORD.findall(unicodedata.normalize("NFC", self.text.lower()).translate(_SIGNS))
        return " ".join((written if len(written) == len(self.words) else self.words)[start:end])

    @property
    def breaks(self) -> frozenset[int]:
        """The numbers of words after which a dash between blanks or a bracket stands: "Invoice - void"."""
        counts = [len(words_of(piece)) for piece in _BREAK.split(self.text)]
        return frozenset(itertools.accumulate(counts))


@dataclass(frozen=True)
class Outline:
    """The cells of a text in their order, and all its words as one text with single blanks."""

    cells: tuple[Cell, ...]
    folded: str

    @cached_property
    def first_amounts(self) -> int:
        """The line of the first row that ends with an amount; behind the last line where there is none."""
        last_of_line = {cell.line: cell.text for cell in self.cells}
        return next((line for line, text in last_of_line.items() if _FIGURE.search(text)), len(last_of_line))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The beginnings of the text's words."""
        return frozenset(map(stem, self.folded.split()))


def outline_of(text: str) -> Outline:
    """The outline of a text."""
    return Outline(tuple(_cells(text)), " ".join(words_of(text)))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: without case and accents."""
    return tuple(_WORD.findall(_fold(text)))


def stem(word: str) -> str:
    """What a word and its inflections begin with, roughly: "complaint" and "complains"."""
    return word[: max(4, min(6, len(word) - 1))]


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_MARKS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _cells(text: str) -> Iterator[Cell]:
    lines = [line.strip() for line in text.splitlines() if line and not line.isspace()][: READ_LINES + 1]
    for number, (line, following) in enumerate(itertools.pairwise([*lines, ""])):
        parts = [part for part in _GAP.split(line) if part]
        for part in parts:
            bare = part.strip(_AROUND)
            joined = bare.replace(" ", "") if _SPACED_OUT.fullmatch(bare) else part
            pieces = [words_of(piece) for piece in joined.split(":")]
            words = tuple(word for piece in pieces for word in piece)
            ends = list(itertools.accumulate(len(piece) for piece in pieces[:-1]))
            if following.startswith(":") and len(parts) == 1:
                ends.append(len(words))  # a label whose value stands on the next line
            if words:
                yield Cell(joined, words, number, len(parts) - 1, joined.isupper(), tuple(ends))
