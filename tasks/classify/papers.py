"""Kinds of papers by the titles that are printed on them: what a text says that it is.

The titles of some forty kinds in six languages stand in papers.txt. They serve twice: a document type whose title is
one of a kind's titles is known by all of them ("Payslip" also by "Gehaltsabrechnung"), and a paper whose title names
another kind is none of the type's: a remittance advice lists invoices, but is none.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cache, cached_property
from pathlib import Path

from tasks.classify.outline import Cell, Outline, words_of

PAPERS = Path(__file__).with_name("papers.txt")

TITLE_LINES = 15
"""A title that is more than the name alone stands in so many lines at the top."""
LAST_LINE = 100
"""A title below this line is none of the paper's own."""
FIRST_LINES = 6
"""A title that ends a line stands in so many lines, unless it is in capitals."""
MAX_TITLE_WORDS, MAX_FIRST_WORDS = 9, 14
"""A cell of more words is no title; on the first two lines a date or a name may follow it."""
MAX_PLAIN_WORDS = 2
"""A name of one word and another word are a title on the first two lines: "Protokoll Vorstandssitzung"."""
MAX_NAME_WORDS = 5

AFTER_TITLE, BEFORE_NUMBER, BEFORE_DATE, JOINS = "after a title", "before a number", "before a date", "joins"
NEVER_REFERRED_TO, TELLING = "never referred to", "telling below invoice"
DECLARED_OF = "declared of"
SUBJECTS, MAIL_HEADERS = "subjects", "mail headers"
LABELS_OF_ANY_FORM = "labels of any form"
"""The lists of papers.txt that are no kinds."""


class Strength(IntEnum):
    """How plainly a title says what the paper is.

    REFERENCE: as a label does ("Order no.: 4711"), which on an invoice names another paper. PHRASE: with other words
    ("Your bank statement"). NUMBERED: with its number or date. ALONE: nothing else in the cell.
    """

    REFERENCE = 1
    PHRASE = 2
    NUMBERED = 3
    ALONE = 4


@dataclass(frozen=True, slots=True)
class Title:
    """A title found in a text: the kinds that it may name, how plainly, and where."""

    name: str
    kinds: frozenset[str]
    strength: Strength
    line: int


