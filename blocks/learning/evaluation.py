"""How good readings are, by the labels of the documents: each field, tables row by row, confidences, and what was
accepted.

An interval holds for documents that are drawn like those that were counted. Where somebody chose them, it says nothing
of the others: `Draw` says how they were picked.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import fsum

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.learning.measures import Calibrated, CurvePoint, Share, auroc, calibration_of, curve, share_of
from blocks.learning.table_rows import RowCounts, count_rows
from blocks.learning.traces import is_equal
from blocks.records import Record, ResultStatus

COST_PLACES = 8
"""The cost per document is rounded to a millionth of a cent."""


class Match(StrEnum):
    """What became of a field: as the label has it, another value, not read though it is on the document, or read
    though it is not on the document.
    """

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"
    INVENTED = "invented"


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A labelled document, and what the machine read of it.

    `labels` has the right value of each field that has one; None: the field is not on the document. `drawn_with` is the
    probability with which chance picked the document; None: somebody chose it. `read_as` is the type under which
    `values` and `confidences` were read; all three are empty for a document that failed. `confidence` is that of the
    document, and `reasons` sent it to review; `cost_usd` and `duration_s` are what all stages took.
    """

    document_id: str
    labels: Mapping[str, JsonValue]
    drawn_with: float | None
    read_as: str
    status: ResultStatus
    confidence: float
    values: Mapping[str, JsonValue]
    confidences: Mapping[str, float]
    cost_usd: Decimal
    duration_s: float
    reasons: tuple[str, ...] = ()


class Draw(Record):
    """How documents were picked: by chance, with the least and the greatest probability, or by somebody."""

    drawn: int
    chosen: int
    least: float | None
    greatest: float | None

    @property
    def is_even(self) -> bool:
        """Whether every document had the same chance, so that shares among them estimate those of all documents."""
        return self.drawn > 0 and self.chosen == 0 and self.least == self.greatest


class Reliability(Record):
    """What confidences are worth: how far they are from fact, and apart from it how well they rank, over `counted`
    readings. `calibration` is None of nothing, `auroc` where all are right or all wrong.
    """

    counted: int
    calibration: Calibrated | None
    auroc: float | None


class FieldEvaluation(Record):
    """A field over its labelled documents: every one is right, wrong, missed or invented.

    `right` is the share of all labelled; `wrong` and `missed` are shares of those where the label has a value,
    `invented` of those where it has none. `confidences` are those of values that were read. `rows` are those of a
    table.
    """

    right: Share
    wrong: Share
    missed: Share
    invented: Share
    confidences: Reliability
    rows: RowCounts | None


class Evaluation(Record):
    """What readings of one type are worth.

    `read_as_type`: the documents that were read as this type. `judged` counts those of which it is known whether the
    row is right (see `is_right`); `right`, `wrong_among_accepted`, `confidences` and `curve` are of them. `review` is
    the share in review among all documents. `values` are the confidences of all fields together. Documents that failed
    or were rejected are not in `confidences` and `curve`: no threshold accepts them. `accept_at` is the type's
    threshold today, which is on confidences of fields, where `curve` has those of documents.
    """

    document_type: str
    accept_at: float
    documents: int
    draw: Draw
    read_as_type: Share
    statuses: dict[ResultStatus, int]
    judged: int
    right: Share
    wrong_among_accepted: Share
    review: Share
    fields: dict[str, FieldEvaluation]
    values: Reliability
    confidences: Reliability
    curve: tuple[CurvePoint, ...]
    cost_usd_per_document: Decimal
    seconds_per_document: float


def evaluate(document_type: DocumentType, documents: Sequence[ReadDocument]) -> Evaluation:
    """What was read of labelled documents of a type. Fields without a label, and drafted answers, are left out."""
    count = len(documents)
    statuses = Counter(document.status for document in documents)
    judged = [(document, right) for document in documents if (right := is_right(document_type, document)) is not None]
    accepted = [right for document, right in judged if document.status == "accepted"]
    ranked = [
        (document.confidence, right) for document, right in judged if document.status in {"accepted", "in_review"}
    ]
    scores, are_right = [score for score, _ in ranked], [right for _, right in ranked]
    readings = {name: _readings(document_type, name, documents) for name in evaluated_fields(document_type)}
    return Evaluation(
        document_type=document_type.name,
        accept_at=document_type.review.accept_at,
        documents=count,
        draw=draw_of([document.drawn_with for document in documents]),
        read_as_type=share_of(sum(document.read_as == document_type.name for document in documents), count),
        statuses=dict(sorted(statuses.items())),
        judged=len(judged),
        right=share_of(sum(right for _, right in judged), len(judged)),
        wrong_among_accepted=share_of(accepted.count(False), len(accepted)),
        review=share_of(statuses["in_review"], count),
        fields={
            name: _field_evaluation(document_type.fields[name], of_field)
            for name, of_field in readings.items()
            if of_field
        },
        values=_reliability([reading for of_field in readings.values() for reading in of_field]),
        confidences=Reliability(
            counted=len(ranked), calibration=calibration_of(scores, are_right), auroc=auroc(scores, are_right)
        ),
        curve=curve(scores, are_right),
        cost_usd_per_document=round(
            sum((each.cost_usd for each in documents), Decimal(0)) / max(count, 1), COST_PLACES
        ),
        seconds_per_document=fsum(document.duration_s for document in documents) / max(count, 1),
    )


