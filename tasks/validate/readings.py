"""From a model's readings to findings: typed values, grounded or not, with a confidence not the model's alone."""

from collections.abc import Mapping, Sequence

from blocks import evidence
from blocks.confidence import confidence_of, judging
from blocks.document_types import DocumentField, DocumentType, FieldType
from blocks.evidence import Grounding
from blocks.records import CriterionReading, FieldReading, Page
from blocks.values import InvalidValue, typed_value
from tasks.validate.verdict import FieldFinding, Problem

NOTHING = FieldFinding()
WRITTEN = Grounding(True)
"""A written text is not taken from the page, so nothing on the page has to bear it."""


def find_fields(
    document_type: DocumentType,
    readings: Mapping[str, FieldReading],
    pages: Sequence[Page],
    criteria: Sequence[CriterionReading] = (),
) -> dict[str, FieldFinding]:
    """A finding for every field of the type; readings of other names are left out.

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
