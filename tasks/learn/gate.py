"""The gate: what was learnt is measured on labels that it did not see, and used only where it is not worse.

Documents are cut into folds, twins into the same one. Each document is read with what was learnt from the other folds,
and without anything learnt. Where other documents of its issuer were decided, it is read once more without these, as
the first one of an issuer would be. Neither may be worse. Only documents on which the two readings differ say which is
better: the exact test of McNemar (Psychometrika 12, 1947), one-sided, says how likely so many that got worse would be
by chance.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import Field

from blocks.document_types.schema import DocumentType, Example
from blocks.evidence.findings import find_fields
from blocks.evidence.traces import Remembered
from blocks.learning.labels import fold_of
from blocks.learning.lessons import chosen, enum_values, taught
from blocks.learning.measures import sign_test
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.recall import TypeMemory, issuers_in, values_in
from blocks.learning.traces import is_equal
from blocks.reader.reading import read
from blocks.records import Record
from tasks.learn.labelled import LabelledDocument

LoadTexts = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives the texts of documents by their ids."""

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
    """What was measured, by field. `documents` were measured, each with what was learnt from the other folds.

    The field `document_type` is whether documents are known as what they are. `new_issuers` are the same fields where
    nothing of a document's issuer was learnt.
    """

    documents: int
    fields: dict[str, FieldGate]
    new_issuers: dict[str, FieldGate] = Field(default_factory=dict)

    @property
    def changes(self) -> dict[str, FieldGate]:
        """The fields that are read otherwise in some document."""
        return {name: field for name, field in self.fields.items() if field.better or field.worse}

    @property
    def worse_fields(self) -> tuple[str, ...]:
        """The fields that are worse beyond chance: with any, what was learnt is not used."""
        known = [name for name, field in self.fields.items() if field.is_worse]
        new = (name for name, field in self.new_issuers.items() if field.is_worse and name not in known)
        return (*known, *(f"{name} of new issuers" for name in new))


def compared(pairs: Iterable[tuple[bool, bool]]) -> FieldGate:
    """What pairs say: of each document, whether it was right before and after."""
    found = list(pairs)
    better, worse = (sum(pair == gone for pair in found) for gone in ((False, True), (True, False)))
    return FieldGate(
        documents=len(found),
        right_before=sum(before for before, _ in found),
        right_after=sum(after for _, after in found),
        better=better,
        worse=worse,
        p_worse=round(sign_test(better, worse), 4),
    )


def measured_ids(document_ids: Iterable[str], most: int = MEASURED) -> list[str]:
    """The documents that a gate measures."""
    return sorted(document_ids, key=lambda id_: hashlib.sha256(f"gate:{id_}".encode()).digest())[:most]


class _Learnt:
    """What the other folds teach: their memories, and the type with their texts as examples."""

    def __init__(self, document_type: DocumentType, rows: Sequence[MemoryRow], load_texts: LoadTexts) -> None:
        self._type, self._rows = document_type, rows
        self._folds = {row.document_id: fold_of(row.text_digest) for row in rows}
        self._lessons = chosen(document_type, values_in(rows)) if enum_values(document_type) else {}
        self._texts = load_texts(list(self._lessons)) if self._lessons else {}
        self._issuers = issuers_in(rows)
        self._of_issuer: defaultdict[str, set[str]] = defaultdict(set)
        for document_id, issuer in self._issuers.items():
            self._of_issuer[issuer].add(document_id)
        self._made: dict[int, tuple[TypeMemory, DocumentType]] = {}

    def of_its_issuer(self, document_id: str) -> set[str]:
        """The other documents of the same issuer; none where nobody named it."""
        return self._of_issuer.get(self._issuers.get(document_id, ""), set()) - {document_id}

    def without(self, fold: int) -> tuple[TypeMemory, DocumentType]:
        """The memory, and the type, of all folds but one."""
        if fold not in self._made:
            lessons = [
                Example(text=self._texts[id_], labels=dict(labels))
                for id_, labels in self._lessons.items()
                if id_ in self._texts and self._folds[id_] != fold
            ]
            memory = TypeMemory([row for row in self._rows if self._folds[row.document_id] != fold])
            self._made[fold] = memory, taught(self._type, lessons)
        return self._made[fold]


def measure(
    document_type: DocumentType,
    rows: Sequence[MemoryRow],
    documents: Iterable[LabelledDocument],
    load_texts: LoadTexts,
    on_measured: Callable[[int], None] = lambda documents: None,
) -> Gate:
    """Read each of the `documents` with what the other folds teach, and without."""
    learnt = _Learnt(document_type, rows, load_texts)
    pairs: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    of_new_issuers: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    measured = 0
    for document in documents:
        memory, as_taught = learnt.without(fold_of(document.text_digest))
        before = right_fields(document_type, document)
        after = first = right_fields(as_taught, document, memory.recall(document.document_id, document.pages))
        if own := learnt.of_its_issuer(document.document_id):
            first = right_fields(as_taught, document, memory.recall(document.document_id, document.pages, own))
        for name, was_right in before.items():
            pairs[name].append((was_right, after[name]))
            of_new_issuers[name].append((was_right, first[name]))
        measured += 1
        on_measured(1)
    return Gate(
        documents=measured,
        fields={name: compared(each) for name, each in pairs.items()},
        new_issuers={name: compared(each) for name, each in of_new_issuers.items()},
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
