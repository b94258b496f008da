"""From a model's readings to findings: typed values, grounded or not, with a confidence not the model's alone."""

from collections.abc import Mapping, Sequence

from blocks import confidence, evidence
from blocks.document_types import DocumentField, DocumentType, FieldType
from blocks.records import FieldReading, Page
from blocks.values import InvalidValue, typed_value
from tasks.validate.verdict import FieldFinding, Problem

NOTHING = FieldFinding()


def find_fields(
    document_type: DocumentType, readings: Mapping[str, FieldReading], pages: Sequence[Page]
) -> dict[str, FieldFinding]:
    """A finding for every field of the type; readings of other names are left out.

    A field's default, taken where the document is silent, is no claim about the document: it is not `ungrounded`, but
    it has no more confidence than a value without evidence may have.
    """
    return {
        name: _find(field, readings[name], document_type.languages, pages) if name in readings else NOTHING
        for name, field in document_type.fields.items()
    }


def _find(
    field: DocumentField, reading: FieldReading, languages: tuple[str, ...], pages: Sequence[Page]
) -> FieldFinding:
    try:
        value = typed_value(field, reading.value, languages)
    except InvalidValue:
        return FieldFinding(evidence=reading.evidence, problem="invalid")
    if value is None or value == []:
        return NOTHING
    quoted = reading.model_copy(update={"value": value}) if field.type is FieldType.LIST else reading
    grounding = evidence.check(field, quoted, pages, languages)
    sure = confidence.combine(reading.confidence, grounding.ocr_confidence, is_grounded=grounding.is_grounded)
    is_default = not reading.evidence and field.default is not None and reading.value == field.default
    problem: Problem | None = None if grounding.is_grounded or is_default else "ungrounded"
    return FieldFinding(value, sure, reading.evidence, problem, is_default)
