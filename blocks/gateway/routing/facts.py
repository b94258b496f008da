"""The conditions of a route's step: facts of the document, and the answer so far. Each names what does not hold."""

from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, StepCondition
from blocks.gateway.prompts.tokens import estimate_tokens
from blocks.gateway.routing.judge import JudgedAnswer
from blocks.records import Page


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """`tokens` are estimated from the visible text; `ocr_confidence` is 1 where no page was read by OCR."""

    pages: int
    tokens: int
    ocr_confidence: float
    is_sensitive: bool


def facts_of(document_type: DocumentType, pages: tuple[Page, ...]) -> DocumentFacts:
    """The facts of a document."""
    confidences = [1.0 if page.ocr_confidence is None else page.ocr_confidence for page in pages]
    return DocumentFacts(
        pages=len(pages),
        tokens=sum(estimate_tokens(page.text) for page in pages),
        ocr_confidence=sum(confidences) / len(confidences) if confidences else 1.0,
        is_sensitive=document_type.sensitive,
    )


def what_fails(when: StepCondition, facts: DocumentFacts, judged: JudgedAnswer | None, *, is_answered: bool) -> str:
    """Which condition does not hold, in words; empty where all hold.

    `judged` is None where no step has answered; `is_answered`: whether a model has.
    """
    for name, bounds, count in (("pages", when.pages, facts.pages), ("tokens", when.tokens, facts.tokens)):
        if bounds is not None and not _is_within(count, bounds):
            return f"it has {count} {name}"
    if when.ocr_confidence_below is not None and facts.ocr_confidence >= when.ocr_confidence_below:
        return f"its OCR confidence is {facts.ocr_confidence:.2f}"
    if when.sensitive is not None and facts.is_sensitive is not when.sensitive:
        return "its type is sensitive" if facts.is_sensitive else "its type is not sensitive"
    if when.unanswered is not None and when.unanswered is is_answered:
        return "a model has answered" if is_answered else "no model has answered"
    return _what_fails_of_answer(when, judged)


def _what_fails_of_answer(when: StepCondition, judged: JudgedAnswer | None) -> str:
    confidence = judged.confidence if judged is not None else 0.0
    if when.confidence_below is not None and confidence >= when.confidence_below:
        return f"its confidence is {confidence:.2f}"
    criteria = judged.criteria if judged is not None else {}
    limits = when.criterion_below
    if limits and not any(name in criteria and criteria[name].grade < limits[name] for name in limits):
        return f"{', '.join(limits)}: no grade is too low"
    return ""


def _is_within(count: int, bounds: tuple[int | None, int | None]) -> bool:
    minimum, maximum = bounds
    return (minimum is None or count >= minimum) and (maximum is None or count <= maximum)
