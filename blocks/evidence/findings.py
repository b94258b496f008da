"""Turns readings into findings: typed values with a confidence, grounded or not, and what sends each to review.

Routes and validate share it: a route asks further models about what validate would send to review.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence import grounding
from blocks.evidence.confidence import UNGROUNDED_CEILING, confidence_of, judging_grades
from blocks.evidence.grounding import Grounding
from blocks.evidence.relations import contradictions
from blocks.records import CriterionReading, Evidence, FieldReading, Page
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import is_readable, squeeze, typed_value

LIKELY_AT = 0.5
"""An optional value that is more likely wrong than right goes to review."""

CONTRADICTED_CEILING = 0.6
"""The most that a value may have that contradicts others: of three amounts that do not add up, two may be right."""

MAX_RAW_CHARACTERS = 60
"""How much of an invalid reading is shown."""

Problem = Literal["invalid", "ungrounded"]
Gap = Literal["missing", "low_confidence"]


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """A field's typed value, the probability that it is right, its evidence and its problem.

    `value` is None where nothing was read or where the reading is no value of the field's type (`invalid`). A table
    with a text that could not be read is `invalid` too, and keeps its other cells.
    `is_default`: the document has no value, and this is the type's. `is_of_model`: a language model read it. `doubt`:
    why the value contradicts others of the document. `raw` is an invalid reading as it was read.
    """

    value: JsonValue = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    problem: Problem | None = None
    is_default: bool = False
    is_of_model: bool = False
    doubt: str = ""
    raw: str = ""


NOTHING = FieldFinding()
WRITTEN = Grounding(True)
"""A written text is not taken from the page, so it needs no quote."""


def find_fields(
    document_type: DocumentType,
    readings: Mapping[str, FieldReading],
    pages: Sequence[Page],
    criteria: Sequence[CriterionReading] = (),
) -> dict[str, FieldFinding]:
    """A finding for every field of the type; readings of other names are left out. Takes milliseconds of CPU.

    Defaults and written texts claim nothing about the document and are never `ungrounded`. A default has the confidence
    of a value without evidence, a written text that of the `criteria` that judge it.
    """
    found: dict[str, FieldFinding] = {}
    for name, field in document_type.fields.items():
        judged = judging_grades(document_type.criteria, name, criteria)
        reading = readings.get(name)
        found[name] = NOTHING if reading is None else _find(field, reading, document_type.languages, pages, judged)
    return found | _doubted(document_type, found, pages)


def _doubted(
    document_type: DocumentType, found: Mapping[str, FieldFinding], pages: Sequence[Page]
) -> dict[str, FieldFinding]:
    """The findings whose values contradict each other."""
    values = {name: finding.value for name, finding in found.items()}
    evidence = {name: finding.evidence for name, finding in found.items()}
    doubted: dict[str, FieldFinding] = {}
    for contradiction in contradictions(document_type, values, evidence, pages):
        for name in contradiction.fields:
            finding = doubted.get(name, found[name])
            confidence = min(finding.confidence, CONTRADICTED_CEILING)
            doubted[name] = replace(finding, confidence=confidence, doubt=finding.doubt or contradiction.why)
    return doubted


def deciding_fields(document_type: DocumentType, found: Mapping[str, FieldFinding]) -> tuple[str, ...]:
    """The fields whose lowest confidence is the document's: the required ones, else all that were read.

    Where nothing is required and nothing was read, all fields: an empty row is not accepted.
    """
    required = tuple(name for name, field in document_type.fields.items() if field.required)
    read = tuple(name for name, finding in found.items() if finding.value is not None)
    return required or read or tuple(document_type.fields)


def problems(found: Mapping[str, FieldFinding]) -> dict[str, Problem]:
    """The problem of each field that has one, required or not."""
    return {name: finding.problem for name, finding in found.items() if finding.problem is not None}


def gaps(
    document_type: DocumentType, found: Mapping[str, FieldFinding], proven: Mapping[str, float] | None = None
) -> dict[str, Gap]:
    """The fields that are missing or not sure enough to be stored without review. Values with a problem are left out.

    Deciding fields need what is `proven` of them, or else the type's `accept_at`, or `accept_models_at` where a
    language model read them. Other fields must be likelier right than wrong, but for defaults.
    """
    review, accept_at = document_type.review, document_type.review.accept_at
    of_models = max(accept_at, review.accept_models_at or 0.0)
    deciding = deciding_fields(document_type, found)
    lacking: dict[str, Gap] = {}
    for name, finding in found.items():
        if finding.problem is not None:
            continue
        optional = 0.0 if finding.is_default else min(LIKELY_AT, accept_at)
        fixed = of_models if finding.is_of_model else accept_at
        needed = (proven or {}).get(name, fixed) if name in deciding else optional
        if finding.value is not None and (finding.confidence < needed or finding.doubt):
            lacking[name] = "low_confidence"
        elif finding.value is None and name in deciding:
            lacking[name] = "missing"
    return lacking


def check_criteria(
    document_type: DocumentType, grades: Sequence[CriterionReading], pages: Sequence[Page]
) -> tuple[CriterionReading, ...]:
    """A language model's grades; those that are not grounded become 0, with the confidence of a value without evidence.

    A grade of the document above 0 needs a quote, and each of its quotes must stand on its page. A grade of a written
    text may quote that text instead. Takes milliseconds of CPU.
    """
    of_document = {criterion.name for criterion in document_type.criteria if criterion.judges is None}
    texts = {page.number: page.text for page in pages}
    return tuple(
        _ungrounded(grade) if grade.name in of_document and not _is_grounded(grade, texts) else grade
        for grade in grades
    )


def _is_grounded(grade: CriterionReading, texts: Mapping[int, str]) -> bool:
    if not grade.evidence:
        return grade.grade <= 0
    return all(grounding.locate(texts.get(found.page, ""), found.quote) is not None for found in grade.evidence)


def _ungrounded(grade: CriterionReading) -> CriterionReading:
    confidence = min(grade.confidence, UNGROUNDED_CEILING)
    return grade.model_copy(update={"grade": 0.0, "confidence": confidence, "is_grounded": False})


def _short(reading: JsonValue) -> str:
    """A raw reading in a single line."""
    text = squeeze(reading if isinstance(reading, str) else json.dumps(reading, ensure_ascii=False))
    return text if len(text) <= MAX_RAW_CHARACTERS else f"{text[: MAX_RAW_CHARACTERS - 1]}…"


def _unreadable_cell(field: DocumentField, rows: JsonValue) -> str:
    """The first text of a table that could not be read; empty where there is none, and for other fields."""
    if field.type is not FieldType.TABLE or not isinstance(rows, list):
        return ""
    cells = (cell for row in rows if isinstance(row, dict) for cell in row.values())
    return next((cell for cell in cells if isinstance(cell, str) and not is_readable(cell)), "")


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
        return FieldFinding(evidence=reading.evidence, problem="invalid", raw=_short(reading.value))
    if value is None or value == []:
        return NOTHING
    unreadable = _unreadable_cell(field, reading.value)
    if unreadable:
        return FieldFinding(value, evidence=reading.evidence, problem="invalid", raw=_short(unreadable))
    quoted = reading.model_copy(update={"value": value}) if field.type is FieldType.LIST else reading
    checked = WRITTEN if field.written else grounding.check(field, quoted, pages, languages)
    confidence = confidence_of(field, reading, checked, judged)
    is_default = not reading.evidence and field.default is not None and reading.value == field.default
    problem: Problem | None = None if checked.is_grounded or is_default else "ungrounded"
    return FieldFinding(value, confidence, reading.evidence, problem, is_default, reading.signals is not None)
