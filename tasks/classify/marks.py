"""Marks by which a paper says of itself that it is not valid, or not what its title says.

"DRAFT", "INVOICE - VOID", "Rechnung storniert", "superseded by" and "sample" stand as a stamp does: in a cell of their
own, alone or with a title. "This is not a VAT invoice" and "This invoice has been cancelled" are statements in the
text. Words of the same form that mean something else are none: a voided item of a receipt, an order line "Sample", a
credit note that names the cancelled invoice, "Cette facture annule et remplace". The words stand in papers.txt.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby

from tasks.classify.outline import Cell, Outline
from tasks.classify.papers import (
    BEFORE_NUMBER,
    DECLARED_OF,
    FIRST_LINES,
    TITLE_LINES,
    Papers,
    phrase_pattern,
    word_list,
)

MAX_STAMP_WORDS = 12
MAX_WORDS_BETWEEN = 4
"""So many articles and adjectives stand between "This is not" and the name."""

MIN_DECLARED_LETTERS = 7
"""A shorter name may be another word: "This is an offer"."""

MAX_PREFIX_LETTERS = 4
"""A number may begin with so many letters: "INV-2041"."""
MIN_COMPOUND_LETTERS = 5
"""The name in "Musterrechnung" has so many letters at least."""

_ROLES = {
    "void": "v",
    "void alone": "o",
    "replaced by another": "r",
    "draft": "d",
    "sample": "s",
    "sample of a title": "x",
    "for information": "i",
    "beside a mark": "c",
    "not a": "q",
}
"""The lists of papers.txt by the letter that stands for their words; a title is t and a number n."""
_MARKS = frozenset("vordsxiq")

_ALONE = re.compile("[vodsic]*[vodsi][vodsic]*")
_AFTER_TITLE = re.compile("c*t+(n*)c*[vdsxir][vdsxic]*")
_BEFORE_TITLE = re.compile("c*(?:[vdsxi]+c*t+c*|[dsx]+t+n+c*)")
_DENIED = re.compile("c*qtc*")

_AMOUNT = re.compile(r"[^\W\d]{0,3}[^\w\s]?\s?-?\d[\d.,']*-?\s?[^\w\s]?[^\W\d]{0,3}")
_NEGATIVE = re.compile(r"(?:(?<!\S)-\s?[^\w\s]?\d[\d.,]*|\d[\d.,]*-|\(\d[\d.,]*\))\s*$")
_FIGURE = re.compile(r"\d[.,]\d\d-?(?:\s?\W|\s[^\W\d]{3})?$")


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in small letters; a statement as folded words.

    It is about papers of the kinds `of`, or of any if empty, but not of the kinds `but`.
    """

    words: str
    of: frozenset[str] = frozenset()
    but: frozenset[str] = frozenset()
    is_statement: bool = False

    def concerns(self, kinds: frozenset[str]) -> bool:
        """Whether a paper of these kinds is void or another by this mark."""
        return (not self.of or bool(self.of & kinds)) and not self.but & kinds

    @property
    def remark(self) -> str:
        """What the mark says, in words."""
        return f"says {self.words}" if self.is_statement else f"marked {self.words}"


