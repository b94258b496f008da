"""Rubric criteria: graded by the keywords that the document names, and by the words that it shares with the reference.

A grade is a measure of mention, not of merit: it sorts a pile for a reader, who sees the quotes that bear it.
"""

import re
from functools import lru_cache

from blocks.document_types.schema import Criterion, Rubric
from blocks.evidence.grounding import quoted
from blocks.records import CriterionReading, Evidence, Page
from blocks.text_classifier.features import Keywords, Span

ENOUGH_KEYWORDS = 4
"""Different keywords that make a full grade; with fewer in the criterion, all of them."""

QUOTES = 3
KEYWORD_SHARE = 0.8
"""The keywords' share of the grade where the rubric has a reference; the rest is the shared words'."""

CONFIDENCE_NOTHING, CONFIDENCE_PER_KEYWORD, CONFIDENCE_MOST = 0.5, 0.1, 0.8

_LONG_WORD = re.compile(r"[^\W\d_]{5,}")


def grade(rubric: Rubric, pages: tuple[Page, ...]) -> tuple[CriterionReading, ...]:
    """A grade in [0, 1] per criterion, with up to three quotes of the lines that bear it."""
    overlap = _overlap(rubric.reference, pages) if rubric.reference else None
    return tuple(_grade(criterion, overlap, pages) for criterion in rubric.criteria)


def _grade(criterion: Criterion, overlap: float | None, pages: tuple[Page, ...]) -> CriterionReading:
    found: set[str] = set()
    evidence: list[Evidence] = []
    for page in pages:
        for keyword in criterion.keywords:
            if keyword in found or not _compiled(keyword).count(page.text):
                continue
            found.add(keyword)
            spans = _compiled(keyword).spans(page.text) if len(evidence) < QUOTES else []
            if spans:
                line = _line_around(page.text, spans[0])
                evidence.append(quoted(page, line.start, line.end))
    named = len(found)
    mentioned = min(1.0, named / min(ENOUGH_KEYWORDS, max(len(criterion.keywords), 1)))
    value = mentioned if overlap is None else KEYWORD_SHARE * mentioned + (1 - KEYWORD_SHARE) * overlap
    confidence = min(CONFIDENCE_MOST, CONFIDENCE_NOTHING + CONFIDENCE_PER_KEYWORD * named)
    return CriterionReading(
        name=criterion.name, grade=round(value, 4), confidence=confidence, evidence=tuple(dict.fromkeys(evidence))
    )


def _overlap(reference: str, pages: tuple[Page, ...]) -> float:
    """The share of the reference's long words that the pages have too, by their first five letters."""
    wanted = {word[:5].casefold() for word in _LONG_WORD.findall(reference)}
    there = {word[:5].casefold() for page in pages for word in _LONG_WORD.findall(page.text)}
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _line_around(text: str, span: Span) -> Span:
    """The line that a span stands in, without the blanks around it, and no more than 100 characters to either side."""
    start = max(text.rfind("\n", 0, span.start) + 1, span.start - 100)
    end = text.find("\n", span.end)
    end = min(end if end >= 0 else len(text), span.end + 100)
    line = text[start:end]
    return Span(start + len(line) - len(line.lstrip()), start + len(line.rstrip()))


@lru_cache(maxsize=2_000)
def _compiled(keyword: str) -> Keywords:
    return Keywords((keyword,))
