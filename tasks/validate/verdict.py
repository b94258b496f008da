"""The verdict on a document, as a pure function.

A document is accepted if and only if there is no reason against it, so the reasons explain the verdict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from blocks.document_types.review_rules import RejectRule, ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType
from blocks.evidence.findings import FieldFinding, deciding_fields, gaps, problems
from blocks.records import UNKNOWN_TYPE, Classification, Status, Validation
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import typed_value

SENSITIVE_ACCEPT_AT = 0.95
"""The confidence that a document of a sensitive type needs to be accepted without a person."""

MIN_NAMED_CHANCE = 0.01
"""The reason for an unknown type names the nearest type from this probability on."""


@dataclass(frozen=True, slots=True)
class Promised:
    """How a type that promises an error accepts rows: from which confidence of each field on, where that is proven.

    `of_type` is the confidence that the type itself needs. Nothing is proven where `fields` is empty; rows are accepted
    by the type's fixed thresholds then, if it `accepts_unproven` ones.
    """

    fields: Mapping[str, float] = field(default_factory=dict)
    of_type: float | None = None
    accepts_unproven: bool = False

    @property
    def accepts_by(self) -> Literal["promise", "unproven"]:
        """What accepts a row."""
        return "promise" if self.fields else "unproven"


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the pages and the models' replies say against trusting a reading.

    `ocr_confidence` is in [0, 1]; None if OCR read no page. `provisional` has the kinds of failures that the next run
    tries again. `replies` has the kinds that it does not try again, `read_in_part` if a model did not see all pages,
    and the ungrounded criteria (`ungrounded:<name>`). `unread` names the pages that no parser could read.
    """

    has_hidden_text: bool = False
    ocr_confidence: float | None = None
    provisional: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    unread: str = ""


def decide(
    document_type: DocumentType,
    fields: Mapping[str, FieldFinding],
    classification: Classification,
    facts: PageFacts,
    broken_expectations: Sequence[str] = (),
    score: float | None = None,
    promised: Promised | None = None,
) -> Validation:
    """The verdict on a document of a known type. `promised` is given where the type promises an error.

    Each of these reasons sends the document to review:
    - `missing:<field>` and `low_confidence:<field>` (under the type's `accept_at`, or its `accept_models_at`) for a
      required field; if the type requires none, for every field that was read;
    - `low_confidence:<field>` for an optional field that is more likely wrong than right, unless it is a default;
    - `invalid:<field>: <what was read>`, `ungrounded:<field>` and `ungrounded:<criterion>`, `expectation:<name>`,
      `hidden_text`, `low_ocr_confidence`, `read_in_part`, and the kind of an upstream failure;
    - `contradiction:<figures>` for values that do not add up;
    - `pages_unread:<numbers>` for a file of which some pages are damaged;
    - `several_documents:<numbers>` for a file with several documents of the type;
    - `low_type_confidence`, with what the text says against the type, if the type is less sure than `accept_at`;
    - `sensitive` if a document of a sensitive type is less sure than 0.95;
    - `unproven` if there is no other reason, the type promises an error, and labels do not prove it yet.
    A reject rule whose value is sure enough rejects, with `rejected:<field>` as the first reason, unless there are
    signs of tampering or of a bad reading. If the value is not sure enough, its field gets `low_confidence`.
    """
    found = {name: fields.get(name, FieldFinding()) for name in document_type.fields}
    confidence = _document_confidence(document_type, found, classification)
    doubts = (
        *_page_reasons(_type_needs(document_type, promised), document_type.review, classification, facts),
        *(_problem_reason(name, found[name]) for name in problems(found)),
    )
    reasons = [
        *doubts,
        *(f"{gap}:{name}" for name, gap in gaps(document_type, found, promised.fields if promised else None).items()),
        *(f"contradiction:{finding.doubt}" for finding in found.values() if finding.doubt),
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
        if not reasons and promised is not None and not promised.fields and not promised.accepts_unproven:
            reasons.append("unproven")
        if reasons:
            status = Status.IN_REVIEW
    priority, due_minutes, role = _urgency(document_type.review, confidence)
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
        role=role,
        accepted_by=promised.accepts_by if promised is not None and status is Status.ACCEPTED else None,
    )


