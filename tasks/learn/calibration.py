"""Learns a type's calibration: how many values are right of those that came with a confidence, by field.

Labels are not drawn alike, so not all of them count. P(right | confidence) must not depend on how the label came:
- Documents that chance drew count with every value. Each counts alike, whatever its probability: that does not depend
  on what stands on the document.
- Items of review count with the values whose own confidence sent the document there (`low_confidence:<field>`): each
  document with such a value waits for a person, be the value right or wrong. The surer values of the same document are
  on a hard document, and would teach that sure values are often wrong.
- Documents that somebody chose for an import do not count: nobody knows how they were picked.

Values that a calibration does not change do not count either: defaults, drafted answers, invalid and ungrounded ones.
A fit is made of raw confidences, as the reader gave them, also where the row has a calibrated one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.labels import LabelFilter, read_labels
from blocks.database.learning.learned import Learned, NewLearned, Part
from blocks.database.learning.readings import readings_of
from blocks.database.outages import survives_outages
from blocks.document_types.schema import DocumentType
from blocks.learning.calibration import Calibration, TypeCalibration, calibrate_by_fold, loss_of
from blocks.learning.labels import FOLDS, Label, Origin, fold_of
from blocks.learning.traces import is_equal
from blocks.records import Record, Validation
from tasks.learn.labelled import text_digests
from tasks.learn.split import teaching

MOST_DOCUMENTS = 2_000
"""So many documents teach at most, those that were labelled last: more hardly change a fit, and take seconds."""
_AT_ONCE = 500


class FieldLoss(Record):
    """A field's mean log loss on its labels, each by what other folds taught: before, and with what was learnt now.

    `methods` are those of the folds. `is_used`: the new loss is less than that of what is in use, which else stays.
    """

    labels: int
    right: int
    methods: tuple[str, ...]
    loss_before: float
    loss_after: float
    is_used: bool

    @property
    def method(self) -> str:
        """How the fit was made, by what most folds chose."""
        return max(sorted(set(self.methods)), key=self.methods.count)


class CalibrationGate(Record):
    """What was measured, by field, on `documents`."""

    documents: int
    fields: dict[str, FieldLoss]

    @property
    def changes(self) -> dict[str, FieldLoss]:
        """The fields whose new calibration is used."""
        return {name: field for name, field in self.fields.items() if field.is_used}


class CalibrationLearned(Record):
    """What came of learning a type's calibration. `learned_id` is None where nothing was learnt; `why` says why."""

    document_type: str
    documents: int
    learned_id: int | None = None
    is_used: bool = False
    why: str = ""
    gate: CalibrationGate | None = None


@dataclass(frozen=True, slots=True)
class LabelledConfidence:
    """A value with the raw confidence that it was read with, and whether it is right."""

    document_id: str
    field: str
    confidence: float
    is_right: bool


def learn_calibration(database: Database, document_type: DocumentType) -> CalibrationLearned:
    """Fit each field on the labels that count, and have runs use the fits that lose less than what is in use.

    Nothing is written if no label, and no reading of a labelled document, is new.
    """
    name = document_type.name
    found = sorted(_labelled(database, document_type), key=lambda each: (each.document_id, each.field))
    documents = len({each.document_id for each in found})
    if not found:
        why = "no label counts yet; decide what waits for its low confidence, or import labels with --drawn"
        return CalibrationLearned(document_type=name, documents=0, why=why)
    digest = _digest(found)
    newest = _newest(database, name)
    if newest is not None and newest.digest == digest:
        return CalibrationLearned(document_type=name, documents=documents, why="nothing new was decided since")
    texts = text_digests(database, list(dict.fromkeys(each.document_id for each in found)))
    folds = {document_id: fold_of(text) for document_id, text in texts.items()}
    calibration, gate = fit([each for each in found if each.document_id in folds], folds, _in_use(database, name))
    new = NewLearned(
        document_type=name,
        part=Part.CALIBRATION,
        content=calibration.model_dump_json(exclude_defaults=True).encode(),
        digest=digest,
        labels=sum(field.labels for field in gate.fields.values()),
        gate=gate.model_dump(mode="json"),
        is_used=bool(gate.changes),
    )
    learned_id = _write(database, new, None if newest is None else newest.learned_id)
    if learned_id is None:
        why = "another process has learnt it meanwhile"
        return CalibrationLearned(document_type=name, documents=documents, why=why)
    return CalibrationLearned(
        document_type=name, documents=documents, learned_id=learned_id, is_used=new.is_used, gate=gate
    )


