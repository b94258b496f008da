"""How good the current readings of labelled documents are, type by type."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby, islice

from blocks.database.engine import Database
from blocks.database.learning.labels import LabelFilter, read_labels
from blocks.database.learning.readings import Reading, readings_of
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import Evaluation, ReadDocument, evaluate
from blocks.learning.labels import Label
from blocks.records import Record, ResultStatus, Validation
from tasks.learn.split import proving

_AT_ONCE = 500


class Evaluated(Record):
    """Evaluations by type. `unread` counts labelled documents that no run has read, or whose readings were deleted;
    `teaching` those that only teach, since their type has a strict split: they are not counted elsewhere."""

    types: tuple[Evaluation, ...]
    unread: int
    teaching: int = 0


def evaluate_readings(database: Database, types: Mapping[str, DocumentType], wanted: str | None = None) -> Evaluated:
    """What the machine read last of the labelled documents of every type, or of one, under today's fields."""
    by_type: defaultdict[str, list[ReadDocument]] = defaultdict(list)
    unread = teaching = 0
    labels = (label for label, _ in read_labels(database, LabelFilter(document_type=wanted)))
    by_document = (list(group) for _, group in groupby(labels, key=lambda label: label.document_id))
    known = (each for each in by_document if each[0].document_type in types)
    while batch := list(islice(known, _AT_ONCE)):
        with database.read() as connection:
            readings = readings_of(connection, [of_document[0].document_id for of_document in batch])
        proves = _proving(database, types, batch)
        for of_document in batch:
            if of_document[0].document_id not in proves:
                teaching += 1
                continue
            reading = readings.get(of_document[0].document_id)
            if reading is None:
                unread += 1
                continue
            document_type = types[of_document[0].document_type]
            id_ = of_document[0].document_id
            by_type[document_type.name].append(read_document(document_type, id_, of_document, reading))
    of_types = tuple(evaluate(types[name], by_type[name]) for name in sorted(by_type))
    return Evaluated(types=of_types, unread=unread, teaching=teaching)


def _proving(database: Database, types: Mapping[str, DocumentType], batch: Sequence[Sequence[Label]]) -> frozenset[str]:
    """The labelled documents of a batch whose labels prove."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for of_document in batch:
        ids[of_document[0].document_type].append(of_document[0].document_id)
    return frozenset().union(*(proving(database, types[name], of_type) for name, of_type in ids.items()))


def read_document(
    document_type: DocumentType, document_id: str, labels: Sequence[Label], reading: Reading
) -> ReadDocument:
    """A document with its labels, of which it may have none, and what the machine read of it last."""
    validation = None if reading.validation is None else Validation.model_validate_json(reading.validation)
    status: ResultStatus = "failed" if validation is None else validation.status.value
    if reading.is_provisional and status == "accepted":
        status = "in_review"
    return ReadDocument(
        document_id=document_id,
        labels={label.field: label.value for label in labels if label.field in document_type.fields},
        drawn_with=min((label.drawn_with for label in labels if label.drawn_with is not None), default=None),
        read_as="" if validation is None else validation.document_type,
        status=status,
        confidence=0.0 if validation is None else validation.confidence,
        values={} if validation is None else validation.fields,
        confidences={} if validation is None else validation.confidences,
        reasons=() if validation is None else validation.reasons,
        cost_usd=reading.cost_usd,
        duration_s=reading.duration_ms / 1000,
    )
