"""Texts as features: words, pairs of words and letter groups, and the keywords of each label.

Letter groups stay within a word, so that every feature has its word and literal words of the page explain a prediction.
They also match other spellings and endings, and words that a PDF ran together.
"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

WORD = re.compile(r"[^\W_]+(?:['’*][^\W_]+)*|[£$€?!#@]")
NOT_LETTERS = re.compile(r"[\W_]+")
MIN_LETTERS, MAX_LETTERS = 2, 5
LONG_WORD, LONG_PHRASE = 7, 10
"""Keywords of so many letters are found where a PDF lost the blanks around or inside them."""

TOP_LINES = 2
"""So many lines at the top are a document's title: of 1 to 4, 1 and 2 were best on occupations of résumés."""


@dataclass(frozen=True, slots=True)
class Span:
    """Literal text at [start, end) of a text."""

    start: int
    end: int


def words(text: str) -> list[tuple[str, Span]]:
    """The words of a text in lower case, with their places."""
    return [(match.group().lower().replace("’", "'"), Span(*match.span())) for match in WORD.finditer(text)]


@lru_cache(maxsize=200_000)
def word_features(word: str) -> tuple[str, ...]:
    """The features of a word: the word itself, and its letter groups with its edges marked."""
    padded = f" {word} "
    groups = [
        padded[start : start + size]
        for size in range(MIN_LETTERS, MAX_LETTERS + 1)
        for start in range(len(padded) - size + 1)
    ]
    return (f"w:{word}", *groups)


def text_features(text: str) -> list[str]:
    """All features of a text, with repetitions."""
    names = [word for word, _ in words(text)]
    features = [feature for name in names for feature in word_features(name)]
    features.extend(f"{left} {right}" for left, right in itertools.pairwise(names))
    return features


def top_of(text: str) -> str:
    """The first lines that are not blank: the title."""
    lines = [line for line in text[:2_000].splitlines() if line.strip()]
    return "\n".join(lines[:TOP_LINES])


@dataclass(frozen=True)
class Keywords:
    """The keywords of a label.

    A blank in a keyword matches any blanks or none, and `*` any letters or none. In the text, a `*` may mask any letter
    of the keyword but its first. Keywords are complete words of the text. Long keywords without `*` may also be parts
    of words, for PDFs that lose blanks.
    """

    terms: tuple[str, ...]

    def count(self, text: str) -> int:
        """How often the text has the keywords. Fast, so long keywords that overlap each count."""
        if "*" in text:
            near = sum(1 for _ in self._pattern.finditer(text)) if self._pattern else 0
        else:
            seen = _word_counts(text)
            near = sum(seen[term] for term in self._short_words)
            near += sum(1 for _ in self._phrases.finditer(text)) if self._phrases else 0
        if not self._long:
            return near
        collapsed = _collapse(text)
        return near + sum(collapsed.count(term) for term in self._long)

    def spans(self, text: str) -> list[Span]:
        """Where the keywords are, in order; of those that overlap, the first and longest."""
        patterns = [self._pattern, self._long_pattern if self._long else None]
        found = [Span(*match.span()) for pattern in patterns if pattern for match in pattern.finditer(text)]
        kept: list[Span] = []
        for span in sorted(found, key=lambda span: (span.start, -span.end)):
            if not kept or span.start >= kept[-1].end:
                kept.append(span)
        return kept

    @cached_property
    def _long(self) -> tuple[str, ...]:
        return tuple(_collapse(term) for term in self.terms if _is_long(term))

    @cached_property
    def _long_pattern(self) -> re.Pattern[str]:
        return re.compile(_alternatives([term for term in self.terms if _is_long(term)]), re.IGNORECASE)

    @cached_property
    def _short_words(self) -> tuple[str, ...]:
        """Single words, which are looked up rather than searched for."""
        return tuple({term.lower() for term in self.terms if not _is_long(term) and _is_word(term)})

    @cached_property
    def _phrases(self) -> re.Pattern[str] | None:
        return _compile([term for term in self.terms if not _is_long(term) and not _is_word(term)])

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return _compile([term for term in self.terms if not _is_long(term)])


@lru_cache(maxsize=2_000)
def keywords_of(terms: tuple[str, ...]) -> Keywords:
    """The keywords, compiled once."""
    return Keywords(terms)


def keyword_features(keywords: Mapping[str, Keywords], text: str, *, top: bool) -> list[float]:
    """For each label, whether it has a keyword in the text, and its share of all hits; last, whether there are none."""
    parts = [text, top_of(text)] if top else [text]
    values: list[float] = []
    for part in parts:
        counts = Counter({label: found.count(part) for label, found in keywords.items()})
        total = counts.total()
        for label in keywords:
            values.extend((float(counts[label] > 0), counts[label] / total if total else 0.0))
        values.append(float(total == 0))
    return values


@lru_cache(maxsize=64)
def _collapse(text: str) -> str:
    return NOT_LETTERS.sub("", text.lower())


@lru_cache(maxsize=64)
def _word_counts(text: str) -> Counter[str]:
    return Counter(word for word, _ in words(text))


def _compile(terms: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile(rf"(?<!\w)(?:{_alternatives(terms)})(?!\w)", re.IGNORECASE) if terms else None


def _alternatives(terms: Sequence[str]) -> str:
    return "|".join(map(_spaced, sorted(terms, key=len, reverse=True)))


def _is_word(term: str) -> bool:
    return "*" not in term and WORD.fullmatch(term) is not None


def _is_long(term: str) -> bool:
    return "*" not in term and len(_collapse(term)) >= (LONG_PHRASE if " " in term else LONG_WORD)


def _spaced(term: str) -> str:
    parts = (r"[\w*'-]*".join(_masked(piece) for piece in part.split("*")) for part in term.split())
    return r"[\s-]*".join(parts)


def _masked(piece: str) -> str:
    first, rest = re.escape(piece[:1]), piece[1:]
    return first + "".join(f"[{re.escape(letter)}*]" if letter.isalpha() else re.escape(letter) for letter in rest)
