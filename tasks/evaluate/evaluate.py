"""How good the current readings of labelled documents are, type by type."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

from blocks.database.engine import Database
from blocks.database.learning.labels import LabelFilter, read_labels
from blocks.database.learning.readings import Reading, readings_of
from blocks.document_types.schema import DocumentType
from blocks.learning.comparison import Comparison
from blocks.learning.evaluation import Evaluation, ReadDocument, evaluate
from blocks.learning.labels import Label
from blocks.records import Record, ResultStatus, Validation
from tasks.learn.split import proving

STORED = "stored"
"""The name of the readings that the database has."""
_AT_ONCE = 500

Types = Mapping[str, DocumentType]
Labelled = Mapping[str, Sequence[Label]]
"""The labels of each document, by its id."""


class ReadBeside(Record):
    """What readings of a setting are worth, by type, and what the models have cost meanwhile.

    Left out are `without_pages` documents, whose pages are not stored, `unopened` ones, whose files could not be read
    again, and `unanswered` ones, where no model answered.
    """

    setting: str
    types: tuple[Evaluation, ...]
    without_pages: int
    unopened: int
    unanswered: int
    spent_usd: Decimal


class Pair(Record):
    """Two settings side by side, type by type."""

    first: str
    second: str
    types: tuple[Comparison, ...]


class Evaluated(Record):
    """Evaluations by type. `unread` counts labelled documents that no run has read, or whose readings were deleted;
    `teaching` those that only teach, since their type has a strict split: they are not counted elsewhere.

    `others` are other settings, and `pairs` each of them against the stored readings and against each earlier one.
    """

    types: tuple[Evaluation, ...]
    unread: int
    teaching: int = 0
    others: tuple[ReadBeside, ...] = ()
    pairs: tuple[Pair, ...] = ()


@dataclass(slots=True)
class Readings:
    """What was read of labelled documents, by type.

    Left out and counted are `unread` ones, which no run has read or whose readings were deleted, and of readings that
    are computed beside the stored ones: `unanswered`, where no model answered, and `unopened`, where the file could not
    be read again.
    """

    by_type: defaultdict[str, list[ReadDocument]] = field(default_factory=lambda: defaultdict(list))
    unread: int = 0
    unanswered: int = 0
    unopened: int = 0

    def evaluations(self, types: Types) -> tuple[Evaluation, ...]:
        """The evaluation of each type."""
        return tuple(evaluate(types[name], self.by_type[name]) for name in sorted(self.by_type))


def evaluate_readings(database: Database, types: Types, wanted: str | None = None) -> Evaluated:
    """What the machine read last of the labelled documents of every type, or of one, under today's fields."""
    labelled, teaching = labelled_documents(database, types, wanted)
    return evaluate_stored(database, types, labelled).model_copy(update={"teaching": teaching})


def evaluate_stored(database: Database, types: Types, labelled: Labelled, ledger: Database | None = None) -> Evaluated:
    """What the machine read last of the documents, by their labels. `ledger` is as in `stored_readings`."""
    readings = stored_readings(database, types, labelled, ledger)
    return Evaluated(types=readings.evaluations(types), unread=readings.unread)


def labelled_documents(database: Database, types: Types, wanted: str | None = None) -> tuple[Labelled, int]:
    """The labels of every document of the types, or of one of them, whose labels prove; and how many only teach."""
    found: defaultdict[str, list[Label]] = defaultdict(list)
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for label, _ in read_labels(database, LabelFilter(document_type=wanted)):
        if label.document_type in types:
            if label.document_id not in found:
                ids[label.document_type].append(label.document_id)
            found[label.document_id].append(label)
    proves = frozenset().union(*(proving(database, types[name], of_type) for name, of_type in ids.items()))
    return {id_: labels for id_, labels in found.items() if id_ in proves}, len(found) - len(proves)


def sample_of(labelled: Labelled, number: int) -> Labelled:
    """So many of the documents at most, drawn by a hash: the same ones each time. Their chances shrink accordingly."""
    drawn = sorted(labelled, key=lambda id_: hashlib.sha256(f"evaluate:{id_}".encode()).digest())[:number]
    share = len(drawn) / max(len(labelled), 1)
    return {id_: [_drawn_again(label, share) for label in labelled[id_]] for id_ in drawn}


def _drawn_again(label: Label, share: float) -> Label:
    drawn_with = None if label.drawn_with is None else label.drawn_with * share
    return label.model_copy(update={"drawn_with": drawn_with})


def stored_readings(database: Database, types: Types, labelled: Labelled, ledger: Database | None = None) -> Readings:
    """What the machine read last of the documents. `ledger` has the calls of models, where it is another database."""
    return _readings(database, types, labelled, ledger or database)


def readings_beside(beside: Database, ledger: Database, types: Types, labelled: Labelled) -> Readings:
    """What was read of the documents in a database beside the main one, whose `ledger` has the calls of models."""
    return _readings(beside, types, labelled, ledger, is_beside=True)


def _readings(
    database: Database, types: Types, labelled: Labelled, ledger: Database, *, is_beside: bool = False
) -> Readings:
    found = Readings()
    remaining = iter(labelled)
    while ids := list(islice(remaining, _AT_ONCE)):
        with ExitStack() as stack:
            connection = stack.enter_context(database.read())
            calls = None if ledger is database else stack.enter_context(ledger.read())
            readings = readings_of(connection, ids, calls)
        for id_ in ids:
            reading = readings.get(id_)
            if reading is None:
                found.unread += 1
            elif is_beside and reading.is_unopened:
                found.unopened += 1
            elif is_beside and reading.is_provisional:
                found.unanswered += 1
            else:
                document_type = types[labelled[id_][0].document_type]
                found.by_type[document_type.name].append(read_document(document_type, id_, labelled[id_], reading))
    return found


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