def marks_in(outline: Outline, papers: Papers) -> list[Mark]:
    """The marks of a text: stamps first."""
    return [*_Stamps(outline, papers).found(), *_statements(outline.folded, papers)]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A cell as roles, a letter per term, with the kinds of its titles and the number of words before the mark."""

    roles: str
    kinds: frozenset[str]
    before_mark: int


@dataclass(frozen=True)
class _Stamps:
    outline: Outline
    papers: Papers

    def found(self) -> Iterator[Mark]:
        lines = [list(cells) for _, cells in groupby(self.outline.cells, key=lambda cell: cell.line)]
        readings = [[_reading(cell.words, self.papers) for cell in cells] for cells in lines]
        repeated = Counter(cell.words for cell in self.outline.cells if len(cell.words) < MAX_STAMP_WORDS)
        for position, (cells, read) in enumerate(zip(lines, readings, strict=True)):
            if not any(read):
                continue
            is_item = _is_item(lines, position)
            for cell, reading in zip(cells, read, strict=True):
                if reading is None or not _is_placed(cell, reading, cells, all(read)):
                    continue
                is_early = cell.line < min(TITLE_LINES, self.outline.first_amounts)
                if _is_titled(cell, reading, is_early=is_early) or (
                    not is_item and _is_alone(cell, reading, repeated[cell.words], is_early=is_early)
                ):
                    yield Mark(cell.shown(0, len(cell.words)), reading.kinds, _kinds("never void"))


def _is_placed(cell: Cell, reading: _Reading, line: Sequence[Cell], is_whole_line: bool) -> bool:
    """Whether the cell has a line of its own, or stands beside a letterhead; a label before it may be "Status:"."""
    if any(end > reading.before_mark for end in cell.labels_end):
        return False
    if cell.others == 0 or is_whole_line:
        return True
    if "t" in reading.roles or not cell.is_upper or any(_AMOUNT.fullmatch(other.text) for other in line):
        return False
    is_void = set(reading.roles) & set("vo")
    return cell.line < TITLE_LINES if is_void else cell.others == 1 and cell.line < FIRST_LINES


def _is_alone(cell: Cell, reading: _Reading, times: int, *, is_early: bool) -> bool:
    """Whether the cell is a mark without a title. What may be the name of an item counts before the items."""
    roles = set(reading.roles)
    if not _ALONE.fullmatch(reading.roles):
        return False
    return bool(
        roles & set("vo")
        or ("d" in roles and (is_early or cell.is_upper or times > 1))
        or ("s" in roles and cell.is_upper and (is_early or times > 1))
        or ("i" in roles and is_early)
    )


def _is_titled(cell: Cell, reading: _Reading, *, is_early: bool) -> bool:
    """Whether the cell is a title with a mark: "Invoice - void", "Draft invoice", "Not a VAT invoice".

    "Cancelled invoice 2040" and, without a dash, "Invoice 2040 cancelled" name another paper, as a credit note does.
    """
    if not is_early and not cell.is_upper:
        return False
    after = _AFTER_TITLE.fullmatch(reading.roles)
    if after is not None:
        return not after[1] or reading.before_mark in cell.breaks or reading.before_mark in cell.labels_end
    return bool(_BEFORE_TITLE.fullmatch(reading.roles) or _DENIED.fullmatch(reading.roles))


def _is_item(lines: Sequence[Sequence[Cell]], position: int) -> bool:
    """Whether the line is one of a table or a till's: an amount follows, or amounts stand around it."""
    following = [cell.text for cell in lines[position + 1]] if position + 1 < len(lines) else []
    previous = [cell.text for cell in lines[position - 1]] if position else []
    if following and (_AMOUNT.fullmatch(following[0]) or _NEGATIVE.search(following[-1])):
        return True
    return bool(previous and following and _FIGURE.search(previous[-1]) and _FIGURE.search(following[-1]))


def _reading(words: Sequence[str], papers: Papers) -> _Reading | None:
    """A cell's words as roles, or None if some have none or none is a mark."""
    if len(words) > MAX_STAMP_WORDS or not any(word in _first_words() or _compound(word, papers) for word in words):
        return None
    roles, kinds, before_mark, start = "", frozenset[str](), 0, 0
    while start < len(words):
        role, length, found = _role_at(words, start, papers)
        if not role:
            return None
        if not set(roles) & _MARKS:
            before_mark = start
        roles, kinds = roles + role, kinds | found
        start = len(words) if role == "r" else start + length
    return _Reading(roles, kinds, before_mark) if set(roles) & _MARKS else None


def _role_at(words: Sequence[str], start: int, papers: Papers) -> tuple[str, int, frozenset[str]]:
    length, role = _term_at(words, start)
    named, kinds = papers.named_at(words, start)
    if named > length or (named and not role):
        compound = _compound(words[start], papers) if named == 1 else ""
        return compound + "t", named, kinds
    if role == "q":
        denied, kinds = _denied_at(words, start + length, papers)
        return (role + "t", length + denied, kinds) if kinds else ("", 0, frozenset())
    if role:
        return role, length, frozenset()
    if _has_digit(words[start]) or words[start] in _single(BEFORE_NUMBER):
        return "n", 1, frozenset()
    if start + 1 < len(words) and len(words[start]) <= MAX_PREFIX_LETTERS and _has_digit(words[start + 1]):
        return "n", 2, frozenset()
    return "", 0, frozenset()


def _has_digit(word: str) -> bool:
    return any(sign.isdigit() for sign in word)


def _term_at(words: Sequence[str], start: int) -> tuple[int, str]:
    """The longest term of the lists that stands there."""
    for length in range(min(6, len(words) - start), 0, -1):
        role = _terms().get(tuple(words[start : start + length]))
        if role:
            return length, role
    return 0, ""