def fit(
    found: Sequence[LabelledConfidence], folds: Mapping[str, int], in_use: TypeCalibration
) -> tuple[TypeCalibration, CalibrationGate]:
    """The calibration to use from now on, and how each field was measured.

    The gate is a comparison of means and no test: a fit must lose less, on labels of folds that it has not seen, than
    what is in use. So it refuses more than a test would, which asks whether it is worse beyond chance.
    """
    fields: dict[str, tuple[Calibration, ...]] = {}
    losses: dict[str, FieldLoss] = {}
    for name, group in groupby(sorted(found, key=lambda each: each.field), key=lambda each: each.field):
        rows = [(each.confidence, each.is_right, folds[each.document_id]) for each in group]
        before, after = in_use.fields.get(name), calibrate_by_fold(*zip(*rows, strict=True))
        loss_before, loss_after = _loss(before, rows), _loss(after, rows)
        is_used = loss_after < loss_before
        losses[name] = FieldLoss(
            labels=len(rows),
            right=sum(is_right for _, is_right, _ in rows),
            methods=tuple(own.method for own in after),
            loss_before=round(loss_before, 4),
            loss_after=round(loss_after, 4),
            is_used=is_used,
        )
        if is_used:
            fields[name] = after
    kept = {name: known for name, known in in_use.fields.items() if name not in fields}
    documents = len({each.document_id for each in found})
    return TypeCalibration(fields=fields | kept), CalibrationGate(documents=documents, fields=losses)


def counting(
    document_type: DocumentType, document_id: str, labels: Sequence[Label], validation: Validation
) -> Iterator[LabelledConfidence]:
    """The labels of a document that count, with what the machine read of it."""
    for label in labels:
        name = label.field
        field, value = document_type.fields.get(name), validation.fields.get(name)
        if field is None or field.written or value is None or not validation.evidence.get(name):
            continue
        if _has_problem(validation, name) or not _counts(label, validation):
            continue
        confidence = validation.raw_confidences.get(name, validation.confidences[name])
        yield LabelledConfidence(document_id, name, confidence, is_equal(field, value, label.value))


def _loss(calibrations: Sequence[Calibration] | None, rows: Sequence[tuple[float, bool, int]]) -> float:
    known = calibrations or (Calibration(),) * FOLDS
    return sum(loss_of(known[fold].probability(confidence), right) for confidence, right, fold in rows) / len(rows)


def _labelled(database: Database, document_type: DocumentType) -> Iterator[LabelledConfidence]:
    """The labels that count, with the confidence of what the machine read last; with a strict split, those that
    teach."""
    labels = (label for label, _ in read_labels(database, LabelFilter(document_type=document_type.name)))
    by_document = {id_: tuple(group) for id_, group in groupby(labels, key=lambda label: label.document_id)}
    values = {id_: {label.field: label.value for label in own} for id_, own in by_document.items()}
    newest = sorted(
        teaching(database, document_type, values),
        key=lambda id_: (max(label.labelled_at for label in by_document[id_]), id_),
    )
    ids = newest[-MOST_DOCUMENTS:]
    for first in range(0, len(ids), _AT_ONCE):
        for document_id, validation in _validations(database, ids[first : first + _AT_ONCE]).items():
            if validation.document_type == document_type.name:
                yield from counting(document_type, document_id, by_document[document_id], validation)


def _counts(label: Label, validation: Validation) -> bool:
    """Whether the way in which the label came says nothing of its value beyond the confidence; see above."""
    if label.drawn_with is not None:
        return True
    return label.origin is Origin.QUEUE and f"low_confidence:{label.field}" in validation.reasons


def _has_problem(validation: Validation, name: str) -> bool:
    codes = {f"{code}:{name}" for code in ("invalid", "ungrounded")}
    return any(reason.partition(": ")[0] in codes for reason in validation.reasons)


def _digest(found: Sequence[LabelledConfidence]) -> str:
    rows = [(each.document_id, each.field, each.confidence, each.is_right) for each in found]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _in_use(database: Database, document_type: str) -> TypeCalibration:
    row = learned.in_use(database).get((document_type, Part.CALIBRATION))
    return TypeCalibration() if row is None else TypeCalibration.model_validate_json(row.content)


@survives_outages
def _validations(database: Database, document_ids: Sequence[str]) -> dict[str, Validation]:
    with database.read() as connection:
        readings = readings_of(connection, document_ids)
    return {
        id_: Validation.model_validate_json(reading.validation)
        for id_, reading in readings.items()
        if reading.validation is not None
    }


@survives_outages
def _newest(database: Database, document_type: str) -> Learned | None:
    with database.read() as connection:
        return learned.newest(connection, document_type, Part.CALIBRATION)


@survives_outages
def _write(database: Database, new: NewLearned, known: int | None) -> int | None:
    """Write a calibration. None where the newest is no longer the `known` one, since another process has learnt."""
    with database.write() as connection:
        newest = learned.newest(connection, new.document_type, Part.CALIBRATION)
        if (None if newest is None else newest.learned_id) != known:
            return None
        return learned.add(connection, new)
