"""The verdict on one document: a pure function of what was found, which says why in the same breath.

A document is accepted when there is no reason against it, and only then; so the reasons are the explanation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from blocks.document_types import DocumentField, DocumentType, RejectRule, ReviewRules
from blocks.records import UNKNOWN_TYPE, Classification, Evidence, Status, Validation
from blocks.values import InvalidValue, typed_value

SENSITIVE_ACCEPT_AT = 0.95
"""The confidence that a document of a sensitive type needs to be accepted without a person."""

LIKELY_AT = 0.5
"""An optional value that is more likely wrong than right is not stored without a person's word."""

Problem = Literal["invalid", "ungrounded"]


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """A field's typed value, the probability that it is right, where it stands, and what speaks against it.

    `value` is None where nothing was read or where the reading is no value of the field's type (`invalid`).
    `is_default`: the document is silent, and the type says what to take then. `is_of_model`: a language model read it.
    """

    value: JsonValue = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    problem: Problem | None = None
    is_default: bool = False
    is_of_model: bool = False


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the pages say against trusting any reading of them.

    `ocr_confidence` is in [0, 1], None where no page was read by OCR; `provisional` has the kinds of failures that the
    next run may cure.
    """

    has_hidden_text: bool = False
    ocr_confidence: float | None = None
    provisional: tuple[str, ...] = ()


def decide(
    document_type: DocumentType,
    fields: Mapping[str, FieldFinding],
    classification: Classification,
    facts: PageFacts,
    broken_expectations: Sequence[str] = (),
    score: float | None = None,
) -> Validation:
    """The verdict on a document of a known type.

    Reasons, each of which sends the document to review:
    `missing`, `low_confidence` (under the type's `accept_at`, or its `accept_models_at`) of a required field, or of
    every field that was read where the type requires none; `low_confidence` of an optional field that is more likely
    wrong than right, defaults aside; `invalid`, `ungrounded` of any field; `expectation`; `hidden_text`;
    `low_ocr_confidence`; `low_type_confidence` where the type itself is less sure than `accept_at`; `sensitive` where a
    sensitive type's document is less sure than 0.95; the kind of an upstream failure that the next run may cure.
    A reject rule whose value is sure enough rejects, with `rejected:<field>` as the first reason, unless the document
    shows signs of tampering or of a bad reading; where it is not sure enough, its field is `low_confidence`.
    """
    found = {name: fields.get(name, FieldFinding()) for name in document_type.fields}
    confidence = _document_confidence(document_type, found, classification)
    doubts = (*_page_reasons(document_type.review, classification, facts), *_field_problems(found))
    reasons = [
        *doubts,
        *_gaps(document_type, found),
        *(f"expectation:{name}" for name in broken_expectations),
    ]
    rejecting = [rule for rule in document_type.reject_when if _matches(rule, document_type, found)]
    sure = [rule for rule in rejecting if found[rule.field].confidence >= _needed(rule, document_type)]
    status = Status.ACCEPTED
    if sure and not doubts:
        status = Status.REJECTED
        reasons = [*(f"rejected:{rule.field}" for rule in sure), *reasons]
    else:
        reasons += [f"low_confidence:{rule.field}" for rule in rejecting if rule not in sure]
        reasons += [f"rejected:{rule.field}" for rule in sure]
        if document_type.sensitive and confidence < SENSITIVE_ACCEPT_AT:
            reasons.append("sensitive")
        if reasons:
            status = Status.IN_REVIEW
    priority, due_minutes = _urgency(document_type.review, confidence)
    return Validation(
        document_type=document_type.name,
        status=status,
        confidence=confidence,
        reasons=tuple(dict.fromkeys(reasons)),
        score=score,
        fields={name: finding.value for name, finding in found.items()},
        confidences={name: finding.confidence for name, finding in found.items()},
        evidence={name: finding.evidence for name, finding in found.items()},
        priority=priority,
        due_minutes=due_minutes if status is Status.IN_REVIEW else None,
    )


def decide_unknown(facts: PageFacts) -> Validation:
    """The verdict on a document of no known type: a person must say what it is."""
    review = ReviewRules()
    nothing = Classification(document_type=UNKNOWN_TYPE, confidence=1.0, method="signals")
    priority, due_minutes = _urgency(review, 0.0)
    return Validation(
        document_type=UNKNOWN_TYPE,
        status=Status.IN_REVIEW,
        confidence=0.0,
        reasons=("unknown_type", *_page_reasons(review, nothing, facts)),
        priority=priority,
        due_minutes=due_minutes,
    )


def deciding_fields(document_type: DocumentType, found: Mapping[str, FieldFinding]) -> tuple[str, ...]:
    """The fields that a document's confidence is the weakest of: the required ones, else all that were read.

    Where a type requires nothing and nothing was read, all of them: an empty row is nothing to accept.
    """
    required = tuple(name for name, field in document_type.fields.items() if field.required)
    read = tuple(name for name, finding in found.items() if finding.value is not None)
    return required or read or tuple(document_type.fields)


def _document_confidence(
    document_type: DocumentType, found: Mapping[str, FieldFinding], classification: Classification
) -> float:
    weakest = min((found[name].confidence for name in deciding_fields(document_type, found)), default=1.0)
    return min(weakest, classification.confidence)


def _page_reasons(review: ReviewRules, classification: Classification, facts: PageFacts) -> Iterator[str]:
    if facts.has_hidden_text:
        yield "hidden_text"
    yield from facts.provisional
    if facts.ocr_confidence is not None and facts.ocr_confidence < review.min_ocr_confidence:
        yield "low_ocr_confidence"
    if classification.confidence < review.accept_at:
        yield "low_type_confidence"


def _field_problems(found: Mapping[str, FieldFinding]) -> Iterator[str]:
    for name, finding in found.items():
        if finding.problem is not None:
            yield f"{finding.problem}:{name}"


def _gaps(document_type: DocumentType, found: Mapping[str, FieldFinding]) -> Iterator[str]:
    review, accept_at = document_type.review, document_type.review.accept_at
    of_models = max(accept_at, review.accept_models_at or 0.0)
    deciding = deciding_fields(document_type, found)
    for name, finding in found.items():
        if finding.problem is not None:
            continue
        optional = 0.0 if finding.is_default else min(LIKELY_AT, accept_at)
        needed = (of_models if finding.is_of_model else accept_at) if name in deciding else optional
        if finding.value is not None and finding.confidence < needed:
            yield f"low_confidence:{name}"
        elif finding.value is None and name in deciding:
            yield f"missing:{name}"


def _matches(rule: RejectRule, document_type: DocumentType, found: Mapping[str, FieldFinding]) -> bool:
    """Whether the field's value is one of the rule's, compared as typed values; a list matches by any of its items."""
    field = document_type.fields.get(rule.field)
    if field is None or found[rule.field].value is None:
        return False
    value = found[rule.field].value
    wanted = [_typed(field, one, document_type.languages) for one in rule.values]
    return any(item in wanted for item in value) if isinstance(value, list) else value in wanted


def _typed(field: DocumentField, raw: JsonValue, languages: tuple[str, ...]) -> JsonValue:
    """A rule's value as results would hold it; as it is where the field's type does not know it."""
    try:
        typed = typed_value(field, raw, languages)
    except InvalidValue:
        return raw
    return typed[0] if isinstance(typed, list) and typed else typed


def _needed(rule: RejectRule, document_type: DocumentType) -> float:
    return max(rule.min_confidence, SENSITIVE_ACCEPT_AT) if document_type.sensitive else rule.min_confidence


def _urgency(review: ReviewRules, confidence: float) -> tuple[int, int | None]:
    """Priority and minutes to the due time: those of the narrowest band that the confidence falls in."""
    bands = sorted(review.bands, key=lambda band: band.below)
    for band in bands:
        if confidence < band.below:
            return band.priority, band.due_minutes
    return (bands[-1].priority, bands[-1].due_minutes) if bands else (3, None)
