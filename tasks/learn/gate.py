"""The gate: what was learnt is measured on labels that it did not see, and used only where it is not worse.

Documents are cut into folds, twins into the same one. Each document is read with what was learnt from the other folds,
and without anything learnt. Only documents on which the two readings differ say which is better: the exact test of
McNemar (Psychometrika 12, 1947), one-sided, says how likely so many that got worse would be by chance.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType
from blocks.evidence.findings import find_fields
from blocks.evidence.traces import Remembered
from blocks.learning.labels import fold_of
from blocks.learning.measures import sign_test
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.recall import TypeMemory
from blocks.learning.traces import is_equal
from blocks.reader.reading import read
from blocks.records import Record
from tasks.learn.labelled import LabelledDocument

WORSE_AT = 0.05
"""A field is worse if chance alone would give so many documents that got worse, or more, less often than this."""
MEASURED = 200
"""So many documents are measured at most, drawn by a hash: more would hardly change a verdict, and take minutes."""


class FieldGate(Record):
    """How a field was read without and with what was learnt. `p_worse` is the probability of the test."""

    documents: int
    right_before: int
    right_after: int
    better: int
    worse: int
    p_worse: float

    @property
    def is_worse(self) -> bool:
        """Whether it is worse beyond chance."""
        return self.p_worse <= WORSE_AT


class Gate(Record):
    """What was measured, by field. `documents` were measured, each with what was learnt from the other folds."""

    documents: int
    fields: dict[str, FieldGate]

    @property
    def changes(self) -> dict[str, FieldGate]:
        """The fields that are read otherwise in some document."""
        return {name: field for name, field in self.fields.items() if field.better or field.worse}

    @property
    def worse_fields(self) -> tuple[str, ...]:
        """The fields that are worse beyond chance: with any, what was learnt is not used."""
        return tuple(name for name, field in self.fields.items() if field.is_worse)


@dataclass(slots=True)
class _Pairs:
    documents: int = 0
    before: int = 0
    after: int = 0
    better: int = 0
    worse: int = 0

    def count(self, *, before: bool, after: bool) -> None:
        self.documents += 1
        self.before += before
        self.after += after
        self.better += after and not before
        self.worse += before and not after


def measured_ids(rows: Sequence[MemoryRow]) -> list[str]:
    """The documents that a gate measures."""
    ids = (row.document_id for row in rows)
    return sorted(ids, key=lambda id_: hashlib.sha256(f"gate:{id_}".encode()).digest())[:MEASURED]


def measure(
    document_type: DocumentType,
    rows: Sequence[MemoryRow],
    documents: Iterable[LabelledDocument],
    on_measured: Callable[[int], None] = lambda documents: None,
) -> Gate:
    """Read each of the `documents` with what the memories of the other folds say, and without."""
    folds = [fold_of(row.text_digest) for row in rows]
    memories: dict[int, TypeMemory] = {}
    pairs: dict[str, _Pairs] = {}
    measured = 0
    for document in documents:
        own = fold_of(document.text_digest)
        if own not in memories:
            memories[own] = TypeMemory([row for row, fold in zip(rows, folds, strict=True) if fold != own])
        before = right_fields(document_type, document)
        after = right_fields(document_type, document, memories[own].recall(document.document_id, document.pages))
        for name, was_right in before.items():
            pairs.setdefault(name, _Pairs()).count(before=was_right, after=after[name])
        measured += 1
        on_measured(1)
    return Gate(
        documents=measured,
        fields={
            name: FieldGate(
                documents=own.documents,
                right_before=own.before,
                right_after=own.after,
                better=own.better,
                worse=own.worse,
                p_worse=round(sign_test(own.better, own.worse), 4),
            )
            for name, own in pairs.items()
        },
    )


def right_fields(
    document_type: DocumentType, document: LabelledDocument, remembered: Sequence[Remembered] = ()
) -> Mapping[str, bool]:
    """Whether the built-in reader reads each labelled field right."""
    reading = read(document_type, document.pages, remembered)
    found = find_fields(document_type, reading.fields, document.pages, reading.criteria)
    return {
        name: is_equal(document_type.fields[name], found[name].value, value) for name, value in document.values.items()
    }
