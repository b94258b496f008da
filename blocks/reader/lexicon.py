"""The labels of a document type, found in a document's cells: the longest label that fits wins.

All fields' aliases compete, and so do the phrases that a field's `not_near` names: "subtotal" is not "total",
"total excluding VAT" not "total". Comparison ignores case, accents, blanks and punctuation, because PDFs break words
("Br uttosumme") and scans lose dots.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from blocks.document_types.schema import DocumentType
from blocks.reader.lines import Cell
from blocks.values.typed_values import fold

_MARKS = re.compile(r"[^\w#]|_")
_WORD = re.compile(r"[^\W\d_]+[°º]?|[°º]|\d+|[#№]+")
LONGEST_LABEL_WORDS = 7
FUZZY_AT = 82.0
"""The least similarity (rapidfuzz ratio, of 100) at which a window of text is taken for a bent label."""
SHORTEST_FUZZY = 5


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase says: it labels `field` (rank 0 is the field's best alias), or speaks against it."""

    field: str
    rank: float
    is_against: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A label in a cell: [start, end) in the cell's text, what it may mean, and its likeness in [0, 1]."""

    cell: Cell
    start: int
    end: int
    phrase: str
    meanings: tuple[Meaning, ...]
    likeness: float = 1.0

    def meaning(self, field: str) -> Meaning | None:
        """What this label says of `field`, if anything."""
        return next((m for m in self.meanings if m.field == field), None)


class Lexicon:
    """Phrases of one version of a type, with what each means."""

    def __init__(self, document_type: DocumentType) -> None:
        meanings: dict[str, list[Meaning]] = defaultdict(list)
        for name, field in document_type.fields.items():
            for rank, alias in enumerate(field.aliases):
                meanings[plain(alias)].append(Meaning(name, rank / max(len(field.aliases), 4)))
            for phrase in field.hints.not_near:
                meanings[plain(phrase)].append(Meaning(name, 0.0, is_against=True))
        meanings.pop("", None)
        self._meanings = {phrase: tuple(found) for phrase, found in meanings.items()}
        self._fuzzy = [p for p, found in self._meanings.items() if len(p) >= SHORTEST_FUZZY and not found[0].is_against]

    def find(self, cell: Cell) -> list[Label]:
        """The labels of a cell, left to right, none overlapping another."""
        words = _words(cell.text)
        found: list[Label] = []
        at = 0
        while at < len(words):
            phrase, last = "", -1
            best = ""
            for end in range(at, min(at + LONGEST_LABEL_WORDS, len(words))):
                phrase += words[end][0]
                if phrase in self._meanings and cell.text[words[end][2] : words[end][2] + 1] != "_":
                    best, last = phrase, end
            is_aside = bool(found) and _is_bracketed(cell.text, words[at][1])
            if last >= 0 and not (is_aside and not self._meanings[best][0].is_against):
                found.append(Label(cell, words[at][1], words[last][2], best, self._meanings[best]))
                at = last + 1
            else:
                at += 1 if last < 0 else last + 1 - at
        return found

    def phrases_of(self, fields: list[str]) -> list[str]:
        """The phrases that label one of `fields`, long enough to be told apart when bent."""
        wanted = set(fields)
        return [p for p in self._fuzzy if any(m.field in wanted and not m.is_against for m in self._meanings[p])]

    def find_bent(self, cell: Cell, phrases: list[str]) -> list[Label]:
        """The label that a scan may have bent: one of `phrases`, similar but not equal to a window of the words."""
        words = _words(cell.text)
        for size in range(min(4, len(words)), 0, -1):
            for at in range(len(words) - size + 1):
                window = "".join(word[0] for word in words[at : at + size])
                if len(window) < SHORTEST_FUZZY or window.isdigit():
                    continue
                match = process.extractOne(window, phrases, scorer=fuzz.ratio, score_cutoff=FUZZY_AT)
                if match:
                    phrase, score, _ = match
                    return [
                        Label(cell, words[at][1], words[at + size - 1][2], phrase, self._meanings[phrase], score / 100)
                    ]
        return []


def _is_bracketed(text: str, at: int) -> bool:
    """Whether [at] stands within brackets: "gross (incl. VAT)" is no label of the tax."""
    return text.rfind("(", 0, at) > text.rfind(")", 0, at)


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """Text as labels are compared: folded, letters, digits and # only."""
    return _MARKS.sub("", fold(text.replace("°", "o").replace("№", "no")))


def _words(text: str) -> list[tuple[str, int, int]]:
    """Words of a text (plain form, start, end). A change between letters and digits parts words: "n°562" is two."""
    return [(form, match.start(), match.end()) for match in _WORD.finditer(text) if (form := plain(match[0]))]
