"""From readings to findings: typed values, grounded or not, with a confidence, and what sends each of them to review.

Routes ask further models by this, and validate judges by it: what validate would send to review is what a route is not
done with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence import grounding as evidence
from blocks.evidence.confidence import UNGROUNDED_CEILING, confidence_of, judging
from blocks.evidence.grounding import Grounding
from blocks.records import CriterionReading, Evidence, FieldReading, Page
from blocks.values.typed_values import InvalidValue, typed_value

LIKELY_AT = 0.5
"""An optional value that is more likely wrong than right is not stored without a person's word."""

Problem = Literal["invalid", "ungrounded"]
Gap = Literal["missing", "low_confidence"]


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


NOTHING = FieldFinding()
WRITTEN = Grounding(True)
"""A written text is not taken from the page, so nothing on the page has to bear it."""


def find_fields(
    document_type: DocumentType,
    readings: Mapping[str, FieldReading],
    pages: Sequence[Page],
    criteria: Sequence[CriterionReading] = (),
) -> dict[str, FieldFinding]:
    """A finding for every field of the type; readings of other names are left out. Takes milliseconds of CPU.

    A field's default, taken where the document is silent, is no claim about the document: it is not `ungrounded`, but
    it has no more confidence than a value without evidence may have. Nor is a written text: the `criteria` that judge
    it say how good it is.
    """
    return {
        name: _find(
            field, readings[name], document_type.languages, pages, judging(document_type.rubric, name, criteria)
        )
        if name in readings
        else NOTHING
        for name, field in document_type.fields.items()
    }


def deciding_fields(document_type: DocumentType, found: Mapping[str, FieldFinding]) -> tuple[str, ...]:
    """The fields that a document's confidence is the weakest of: the required ones, else all that were read.

    Where a type requires nothing and nothing was read, all of them: an empty row is nothing to accept.
    """
    required = tuple(name for name, field in document_type.fields.items() if field.required)
    read = tuple(name for name, finding in found.items() if finding.value is not None)
    return required or read or tuple(document_type.fields)


def problems(found: Mapping[str, FieldFinding]) -> dict[str, Problem]:
    """By field what is wrong with its value, whether it is required or not."""
    return {name: finding.problem for name, finding in found.items() if finding.problem is not None}


def gaps(document_type: DocumentType, found: Mapping[str, FieldFinding]) -> dict[str, Gap]:
    """By field what is not there, or not sure enough to be stored without a person's word.

    The deciding fields need the type's `accept_at`, or `accept_models_at` where a language model read them; an optional
    one must be likelier right than wrong, defaults aside. Values that have a problem are left out.
    """
    review, accept_at = document_type.review, document_type.review.accept_at
    of_models = max(accept_at, review.accept_models_at or 0.0)
    deciding = deciding_fields(document_type, found)
    lacking: dict[str, Gap] = {}
    for name, finding in found.items():
        if finding.problem is not None:
            continue
        optional = 0.0 if finding.is_default else min(LIKELY_AT, accept_at)
        needed = (of_models if finding.is_of_model else accept_at) if name in deciding else optional
        if finding.value is not None and finding.confidence < needed:
            lacking[name] = "low_confidence"
        elif finding.value is None and name in deciding:
            lacking[name] = "missing"
    return lacking


def believed_criteria(
    document_type: DocumentType, criteria: Sequence[CriterionReading], pages: Sequence[Page]
) -> tuple[CriterionReading, ...]:
    """A language model's grades, where those that no quote bears earn nothing, and nobody can be sure of them.

    A grade of the document above 0 needs a quote, and each of its quotes stands on its page; one that judges a written
    text is no reading of the document, and may quote that text. Takes milliseconds of CPU.
    """
    rubric = document_type.rubric.criteria if document_type.rubric is not None else ()
    of_document = {one.name for one in rubric if one.judges is None}
    texts = {page.number: page.text for page in pages}
    return tuple(one if one.name not in of_document or _is_borne(one, texts) else _unbelieved(one) for one in criteria)


def _is_borne(criterion: CriterionReading, texts: Mapping[int, str]) -> bool:
    if not criterion.evidence:
        return criterion.grade <= 0
    return all(evidence.locate(texts.get(one.page, ""), one.quote) is not None for one in criterion.evidence)


def _unbelieved(criterion: CriterionReading) -> CriterionReading:
    sure = min(criterion.confidence, UNGROUNDED_CEILING)
    return criterion.model_copy(update={"grade": 0.0, "confidence": sure, "is_grounded": False})


def _find(
    field: DocumentField,
    reading: FieldReading,
    languages: tuple[str, ...],
    pages: Sequence[Page],
    judged: Sequence[CriterionReading],
) -> FieldFinding:
    try:
        value = typed_value(field, reading.value, languages)
    except InvalidValue:
        return FieldFinding(evidence=reading.evidence, problem="invalid")
    if value is None or value == []:
        return NOTHING
    quoted = reading.model_copy(update={"value": value}) if field.type is FieldType.LIST else reading
    grounding = WRITTEN if field.written else evidence.check(field, quoted, pages, languages)
    sure = confidence_of(field, reading, grounding, judged)
    is_default = not reading.evidence and field.default is not None and reading.value == field.default
    problem: Problem | None = None if grounding.is_grounded or is_default else "ungrounded"
    return FieldFinding(value, sure, reading.evidence, problem, is_default, reading.signals is not None)