def evaluated_fields(document_type: DocumentType) -> tuple[str, ...]:
    """The fields whose values are right or wrong: all but drafted answers."""
    return tuple(name for name, field in document_type.fields.items() if not field.written)


def deciding_fields(document_type: DocumentType) -> tuple[str, ...]:
    """The fields that make a row right or wrong: the required ones, or all where none is required."""
    fields = evaluated_fields(document_type)
    return tuple(name for name in fields if document_type.fields[name].required) or fields


def is_right(document_type: DocumentType, document: ReadDocument) -> bool | None:
    """Whether a document's row is right: in every required field, or in every field where none is required.

    None where one of them has no label. A document that was read as another type, or failed, is wrong.
    """
    deciding = deciding_fields(document_type)
    if not document.labels.keys() >= set(deciding):
        return None
    if document.read_as != document_type.name:
        return False
    return all(match_of(document_type, name, document) is Match.RIGHT for name in deciding)


def match_of(document_type: DocumentType, name: str, document: ReadDocument) -> Match:
    """What became of a labelled field. What was read as another type counts as not read; an empty list is no value."""
    label, read = document.labels[name], _value(document_type, name, document)
    if _is_nothing(label):
        return Match.RIGHT if _is_nothing(read) else Match.INVENTED
    if _is_nothing(read):
        return Match.MISSED
    return Match.RIGHT if is_equal(document_type.fields[name], read, label) else Match.WRONG


def draw_of(probabilities: Sequence[float | None]) -> Draw:
    """How documents were picked, by the probability of each."""
    drawn = [probability for probability in probabilities if probability is not None]
    return Draw(
        drawn=len(drawn),
        chosen=len(probabilities) - len(drawn),
        least=min(drawn, default=None),
        greatest=max(drawn, default=None),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """A labelled field of a document. `confidence` is None where no value was read."""

    match: Match
    is_labelled_absent: bool
    confidence: float | None
    rows: RowCounts | None


def _readings(document_type: DocumentType, name: str, documents: Sequence[ReadDocument]) -> list[_Reading]:
    field, readings = document_type.fields[name], []
    for document in documents:
        if name not in document.labels:
            continue
        label, read = document.labels[name], _value(document_type, name, document)
        is_table = field.type is FieldType.TABLE
        readings.append(
            _Reading(
                match=match_of(document_type, name, document),
                is_labelled_absent=_is_nothing(label),
                confidence=None if _is_nothing(read) else document.confidences.get(name, 0.0),
                rows=count_rows(field, _rows(read), _rows(label)) if is_table else None,
            )
        )
    return readings


def _field_evaluation(field: DocumentField, readings: Sequence[_Reading]) -> FieldEvaluation:
    matches = Counter(reading.match for reading in readings)
    absent = sum(reading.is_labelled_absent for reading in readings)
    there = len(readings) - absent
    rows = sum((reading.rows for reading in readings if reading.rows), RowCounts())
    return FieldEvaluation(
        right=share_of(matches[Match.RIGHT], len(readings)),
        wrong=share_of(matches[Match.WRONG], there),
        missed=share_of(matches[Match.MISSED], there),
        invented=share_of(matches[Match.INVENTED], absent),
        confidences=_reliability(readings),
        rows=rows if field.type is FieldType.TABLE else None,
    )


def _reliability(readings: Sequence[_Reading]) -> Reliability:
    read = [(each.confidence, each.match is Match.RIGHT) for each in readings if each.confidence is not None]
    confidences, are_right = [confidence for confidence, _ in read], [right for _, right in read]
    return Reliability(
        counted=len(read),
        calibration=calibration_of(confidences, are_right),
        auroc=auroc(confidences, are_right),
    )


def _value(document_type: DocumentType, name: str, document: ReadDocument) -> JsonValue:
    return document.values.get(name) if document.read_as == document_type.name else None


def _is_nothing(value: JsonValue) -> bool:
    return value is None or value == []


def _rows(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
