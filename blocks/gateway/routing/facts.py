"""What a route's conditions check: facts of the document, and the answer so far. Each says which condition fails."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, StepAcceptance, StepCondition
from blocks.evidence.findings import FieldFinding
from blocks.gateway.prompts.tokens import estimate_tokens
from blocks.records import CriterionReading, Page


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """The document: `tokens` are estimated of the visible text; `ocr_confidence` is 1 where nothing was read by OCR."""

    pages: int
    tokens: int
    ocr_confidence: float
    is_sensitive: bool


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """The answer so far, judged as it will be when the document is validated.

    `deciding` are the fields that the document's confidence is the weakest of, `doubted` the other fields that send it
    to review.
    """

    fields: Mapping[str, FieldFinding]
    criteria: Mapping[str, CriterionReading]
    deciding: tuple[str, ...]
    doubted: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """The document's: that of its weakest deciding field."""
        return min((self.fields[name].confidence for name in self.deciding), default=1.0)


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
    """Which condition does not hold, in words; empty where all do.

    `judged` is None where no step has answered; `is_answered` says whether a model has.
    """
    for name, bounds, count in (("pages", when.pages, facts.pages), ("tokens", when.tokens, facts.tokens)):
        if bounds is not None and not _is_within(count, bounds):
            return f"it has {count} {name}"
    if when.ocr_confidence_below is not None and facts.ocr_confidence >= when.ocr_confidence_below:
        return f"its OCR confidence is {facts.ocr_confidence:.2f}"
    if when.sensitive is not None and facts.is_sensitive is not when.sensitive:
        return "its type is sensitive" if facts.is_sensitive else "its type is not sensitive"
    return _what_fails_so_far(when, judged, is_answered)


def _what_fails_so_far(when: StepCondition, judged: JudgedAnswer | None, is_answered: bool) -> str:
    """Which condition on the answer so far does not hold."""
    if when.unanswered is not None and when.unanswered is is_answered:
        return "a model has answered" if is_answered else "no model has answered"
    confidence = judged.confidence if judged is not None else 0.0
    if when.confidence_below is not None and confidence >= when.confidence_below:
        return f"its confidence is {confidence:.2f}"
    if when.criterion_below and not any(
        name in criteria and criteria[name].grade < limit
        for criteria in (judged.criteria if judged is not None else {},)
        for name, limit in when.criterion_below.items()
    ):
        return f"{', '.join(when.criterion_below)}: no grade is too low"
    return ""


def what_is_missed(accept: StepAcceptance | None, document_type: DocumentType, judged: JudgedAnswer) -> str:
    """What keeps an answer from ending the route, in words that name the fields; empty where nothing does."""
    if accept is None:
        return ""
    missed: list[str] = []
    if accept.confidence is not None:
        low = [name for name in judged.deciding if judged.fields[name].confidence < accept.confidence]
        missed += [f"confidence under {accept.confidence:g}: {', '.join(low)}"] if low else []
    for name, min_grade in accept.criteria.items():
        if name not in judged.criteria:
            missed.append(f"{name} was not graded")
        elif judged.criteria[name].grade < min_grade:
            missed.append(f"{name} is graded {judged.criteria[name].grade:.2f}, under {min_grade:g}")
    if accept.checks:
        required = [name for name, field in document_type.fields.items() if field.required]
        absent = [name for name in required if _is_nothing(judged.fields[name])]
        ungrounded = [name for name in required if judged.fields[name].problem is not None]
        missed += [f"not read: {', '.join(absent)}"] if absent else []
        missed += [f"not borne by the document: {', '.join(ungrounded)}"] if ungrounded else []
        missed += [f"doubtful: {', '.join(judged.doubted)}"] if judged.doubted else []
    return "; ".join(missed)


def unsure_fields(accept: StepAcceptance | None, document_type: DocumentType, judged: JudgedAnswer) -> tuple[str, ...]:
    """The fields that an answer which was not enough leaves to be asked again, in the type's order."""
    min_confidence = accept.confidence if accept is not None and accept.confidence is not None else 0.0

    def is_unsure(name: str) -> bool:
        finding = judged.fields[name]
        if _is_nothing(finding):
            return document_type.fields[name].required
        return name in judged.doubted or finding.problem is not None or finding.confidence < min_confidence

    return tuple(name for name in document_type.fields if is_unsure(name))


def control_fields(document_type: DocumentType, asked: Collection[str]) -> tuple[str, ...]:
    """The fields to ask besides `asked`, whose answers are known well enough to judge the reply by: the required ones.

    A reply about unsure fields alone has no rest to judge it by, and most of its true values are doubted too.
    """
    return tuple(
        name
        for name, field in document_type.fields.items()
        if field.required and not field.written and name not in asked
    )


def _is_nothing(finding: FieldFinding) -> bool:
    return finding.value is None and finding.problem is None


def _is_within(count: int, bounds: tuple[int | None, int | None]) -> bool:
    minimum, maximum = bounds
    return (minimum is None or count >= minimum) and (maximum is None or count <= maximum)
