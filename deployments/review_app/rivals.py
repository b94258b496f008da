"""Other values that a doubtful field may have, each taken by one key.

They are the built-in reader's, which reads the stored pages again: where a model's value is shown, what the reader
would say instead; where its own is shown, what it weighed beside it. A result does not keep them. They are proposals,
a person's choice is stored as a correction, and so results of any age have them.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType, FieldType
from blocks.evidence.cross_check import similarity
from blocks.evidence.document_reading import DocumentReading
from blocks.records import Evidence
from blocks.review.corrections import corrected_value
from blocks.review.errors import InvalidCorrection
from deployments.review_app import words

MAX_RIVALS = 2
MIN_PROBABILITY = 0.05
"""Values with less are noise to a person."""
NOT_OFFERED = frozenset({FieldType.ENUM, FieldType.LIST, FieldType.TABLE})
"""An enum's values are all in its list; lists and tables are corrected entry by entry."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that one key takes. `is_shown`: it is the one in the field already."""

    text: str
    is_shown: bool
    evidence: tuple[Evidence, ...] = ()

    @property
    def state(self) -> list[dict[str, object]]:
        """The evidence for the page's script, which sends it back with the value."""
        return [found.model_dump(mode="json", include={"page", "quote", "box"}) for found in self.evidence]


@dataclass(frozen=True, slots=True)
class Choices:
    """The values of a field that can be taken. `differs`: the built-in reader prefers another one than is shown."""

    values: tuple[Choice, ...]
    differs: bool


def choices(document_type: DocumentType, name: str, value: JsonValue, reading: DocumentReading) -> Choices | None:
    """What is shown and its rivals, most probable first; None where there is no rival."""
    field = document_type.fields[name]
    if field.type in NOT_OFFERED or field.written:
        return None
    best = reading.fields.get(name)
    ranked = sorted(reading.candidates.get(name, ()), key=lambda candidate: -candidate.probability)
    found: list[tuple[JsonValue, Choice]] = []
    for candidate in ranked:
        typed = _typed(document_type, name, candidate.value)
        taken = [known for known, _ in found] + ([] if value is None else [value])
        is_new = typed is not None and all(similarity(field, typed, known) < 1 for known in taken)
        if is_new and candidate.probability >= MIN_PROBABILITY and len(found) < MAX_RIVALS:
            evidence = best.evidence if best is not None and best.value == candidate.value else ()
            found.append((typed, Choice(words.shown(typed), is_shown=False, evidence=evidence)))
    if not found:
        return None
    shown = () if value is None else (Choice(words.shown(value), is_shown=True),)
    return Choices((*shown, *(choice for _, choice in found)), _differs(document_type, name, value, ranked[0].value))


def _differs(document_type: DocumentType, name: str, value: JsonValue, preferred: JsonValue) -> bool:
    typed = _typed(document_type, name, preferred)
    return value is not None and typed is not None and similarity(document_type.fields[name], typed, value) < 1


def _typed(document_type: DocumentType, name: str, raw: JsonValue) -> JsonValue:
    try:
        return corrected_value(document_type, name, raw)
    except InvalidCorrection:
        return None