def _compound(word: str, papers: Papers) -> str:
    """The role of a mark with which a compound begins: "Musterrechnung", "conceptfactuur"."""
    for begun, role in _beginnings().items() if word.startswith(tuple(_beginnings())) else ():
        rest = word.removeprefix(begun)
        if len(rest) >= MIN_COMPOUND_LETTERS and papers.named_at((rest.removeprefix("s"),), 0)[0]:
            return role
    return ""


def _statements(folded: str, papers: Papers) -> Iterator[Mark]:
    words = folded.split(" ")
    for name, meaning in (("denials", _denial), ("declarations", _declaration)):
        for match in phrase_pattern(name).finditer(folded):
            start = folded.count(" ", 0, match.start())
            end = start + match[0].count(" ") + 1
            if not start or words[start - 1] not in _single("conditions"):
                meant = meaning(words, end, papers)
                if meant is not None:
                    yield replace(meant, words=" ".join([*words[start:end], meant.words]), is_statement=True)
    for match in phrase_pattern("says statement").finditer(folded):
        yield Mark(match[0], _kinds(DECLARED_OF), _kinds("declared kinds"), is_statement=True)
    yield from _voidings(words, papers)


def _denial(words: Sequence[str], start: int, papers: Papers) -> Mark | None:
    """What follows "This is not": "a valid VAT invoice"."""
    length, kinds = _denied_at(words, start, papers)
    return Mark(" ".join(words[start : start + length]), kinds) if kinds else None


def _denied_at(words: Sequence[str], start: int, papers: Papers) -> tuple[int, frozenset[str]]:
    """How many words up to the end of a name that a paper denies to have, and the kinds that it is therefore not of."""
    for skipped in _between(words, start):
        length, kinds = papers.named_at(words, start + skipped)
        if length:
            name = tuple(words[start + skipped : start + skipped + length])
            is_plain = len(kinds) == 1 and not kinds & frozenset().union(*papers.denials.values())
            return skipped + length, papers.denials.get(name, kinds if is_plain else frozenset())
    return 0, frozenset()


def _declaration(words: Sequence[str], start: int, papers: Papers) -> Mark | None:
    """What follows "This is": "a draft", "a sample invoice", "only a pro forma invoice"."""
    for at in (start + skipped for skipped in _between(words, start)):
        length, role = _term_at(words, at)
        named, kinds = papers.named_at(words, at)
        if role and role in "dsx" and length >= named:
            titled, meant = papers.named_at(words, at + length)
            end = at + length + titled
            if titled or role == "d":
                return Mark(" ".join(words[start:end]), meant or _kinds(DECLARED_OF))
            return None
        if named:
            declared = kinds & _kinds("declared kinds")
            is_plain = named > 1 or len(words[at]) >= MIN_DECLARED_LETTERS
            end = at + named
            return Mark(" ".join(words[start:end]), _kinds(DECLARED_OF), declared) if declared and is_plain else None
    return None


def _between(words: Sequence[str], start: int) -> Iterator[int]:
    """The numbers of articles and adjectives after which a name may stand."""
    between = _single("articles") | _single("adjectives")
    for skipped in range(MAX_WORDS_BETWEEN + 1):
        yield skipped
        if start + skipped >= len(words) or words[start + skipped] not in between:
            return


def _voidings(words: Sequence[str], papers: Papers) -> Iterator[Mark]:
    """Statements such as "This invoice has been cancelled", but not "This invoice is void if"."""
    for start in (at for at, word in enumerate(words) if word in _single("this")):
        named, kinds = papers.named_at(words, start + 1)
        end = start + 1 + named
        was = next((n for n in (3, 2, 1) if tuple(words[end : end + n]) in word_list("was")), 0) if named else 0
        if not was or (start and words[start - 1] in _single("conditions")):
            continue
        length, role = _term_at(words, end + was)
        after = words[end + was + length : end + was + length + 1]
        if role and role in "vor" and not set(after) & _single("conditions"):
            yield Mark(" ".join(words[start : end + was + length]), kinds, is_statement=True)


@cache
def _terms() -> dict[tuple[str, ...], str]:
    return {words: role for name, role in _ROLES.items() for words in word_list(name)}


@cache
def _first_words() -> frozenset[str]:
    """The words with which the terms of marks begin."""
    return frozenset(words[0] for words, role in _terms().items() if role != "c")


@cache
def _beginnings() -> dict[str, str]:
    return {words[0]: role for words, role in _terms().items() if len(words) == 1 and role in "dsx"}


@cache
def _single(name: str) -> frozenset[str]:
    return frozenset(word for words in word_list(name) for word in words)


@cache
def _kinds(name: str) -> frozenset[str]:
    return frozenset(" ".join(words) for words in word_list(name))
