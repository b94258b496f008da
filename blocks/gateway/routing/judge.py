"""Judges an answer within a route by what will judge it in the end: typed values, evidence, and one confidence."""

from collections.abc import Mapping, Sequence

from blocks.document_types.schema import Criterion, DocumentType
from blocks.evidence.findings import deciding_fields, find_fields, gaps, problems
from blocks.gateway.routing.facts import JudgedAnswer
from blocks.records import CriterionReading, FieldReading, Page


def judge_answer(
    document_type: DocumentType,
    fields: Mapping[str, FieldReading],
    criteria: Mapping[str, CriterionReading],
    pages: Sequence[Page],
) -> JudgedAnswer:
    """Judge the answer. Takes milliseconds of CPU: not for the event loop.

    A written field is never doubted itself: the criteria that judge it say whether it is good enough.
    """
    found = find_fields(document_type, fields, pages, tuple(criteria.values()))
    deciding = deciding_fields(document_type, found)
    doubted = {**gaps(document_type, found), **problems(found)}
    beside = tuple(
        name
        for name, field in document_type.fields.items()
        if name in doubted and name not in deciding and not field.written
    )
    return JudgedAnswer(found, criteria, deciding, beside)


def judges_of(document_type: DocumentType, names: Sequence[str]) -> tuple[Criterion, ...]:
    """The criteria that judge one of these written fields."""
    criteria = document_type.rubric.criteria if document_type.rubric is not None else ()
    return tuple(criterion for criterion in criteria if criterion.judges in names and criterion.judges is not None)
