"""What the validate stage uses of what was learnt: confidences that are the share of right values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from blocks.document_types.schema import DocumentType
from blocks.evidence.findings import FieldFinding
from blocks.learning.calibration import TypeCalibration
from blocks.learning.labels import fold_of
from blocks.learning.recall import text_digest
from blocks.records import Page

if TYPE_CHECKING:  # it brings SQLAlchemy, which a stage alone does not need
    from blocks.database.learning.learned import Learned

PLACES = 6
"""A calibrated confidence has so many decimal places: the order of documents stays, and payloads are short."""


class RunCalibrations:
    """The calibrations that a run uses, of the types that ask for it. Thread-safe."""

    def __init__(self, types: Mapping[str, DocumentType], calibrations: "Mapping[str, Learned] | None" = None) -> None:
        found = {
            name: row for name, row in (calibrations or {}).items() if name in types and types[name].review.calibrate
        }
        self._ids = {name: row.learned_id for name, row in found.items()}
        self._calibrations = {name: TypeCalibration.model_validate_json(row.content) for name, row in found.items()}

    def learned_id(self, document_type: str) -> int | None:
        """The id of what was learnt for a type, None where nothing was."""
        return self._ids.get(document_type)

    def calibrated(
        self, document_type: DocumentType, found: Mapping[str, FieldFinding], pages: Sequence[Page]
    ) -> dict[str, FieldFinding]:
        """The findings, each with the probability that its value is right, by what documents of other folds taught."""
        calibration = self._calibrations.get(document_type.name)
        if calibration is None:
            return dict(found)
        fold = fold_of(text_digest(pages))
        return {
            name: replace(finding, confidence=round(calibration.probability(name, finding.confidence, fold), PLACES))
            if is_calibrated(document_type, name, finding)
            else finding
            for name, finding in found.items()
        }


def is_calibrated(document_type: DocumentType, name: str, finding: FieldFinding) -> bool:
    """Whether a calibration is of such values: the document has it, and nothing else sends it to review."""
    is_read = finding.value is not None and bool(finding.evidence) and finding.problem is None
    return is_read and not document_type.fields[name].written


def raw_confidences(before: Mapping[str, FieldFinding], after: Mapping[str, FieldFinding]) -> dict[str, float]:
    """The confidences before calibration, of fields whose confidence it changed."""
    return {
        name: finding.confidence for name, finding in before.items() if finding.confidence != after[name].confidence
    }
