"""The labels of a document type, found in a document's cells: the longest label that fits wins.

The aliases of all fields compete, and so do the phrases of a field's `not_near`: "subtotal" is not "total", nor is
"total excluding VAT". Comparison ignores case, accents, blanks and punctuation, because PDFs break words
("Br uttosumme") and scans lose dots.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz import fuzz, process

from blocks.document_types.schema import DocumentType
from blocks.reader.lines import Cell
from blocks.values.typed_values import fold

_MARKS = re.compile(r"[^\w#]|_")
_WORD = re.compile(r"[^\W\d_]+[°º]?|[°º]|\d+|[#№]+")
MAX_LABEL_WORDS = 7
MIN_FUZZY_RATIO = 82.0
"""The similarity (rapidfuzz ratio, of 100) from which on text is taken for a misread label."""
MIN_FUZZY_LETTERS, MAX_FUZZY_WORDS = 5, 4


@dataclass(frozen=True, slots=True)
class TypeVersion:
    """A type as a cache key: equal to every type that the reader reads alike."""

    digest: str
    document_type: DocumentType = field(compare=False)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A phrase labels `field` (rank 0 is the field's best alias), or `is_against` it: a phrase of its `not_near`."""

    field: str
    rank: float
    is_against: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A label in a cell: [start, end) in the cell's text, what it may mean, and its likeness in [0, 1]."""

    cell: Cell
    start: int
    end: int
    meanings: tuple[Meaning, ...]
    likeness: float = 1.0

    def meaning(self, field: str) -> Meaning | None:
        """The label's meaning for `field`, if it has one."""
        return next((meaning for meaning in self.meanings if meaning.field == field), None)

    @property
    def is_only_against(self) -> bool:
        """Whether the label is no alias of any field."""
        return all(meaning.is_against for meaning in self.meanings)


class Lexicon:
    """The phrases of one version of a type, with their meanings."""

    def __init__(self, document_type: DocumentType) -> None:
        meanings: dict[str, list[Meaning]] = defaultdict(list)
        for name, rules in document_type.fields.items():
            for rank, alias in enumerate(rules.aliases):
                meanings[plain(alias)].append(Meaning(name, rank / max(len(rules.aliases), 4)))
            for phrase in rules.hints.not_near:
                meanings[plain(phrase)].append(Meaning(name, 0.0, is_against=True))
        meanings.pop("", None)
        self._meanings = {phrase: tuple(found) for phrase, found in meanings.items()}

    def find(self, cell: Cell) -> list[Label]:
        """The labels of a cell, left to right, none overlapping another."""
        words = _words(cell.text)
        found: list[Label] = []
        at = 0
        while at < len(words):
            phrase, best, last = "", "", -1
            for end in range(at, min(at + MAX_LABEL_WORDS, len(words))):
                phrase += words[end][0]
                if phrase in self._meanings and cell.text[words[end][2] : words[end][2] + 1] != "_":
                    best, last = phrase, end
            if last < 0:
                at += 1
                continue
            is_aside = bool(found) and _is_bracketed(cell.text, words[at][1])
            if not is_aside or self._meanings[best][0].is_against:
                found.append(Label(cell, words[at][1], words[last][2], self._meanings[best]))
            at = last + 1
        return found

    def phrases_of(self, fields: list[str]) -> list[str]:
        """The phrases that label one of `fields` and are long enough to be recognised where a scan misread them."""
        return [
            phrase
            for phrase, meanings in self._meanings.items()
            if len(phrase) >= MIN_FUZZY_LETTERS
            and not meanings[0].is_against
            and any(meaning.field in fields and not meaning.is_against for meaning in meanings)
        ]

    def find_misread(self, cell: Cell, phrases: list[str]) -> list[Label]:
        """The first label that a scan misread: words of the cell that are similar to one of `phrases`."""
        words = _words(cell.text)
        for size in range(min(MAX_FUZZY_WORDS, len(words)), 0, -1):
            for at in range(len(words) - size + 1):
                window = "".join(word[0] for word in words[at : at + size])
                if len(window) < MIN_FUZZY_LETTERS or window.isdigit() or _runs_on(cell.text, words[at : at + size]):
                    continue
                match = process.extractOne(window, phrases, scorer=fuzz.ratio, score_cutoff=MIN_FUZZY_RATIO)
                if match:
                    phrase, score, _ = match
                    return [Label(cell, words[at][1], words[at + size - 1][2], self._meanings[phrase], score / 100)]
        return []


def _runs_on(text: str, words: Sequence[tuple[str, int, int]]) -> bool:
    """Whether words are more than a label: they go on behind a colon, or end with the first letter of "F-77"."""
    last, start, end = words[-1]
    return ":" in text[words[0][1] : start] or (len(last) == 1 and re.match(r"[-/_]?\w", text[end:]) is not None)


def _is_bracketed(text: str, at: int) -> bool:
    """Whether [at] stands within brackets: "gross (incl. VAT)" is no label of the tax."""
    return text.rfind("(", 0, at) > text.rfind(")", 0, at)


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """Text as labels are compared: folded, letters, digits and # only."""
    return _MARKS.sub("", fold(text.replace("°", "o").replace("№", "no")))


def _words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text: plain form, start, end. A change between letters and digits parts words: "n°562" is two."""
    return [(form, match.start(), match.end()) for match in _WORD.finditer(text) if (form := plain(match[0]))]
