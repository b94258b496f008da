"""From a model's readings to findings: typed values, grounded or not, with a confidence that is no one's mere claim."""

import math
from collections.abc import Mapping, Sequence

from blocks.document_types import DocumentField, DocumentType
from blocks.records import FieldReading, Page
from blocks.values import InvalidValue, fold, typed_value
from tasks.validate.verdict import FieldFinding

NOTHING = FieldFinding()


def find_fields(
    document_type: DocumentType, readings: Mapping[str, FieldReading], pages: Sequence[Page]
) -> dict[str, FieldFinding]:
    """A finding for every field of the type; readings of other names are left out."""
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
    texts = {page.number: fold(page.text) for page in pages}
    grounded = any(fold(e.quote) in texts.get(e.page, "") for e in reading.evidence)
    confidence = probability(reading.confidence)
    if not grounded:
        return FieldFinding(value, 0.0, reading.evidence, "ungrounded")
    return FieldFinding(value, confidence, reading.evidence)


def probability(claimed: float) -> float:
    """A claimed confidence as a probability; one that is no number counts as none."""
    return 0.0 if math.isnan(claimed) else min(max(claimed, 0.0), 1.0)
