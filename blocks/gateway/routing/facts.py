"""What a route's conditions are about: the document, and the answer so far. Each says in words what is not so."""

from collections.abc import Mapping
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
class Standing:
    """The answer so far, judged as it will be when the document is validated.

    `deciding` are the fields that its confidence is the weakest of, `doubted` those beside them that send it to review.
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
    read = [1.0 if page.ocr_confidence is None else page.ocr_confidence for page in pages]
    return DocumentFacts(
        pages=len(pages),
        tokens=sum(estimate_tokens(page.text) for page in pages),
        ocr_confidence=sum(read) / len(read) if read else 1.0,
        is_sensitive=document_type.sensitive,
    )


def what_fails(when: StepCondition, facts: DocumentFacts, standing: Standing | None, *, is_answered: bool) -> str:
    """Which condition does not hold, in words; empty where all do.

    `standing` is None where no step has answered; `is_answered` says whether a model beside the built-in one has.
    """
    for name, bounds, count in (("pages", when.pages, facts.pages), ("tokens", when.tokens, facts.tokens)):
        if bounds is not None and not _is_within(count, bounds):
            return f"it has {count} {name}"
    if when.ocr_confidence_below is not None and facts.ocr_confidence >= when.ocr_confidence_below:
        return f"its OCR confidence is {facts.ocr_confidence:.2f}"
    if when.sensitive is not None and facts.is_sensitive is not when.sensitive:
        return "its type is sensitive" if facts.is_sensitive else "its type is not sensitive"
    return _what_fails_so_far(when, standing, is_answered)


def _what_fails_so_far(when: StepCondition, standing: Standing | None, is_answered: bool) -> str:
    """Which condition on the answer so far does not hold."""
    if when.unanswered is not None and when.unanswered is is_answered:
        return "a model has answered" if is_answered else "no model has answered"
    confidence = standing.confidence if standing is not None else 0.0
    if when.confidence_below is not None and confidence >= when.confidence_below:
        return f"its confidence is {confidence:.2f}"
    if when.criterion_below and not any(
        name in criteria and criteria[name].grade < least
        for criteria in (standing.criteria if standing is not None else {},)
        for name, least in when.criterion_below.items()
    ):
        return f"{', '.join(when.criterion_below)}: no grade is too low"
    return ""


def what_is_missed(accept: StepAcceptance | None, document_type: DocumentType, standing: Standing) -> str:
    """What keeps an answer from ending the route, in words that name the fields; empty where nothing does."""
    if accept is None:
        return ""
    missed: list[str] = []
    if accept.confidence is not None:
        low = [name for name in standing.deciding if standing.fields[name].confidence < accept.confidence]
        missed += [f"confidence under {accept.confidence:g}: {', '.join(low)}"] if low else []
    for name, least in accept.criteria.items():
        if name not in standing.criteria:
            missed.append(f"{name} was not graded")
        elif standing.criteria[name].grade < least:
            missed.append(f"{name} is graded {standing.criteria[name].grade:.2f}, under {least:g}")
    if accept.checks:
        required = [name for name, field in document_type.fields.items() if field.required]
        absent = [name for name in required if _is_nothing(standing.fields[name])]
        unborne = [name for name in required if standing.fields[name].problem is not None]
        missed += [f"not read: {', '.join(absent)}"] if absent else []
        missed += [f"not borne by the document: {', '.join(unborne)}"] if unborne else []
        missed += [f"doubtful: {', '.join(standing.doubted)}"] if standing.doubted else []
    return "; ".join(missed)


def unsure_fields(accept: StepAcceptance | None, document_type: DocumentType, standing: Standing) -> tuple[str, ...]:
    """The fields that an answer which was not enough leaves to be asked again, in the type's order."""
    least = accept.confidence if accept is not None and accept.confidence is not None else 0.0

    def is_unsure(name: str) -> bool:
        finding = standing.fields[name]
        if _is_nothing(finding):
            return document_type.fields[name].required
        return name in standing.doubted or finding.problem is not None or finding.confidence < least

    return tuple(name for name in document_type.fields if is_unsure(name))


def _is_nothing(finding: FieldFinding) -> bool:
    return finding.value is None and finding.problem is None


def _is_within(count: int, bounds: tuple[int | None, int | None]) -> bool:
    least, most = bounds
    return (least is None or count >= least) and (most is None or count <= most)
