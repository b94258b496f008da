"""Judges an answer within a route by what will judge it in the end: typed values, evidence, and one confidence."""

from collections.abc import Mapping, Sequence

from blocks import evidence
from blocks.confidence import confidence_of, judging
from blocks.document_types import Criterion, DocumentField, DocumentType, FieldType
from blocks.evidence import Grounding
from blocks.gateway.route_facts import Judged, Standing
from blocks.records import CriterionReading, FieldReading, Page
from blocks.values import InvalidValue, typed_value

NOTHING = Judged()
WRITTEN = Grounding(True)
"""A written text is not taken from the page, so nothing on the page has to bear it."""


def judge_answer(
    document_type: DocumentType,
    fields: Mapping[str, FieldReading],
    criteria: Mapping[str, CriterionReading],
    pages: Sequence[Page],
) -> Standing:
    """How the answer stands. Takes milliseconds of CPU: not for the event loop."""
    judged = dict.fromkeys(document_type.fields, NOTHING)
    for name, reading in fields.items():
        grades = judging(document_type.rubric, name, tuple(criteria.values()))
        judged[name] = _judge(document_type.fields[name], reading, document_type.languages, pages, grades)
    return Standing(judged, criteria, _deciding(document_type, judged))


def judges_of(document_type: DocumentType, names: Sequence[str]) -> tuple[Criterion, ...]:
    """The criteria that judge one of these written fields."""
    criteria = document_type.rubric.criteria if document_type.rubric is not None else ()
    return tuple(one for one in criteria if one.judges in names and one.judges is not None)


def _deciding(document_type: DocumentType, judged: Mapping[str, Judged]) -> tuple[str, ...]:
    """The fields that a document's confidence is the weakest of, as `tasks/validate/verdict.py` has it."""
    required = tuple(name for name, field in document_type.fields.items() if field.required)
    read = tuple(name for name in document_type.fields if judged[name].value is not None)
    return required or read or tuple(document_type.fields)


def _judge(
    field: DocumentField,
    reading: FieldReading,
    languages: tuple[str, ...],
    pages: Sequence[Page],
    grades: Sequence[CriterionReading],
) -> Judged:
    try:
        value = typed_value(field, reading.value, languages)
    except InvalidValue:
        return Judged(has_problem=True)
    if value is None or value == []:
        return NOTHING
    quoted = reading.model_copy(update={"value": value}) if field.type is FieldType.LIST else reading
    grounding = WRITTEN if field.written else evidence.check(field, quoted, pages, languages)
    is_default = not reading.evidence and field.default is not None and reading.value == field.default
    sure = confidence_of(field, reading, grounding, grades)
    return Judged(value, sure, has_problem=not (grounding.is_grounded or is_default))