def decide_unknown(facts: PageFacts, classification: Classification | None = None) -> Validation:
    """The verdict on a document of unknown type: it goes to review.

    The reason names the nearest type with its probability, and what the text says against it:
    `unknown_type:invoice 0.12, titled remittance advice`.
    """
    review = ReviewRules()
    nothing = Classification(document_type=UNKNOWN_TYPE, confidence=1.0, method="signals")
    priority, due_minutes, _ = _urgency(review, 0.0)
    return Validation(
        document_type=UNKNOWN_TYPE,
        status=Status.IN_REVIEW,
        confidence=0.0,
        reasons=(_unknown_type(classification or nothing), *_page_reasons(0.0, review, nothing, facts)),
        priority=priority,
        due_minutes=due_minutes,
    )


def _unknown_type(classification: Classification) -> str:
    chances = {name: chance for name, chance in classification.scores.items() if name != UNKNOWN_TYPE}
    nearest = max(sorted(chances), key=chances.__getitem__, default=UNKNOWN_TYPE)
    chance = chances.get(nearest, 0.0)
    if classification.document_type != UNKNOWN_TYPE or (chance < MIN_NAMED_CHANCE and classification.remark is None):
        return "unknown_type"
    remark = f", {classification.remark}" if classification.remark else ""
    return f"unknown_type:{nearest} {chance:.2f}{remark}"


def _document_confidence(
    document_type: DocumentType, found: Mapping[str, FieldFinding], classification: Classification
) -> float:
    weakest = min((found[name].confidence for name in deciding_fields(document_type, found)), default=1.0)
    return min(weakest, classification.confidence)


def _type_needs(document_type: DocumentType, promised: Promised | None) -> float:
    """The confidence in the type itself that a document needs."""
    proven = promised.of_type if promised is not None else None
    return document_type.review.accept_at if proven is None else proven


def _page_reasons(
    type_needs: float, review: ReviewRules, classification: Classification, facts: PageFacts
) -> Iterator[str]:
    if facts.has_hidden_text:
        yield "hidden_text"
    if facts.unread:
        yield f"pages_unread:{facts.unread}"
    yield from (*facts.provisional, *facts.replies)
    if facts.ocr_confidence is not None and facts.ocr_confidence < review.min_ocr_confidence:
        yield "low_ocr_confidence"
    if classification.confidence < type_needs:
        yield f"low_type_confidence:{classification.remark}" if classification.remark else "low_type_confidence"


def _problem_reason(name: str, finding: FieldFinding) -> str:
    return f"{finding.problem}:{name}: {finding.raw}" if finding.raw else f"{finding.problem}:{name}"


def _matches(rule: RejectRule, document_type: DocumentType, found: Mapping[str, FieldFinding]) -> bool:
    """Whether the rule has the field's value, compared as typed values; a list matches by any of its items."""
    field = document_type.fields.get(rule.field)
    if field is None or found[rule.field].value is None:
        return False
    value = found[rule.field].value
    wanted = [_typed(field, raw, document_type.languages) for raw in rule.values]
    return any(item in wanted for item in value) if isinstance(value, list) else value in wanted


def _typed(field: DocumentField, raw: JsonValue, languages: tuple[str, ...]) -> JsonValue:
    """A rule's value as a typed value; unchanged if it is no value of the field's type."""
    try:
        typed = typed_value(field, raw, languages)
    except InvalidValue:
        return raw
    return typed[0] if isinstance(typed, list) and typed else typed


def _needed(rule: RejectRule, document_type: DocumentType) -> float:
    return max(rule.min_confidence, SENSITIVE_ACCEPT_AT) if document_type.sensitive else rule.min_confidence


def _urgency(review: ReviewRules, confidence: float) -> tuple[int, int | None, Literal["reviewer", "senior"]]:
    """Priority, minutes to the due time and role: of the narrowest band above the confidence, or else of the widest."""
    bands = sorted(review.bands, key=lambda band: band.below)
    for band in [*(band for band in bands if confidence < band.below), *bands[-1:]]:
        return band.priority, band.due_minutes, band.role
    return 3, None, "reviewer"
