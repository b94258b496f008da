"""Grades the criteria of a rubric by their keywords in the document, and by words that it shares with the reference.

A grade measures what is mentioned, not how good it is: it sorts documents for a person, who sees the quotes.
"""

import re

from blocks.document_types.schema import Criterion, Rubric
from blocks.evidence.grounding import quoted
from blocks.records import CriterionReading, Evidence, Page
from blocks.text_classifier.features import Span, keywords_of

ENOUGH_KEYWORDS = 4
"""So many keywords of a criterion make a full grade; where it has fewer, all of them."""

QUOTES = 3
KEYWORD_SHARE = 0.8
"""The keywords' share of the grade where the rubric has a reference; the rest is the share of its words."""
CONFIDENCE_NOTHING, CONFIDENCE_PER_KEYWORD, MAX_CONFIDENCE = 0.5, 0.1, 0.8

_LONG_WORD = re.compile(r"[^\W\d_]{5,}")


def grade(rubric: Rubric, pages: tuple[Page, ...]) -> tuple[CriterionReading, ...]:
    """A grade in [0, 1] for each criterion of the document, with up to three lines that have its keywords.

    Criteria that judge a written field are left out.
    """
    overlap = _overlap(rubric.reference, pages) if rubric.reference else None
    return tuple(_grade(criterion, overlap, pages) for criterion in rubric.criteria if criterion.judges is None)


def _grade(criterion: Criterion, overlap: float | None, pages: tuple[Page, ...]) -> CriterionReading:
    found: set[str] = set()
    evidence: list[Evidence] = []
    for page in pages:
        for keyword in criterion.keywords:
            keywords = keywords_of((keyword,))
            if keyword in found or not keywords.count(page.text):
                continue
            found.add(keyword)
            spans = keywords.spans(page.text) if len(evidence) < QUOTES else []
            if spans:
                line = _line_around(page.text, spans[0])
                evidence.append(quoted(page, line.start, line.end))
    mentioned = min(1.0, len(found) / min(ENOUGH_KEYWORDS, max(len(criterion.keywords), 1)))
    value = mentioned if overlap is None else KEYWORD_SHARE * mentioned + (1 - KEYWORD_SHARE) * overlap
    confidence = min(MAX_CONFIDENCE, CONFIDENCE_NOTHING + CONFIDENCE_PER_KEYWORD * len(found))
    return CriterionReading(
        name=criterion.name, grade=round(value, 4), confidence=confidence, evidence=tuple(dict.fromkeys(evidence))
    )


def _overlap(reference: str, pages: tuple[Page, ...]) -> float:
    """The share of the reference's long words that the pages have too, compared by their first five letters."""
    wanted = {word[:5].casefold() for word in _LONG_WORD.findall(reference)}
    there = {word[:5].casefold() for page in pages for word in _LONG_WORD.findall(page.text)}
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _line_around(text: str, span: Span) -> Span:
    """The line of a span without the blanks around it, at most 100 characters to either side."""
    start = max(text.rfind("\n", 0, span.start) + 1, span.start - 100)
    end = text.find("\n", span.end)
    end = min(end if end >= 0 else len(text), span.end + 100)
    line = text[start:end]
    return Span(start + len(line) - len(line.lstrip()), start + len(line.rstrip()))