@dataclass(frozen=True)
class Papers:
    """The names of kinds, as folded words, with phrases that are typical of a kind and statements that make one.

    `beginnings` are names of which longer names are also a name: to a type "Vehicle inspection" of no known kind, a
    "Vehicle inspection report" is its own. `denials` are the kinds of which a paper is not that denies to be so called.
    """

    names: Mapping[tuple[str, ...], frozenset[str]]
    endings: Mapping[str, frozenset[str]]
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beginnings: Mapping[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    denials: Mapping[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    def kinds_in(self, words: Sequence[str]) -> frozenset[str]:
        """The kinds that the longest, and of these the last, name within `words` means."""
        best: tuple[int, int, frozenset[str]] = (0, 0, frozenset())
        for start in range(len(words)):
            length, kinds = self.named_at(words, start)
            best = max(best, (length, start, kinds), key=lambda found: found[:2])
        return best[2]

    def titles(self, outline: Outline) -> list[Title]:
        """What stands in the text as a title, in the order of the text."""
        cells = itertools.takewhile(lambda cell: cell.line < LAST_LINE, outline.cells)
        return [title for cell in cells if (title := self._title(cell)) is not None]

    def _title(self, cell: Cell) -> Title | None:
        words, shift = cell.words, 0
        if cell.labels_end and words[0] in _words(SUBJECTS):
            words, shift = words[cell.labels_end[0] :], cell.labels_end[0]
        elif cell.labels_end and words[0] in _words(MAIL_HEADERS):
            return None
        if not words or (len(words) > (MAX_FIRST_WORDS if cell.line < 2 else MAX_TITLE_WORDS) and not shift):
            return None
        length, kinds = self.named_at(words, 0)
        if length:
            end = length
            while more := self.named_at(words, end)[0]:  # "Kontoauszug - offene Posten"
                end += more
            strength = self._strength(cell, words[end:], shift + end, is_subject=shift > 0)
            if strength is None:
                return None
            if (
                strength is Strength.REFERENCE
                and is_unreferred(kinds)
                and cell.line < FIRST_LINES
                and _stands_out(cell)
            ):
                strength = Strength.PHRASE
            return Title(cell.shown(shift, shift + length), kinds, strength, cell.line)
        if (cell.labels_end and not shift) or cell.line >= (TITLE_LINES if cell.is_upper or shift else FIRST_LINES):
            return None
        return self._title_within(words, cell, shift)

    def _strength(self, cell: Cell, rest: Sequence[str], end: int, *, is_subject: bool) -> Strength | None:
        is_label = end in cell.labels_end
        dated = list(itertools.dropwhile(_words(BEFORE_DATE).__contains__, rest))
        is_numbered = bool(rest) and (
            rest[0] in _words(BEFORE_NUMBER) or any(sign.isdigit() for sign in "".join(dated[:2]))
        )
        if not rest and not is_label:
            return Strength.ALONE if _stands_out(cell) else Strength.REFERENCE
        if is_numbered and not cell.labels_end and _stands_out(cell):
            return Strength.NUMBERED
        if is_numbered or not rest:
            return Strength.REFERENCE
        if rest[-1] in _words(AFTER_TITLE) or (cell.labels_end and not is_label and not is_subject):
            return None  # another label: "Bill to:", "Order placed by:"
        if cell.line < TITLE_LINES and (is_subject or is_label or cell.is_upper or rest[0] in _words(AFTER_TITLE)):
            return Strength.PHRASE
        max_words = MAX_TITLE_WORDS if end > 1 else MAX_PLAIN_WORDS
        is_first = cell.line < 2 and len(cell.words) <= max_words
        is_part = cell.line < TITLE_LINES and cell.others == 0 and end > 1 and end in cell.breaks
        return Strength.PHRASE if is_first or is_part else None  # a part: "Payment reminder - your invoice of March"

    def _title_within(self, words: Sequence[str], cell: Cell, shift: int) -> Title | None:
        """A name at the end of a short cell, as in "Your bank statement"."""
        if words[0] in _words(AFTER_TITLE) | _words(JOINS):
            return None
        for start in range(1, min(len(words), MAX_NAME_WORDS)):
            length, kinds = self.named_at(words, start)
            rest = words[start + length :]
            is_end = not rest or rest[0] in _words(BEFORE_NUMBER) | _words(AFTER_TITLE) or rest[0].isdigit()
            if length and is_end and words[start - 1] not in _words(JOINS) and (cell.is_upper or start <= 3):
                name = cell.shown(shift + start, shift + start + length)
                return Title(name, kinds, Strength.PHRASE, cell.line)
        return None

    def named_at(self, words: Sequence[str], start: int) -> tuple[int, frozenset[str]]:
        """How many words from `start` are a name, and the kinds that it means."""
        for length in range(min(MAX_NAME_WORDS, len(words) - start), 0, -1):
            kinds = self.names.get(tuple(words[start : start + length]))
            if kinds is not None:
                beginnings = (self.beginnings.get(tuple(words[start : start + n])) for n in range(1, length))
                return length, kinds.union(*(kinds for kinds in beginnings if kinds))
        if start < len(words) and words[start].endswith(self._endings):
            for ending, kinds in self.endings.items():
                if words[start].endswith(ending) and len(words[start]) > len(ending):
                    return 1, kinds
        return 0, frozenset()

    @cached_property
    def _endings(self) -> tuple[str, ...]:
        return tuple(self.endings)


def _stands_out(cell: Cell) -> bool:
    return cell.others == 0 or cell.line < 2 or (cell.others == 1 and (cell.is_upper or cell.line < 4))


def is_unreferred(kinds: Iterable[str]) -> bool:
    """Whether other papers name none of the kinds: "Statement date" on the first lines is that of the paper itself."""
    return all(words_of(kind) in word_list(NEVER_REFERRED_TO) for kind in kinds)


def is_telling(title: Title, kinds: frozenset[str]) -> bool:
    """Whether a title alone or with its date says that a paper is none of `kinds` below their own: "Pro forma".

    That is so of invoices and receipts: other papers have a heading "Statement".
    """
    if title.strength < Strength.NUMBERED or kinds.isdisjoint(" ".join(words) for words in word_list(DECLARED_OF)):
        return False
    return words_of(title.name) in word_list(TELLING)


def with_names(papers: Papers, names: Mapping[str, Iterable[str]]) -> Papers:
    """The papers with further names: {kind: titles}."""
    merged: dict[tuple[str, ...], frozenset[str]] = dict(papers.names)
    beginnings: dict[tuple[str, ...], frozenset[str]] = {}
    for kind, titles in names.items():
        for words in filter(None, map(words_of, titles)):
            merged[words] = merged.get(words, frozenset()) | {kind}
            if not papers.kinds_in(words):
                beginnings[words] = beginnings.get(words, frozenset()) | {kind}
    return replace(papers, names=merged, beginnings=beginnings)


@cache
def known_papers() -> Papers:
    """The kinds of papers.txt."""
    names: dict[tuple[str, ...], set[str]] = defaultdict(set)
    endings: dict[str, set[str]] = defaultdict(set)
    phrases: dict[str, tuple[str, ...]] = {}
    statements: dict[str, tuple[str, ...]] = {}
    denials: dict[tuple[str, ...], frozenset[str]] = {}
    for kind, terms in _lines():
        if kind.endswith("-"):
            denials |= {words_of(term): frozenset({kind[:-1]}) for term in terms}
        elif kind.endswith(("+", "!")):
            found = statements if kind.endswith("!") else phrases
            found[kind[:-1]] = tuple(" ".join(words_of(term)) for term in terms)
        elif not kind.startswith("="):
            for term in terms:
                if term.startswith("*"):
                    endings["".join(words_of(term))].add(kind)
                else:
                    names[words_of(term)].add(kind)
    by_length = sorted(endings.items(), key=lambda item: -len(item[0]))
    return Papers(
        {words: frozenset(kinds) for words, kinds in names.items()},
        {ending: frozenset(kinds) for ending, kinds in by_length},
        phrases,
        statements,
        denials=denials,
    )


@cache
def word_list(name: str) -> frozenset[tuple[str, ...]]:
    """A list of papers.txt that is no kind, each term as its words."""
    return frozenset(words_of(term) for term in _terms(name))


@cache
def phrase_pattern(name: str) -> re.Pattern[str]:
    """A list of papers.txt as a pattern for folded text; a * stands for up to three words."""
    patterns = (
        r" (?:\S+ ){0,3}?".join(" ".join(words_of(part)) for part in term.split("*"))
        for term in sorted(_terms(name), key=len, reverse=True)
    )
    return re.compile(rf"(?<!\S)(?:{'|'.join(patterns)})(?!\S)")


def _terms(name: str) -> list[str]:
    return [term for kind, terms in _lines() if kind == f"= {name}" for term in terms]


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(word for words in word_list(name) for word in words)


def _lines() -> Iterator[tuple[str, list[str]]]:
    for line in PAPERS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, _, terms = line.partition(":")
            yield kind, [term.strip() for term in terms.split(",")]
