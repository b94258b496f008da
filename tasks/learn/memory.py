"""Learns a type's memory: what is remembered of each decided document, and whether runs may read by it."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.learned import NewLearned, Part
from blocks.database.learning.texts import decided_texts
from blocks.database.outages import survives_outages
from blocks.database.pipeline.documents import erased_among, lock_documents
from blocks.document_types.schema import DocumentType
from blocks.learning.labels import TYPE_FIELD
from blocks.learning.memory import remember
from blocks.learning.memory_rows import MemoryRow
from blocks.records import Record
from tasks.learn.gate import MEASURED, Gate, measure, measured_ids
from tasks.learn.labelled import Values, labelled_values, made_of, with_pages
from tasks.learn.split import teaching
from tasks.learn.types import JudgeTypes, measure_types

MIN_DOCUMENTS = 2
"""What is learnt from a single document cannot be measured on another one."""

OnProgress = Callable[[str, int], None]
"""Called with what goes on, and how many more documents it has done."""


class MemoryLearned(Record):
    """What came of learning a type's memory. `learned_id` is None where nothing was learnt, and `why` says why.

    `examples_id` is the id under which models are shown the remembered documents, where that is new.
    """

    document_type: str
    documents: int
    learned_id: int | None = None
    is_used: bool = False
    why: str = ""
    gate: Gate | None = None
    examples_id: int | None = None


def learn_memory(
    database: Database,
    types: Mapping[str, DocumentType],
    name: str,
    judge: JudgeTypes | None = None,
    on_progress: OnProgress = lambda what, documents: None,
) -> MemoryLearned:
    """Remember the documents that people decided, measure what this changes, and have runs use it unless it is worse.

    Only documents that were decided, or corrected, since the last time are read. Nothing is written if there are none.
    Without a `judge`, it is not measured what they teach the classifier of types.
    """
    document_type = types[name]
    if document_type.memory is None:
        why = "its type.yaml does not ask for it; write: memory: {refresh: new}"
        return MemoryLearned(document_type=name, documents=0, why=why)
    values = teaching(database, document_type, labelled_values(database, document_type))
    wanted = {document_id: made_of(document_type, own) for document_id, own in values.items()}
    known = _known(database, name)
    if wanted == known:
        why = "nothing new was decided since" if known else "no document has a label yet"
        return MemoryLearned(document_type=name, documents=len(wanted), why=why)
    changed = sorted(id_ for id_, made in wanted.items() if known.get(id_) != made)
    added = []
    for document in with_pages(database, values, changed):
        on_progress("remembered", 1)
        decided = remember(document.document_id, document_type, document.pages, document.values)
        content = decided.model_dump_json(exclude_defaults=True).encode()
        added.append(MemoryRow(document.document_id, wanted[document.document_id], document.text_digest, content))
    ended = {id_ for id_, made in known.items() if wanted.get(id_) != made}
    if not added and not ended:
        why = "the database no longer has the pages of what was decided"
        return MemoryLearned(document_type=name, documents=len(wanted), why=why)
    kept = [row for row in learned.newest_memories(database, name) if row.document_id not in ended]
    rows = [*kept, *added]
    if len(rows) < MIN_DOCUMENTS:
        why = f"{len(rows)} decided document; {MIN_DOCUMENTS} are needed to measure what is learnt"
        return MemoryLearned(document_type=name, documents=len(rows), why=why)
    gate = _measured(database, types, name, values, rows, judge, on_progress)
    new = NewLearned(
        document_type=name,
        part=Part.MEMORY,
        digest=hashlib.sha256("\n".join(sorted(row.made_of for row in rows)).encode()).hexdigest(),
        labels=sum(len(own) for own in values.values()),
        gate=gate.model_dump(mode="json"),
        is_used=not gate.worse_fields,
    )
    learned_id = _write(database, new, known, added, ended)
    if learned_id is None:
        why = "another process has learnt it meanwhile"
        return MemoryLearned(document_type=name, documents=len(rows), why=why)
    return MemoryLearned(document_type=name, documents=len(rows), learned_id=learned_id, is_used=new.is_used, gate=gate)


def _measured(
    database: Database,
    types: Mapping[str, DocumentType],
    name: str,
    values: Mapping[str, Values],
    rows: Sequence[MemoryRow],
    judge: JudgeTypes | None,
    on_progress: OnProgress,
) -> Gate:
    load_texts = partial(decided_texts, database)
    documents = with_pages(database, values, measured_ids(row.document_id for row in rows))
    gate = measure(types[name], rows, documents, load_texts, lambda n: on_progress("measured", n))
    if judge is None or TYPE_FIELD in types[name].fields:
        return gate
    known = {
        other: found
        for (other, part), used in learned.in_use(database).items()
        if part is Part.MEMORY and other in types and types[other].memory is not None
        if (found := learned.latest_remembered(database, other, used.learned_id, MEASURED))
    }
    known[name] = [(row.document_id, row.text_digest) for row in reversed(rows)]
    of_types = measure_types(name, types, known, load_texts, judge)
    return gate.model_copy(update={"fields": {**gate.fields, TYPE_FIELD: of_types}})


@survives_outages
def _write(
    database: Database, new: NewLearned, known: Mapping[str, str], added: Sequence[MemoryRow], ended: Collection[str]
) -> int | None:
    """Write a memory. None where the newest is no longer the `known` one, from which this one was made."""
    with database.write() as connection:
        lock_documents(database, connection, {row.document_id for row in added} | set(ended))
        if learned.remembered(connection, new.document_type) != known:
            return None
        learned_id = learned.add(connection, new)
        erased = erased_among(connection, {row.document_id for row in added})  # while what was learnt was measured
        kept = [row for row in added if row.document_id not in erased]
        learned.replace_memories(connection, learned_id, new.document_type, kept, ended)
    return learned_id


@survives_outages
def _known(database: Database, document_type: str) -> dict[str, str]:
    with database.read() as connection:
        return learned.remembered(connection, document_type)
