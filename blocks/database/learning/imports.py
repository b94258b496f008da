"""Imports labels from the rows of a file: good rows are written, bad ones named, known ones left as they are."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from sys import intern

from sqlalchemy import Connection, insert, update

from blocks.database.clock import database_time
from blocks.database.engine import Database, as_stored
from blocks.database.learning.labels import labels_of
from blocks.database.learning.places import KnownDocument, Seen, find_places, known_documents
from blocks.database.learning.tables import label_events, labels
from blocks.document_types.schema import DocumentType
from blocks.learning.errors import LabelRefused
from blocks.learning.label_files import FileRow
from blocks.learning.labels import Label, NewLabel, new_label, that_count
from blocks.records import Record

AT_ONCE = 10_000
"""Rows that are read and written together. All places are read once for each, where rows name files without their
folders. A strict import is written in one transaction."""
IMPORTED = "imported"
ERASED = "the document was erased"


class ImportOptions(Record):
    """How rows are imported.

    `by` says who labelled where a row does not, or all of them if `is_by_given`. `drawn_with` is taken in place of what
    rows say, if `is_draw_given`. `is_strict`: one bad row keeps all from being written. `is_dry_run`: nothing is.
    """

    file: str
    by: str
    is_by_given: bool = False
    drawn_with: float | None = None
    is_draw_given: bool = False
    is_strict: bool = False
    is_dry_run: bool = False


class RefusedRow(Record):
    """A row that is no label, by the line on which it begins, and why."""

    line: int
    place: str
    field: str
    why: str


@dataclass(slots=True)
class Imported:
    """What an import did. `import_id` is None where it wrote nothing."""

    rows: int = 0
    written: int = 0
    known: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    import_id: int | None = None


def import_labels(
    database: Database,
    rows: Iterable[FileRow],
    options: ImportOptions,
    types: Mapping[str, DocumentType],
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Imported:
    """Import rows as they come; `on_rows` is called with the number of rows of each transaction.

    A row is known if a label of its document and field says the same: the one that counts, the latest that was
    imported, or any of the row's own time. Known rows change nothing, so that a file may be imported again.
    """
    work = _Import(options, types)
    checked: list[list[NewLabel]] = []
    for batch in _batches(rows):
        if options.is_dry_run or options.is_strict:
            with database.read() as connection:
                new = work.checked(connection, batch)
            checked += [new] if options.is_strict else []
        else:
            with database.write() as connection:
                work.write(connection, work.checked(connection, batch))
        on_rows(len(batch))
    if options.is_strict and not options.is_dry_run:
        _write_all(database, work, checked)
    return work.done


def stated_labels(
    database: Database, rows: Iterable[FileRow], options: ImportOptions, types: Mapping[str, DocumentType]
) -> tuple[list[Label], list[RefusedRow]]:
    """The labels that rows state of known documents, by document, and the rows that are none. Nothing is written."""
    work = _Import(options, types)
    found: defaultdict[str, list[Label]] = defaultdict(list)
    for batch in _batches(rows):
        with database.read() as connection:
            at = database_time(connection)
            for label in work.stated(connection, batch):
                who_and_when = {"labelled_by": label.labelled_by or options.by, "labelled_at": label.labelled_at or at}
                stated = Label.model_validate(label.model_dump() | who_and_when | {"label_id": ""})
                found[label.document_id].append(stated)
    return [label for labels in found.values() for label in that_count(labels)], work.done.refused


def _write_all(database: Database, work: "_Import", checked: Sequence[Sequence[NewLabel]]) -> None:
    """Write the labels of all batches in one transaction, or none. The rows were read and checked before it, so that
    others wait for the writing alone."""
    try:
        if not work.done.refused:
            with database.write() as connection:
                for new in checked:
                    work.write(connection, work.still_new(connection, new))
                if work.done.refused:
                    raise _Refused
    except _Refused:
        work.done.import_id = None
    if work.done.refused:
        work.done.written = 0


class _Refused(Exception):
    """A document was erased while a strict import read its file: nothing is written."""


def _batches(rows: Iterable[FileRow]) -> Iterator[list[FileRow]]:
    left = iter(rows)
    while batch := list(islice(left, AT_ONCE)):
        yield batch


class _Import:
    """An import under way, and what it knows of places and of the file so far."""

    def __init__(self, options: ImportOptions, types: Mapping[str, DocumentType]) -> None:
        self.done = Imported()
        self._options, self._types = options, types
        self._at: datetime | None = None
        self._places: dict[str, Seen] = {}
        self._lines: dict[str, dict[str, tuple[int, int]]] = {}

    def checked(self, connection: Connection, batch: Sequence[FileRow]) -> list[NewLabel]:
        """The labels of a batch that nobody has given yet. Counts the other rows, and names the wrong ones."""
        return self._unknown(connection, self.stated(connection, batch))

    def stated(self, connection: Connection, batch: Sequence[FileRow]) -> list[NewLabel]:
        """The labels of a batch, each once. Names the wrong rows."""
        self._at = self._at or database_time(connection)
        self._find_places(connection, batch)
        ids = {id_ for row in batch if (id_ := self._id_of(row))}
        documents = known_documents(connection, ids)
        new = []
        for row in batch:
            self.done.rows += 1
            try:
                label = self._label(row, documents)
                if self._is_new_in_file(row.line, label):
                    new.append(label)
                else:
                    self.done.known += 1
            except LabelRefused as error:
                place, field = (str(row.cells.get(name) or "") for name in ("uri", "field"))
                place = place or str(row.cells.get("document_id") or "")
                self.done.refused.append(RefusedRow(line=row.line, place=place, field=field, why=str(error)))
        self.done.written += len(new)
        return new

    def still_new(self, connection: Connection, labels: Sequence[NewLabel]) -> list[NewLabel]:
        """Those of the checked labels that nobody has given meanwhile. Refuses those of erased documents."""
        documents = known_documents(connection, {label.document_id for label in labels})
        erased = {id_ for id_, document in documents.items() if document.is_erased}
        for label in labels:
            if label.document_id in erased:
                line, _ = self._lines[label.document_id][label.field]
                refused = RefusedRow(line=line, place=label.document_id, field=label.field, why=ERASED)
                self.done.refused.append(refused)
        return self._unknown(connection, labels)

    def _unknown(self, connection: Connection, labels: Sequence[NewLabel]) -> list[NewLabel]:
        there = _Known(connection, {label.document_id for label in labels})
        unknown = [label for label in labels if not there.has(label)]
        self.done.known += len(labels) - len(unknown)
        self.done.written -= len(labels) - len(unknown)
        return unknown

    def _find_places(self, connection: Connection, batch: Sequence[FileRow]) -> None:
        named = {_cell(row, "uri") for row in batch if not _cell(row, "document_id")} - {""}
        self._places |= find_places(connection, named - self._places.keys())

    def _id_of(self, row: FileRow) -> str | None:
        return _cell(row, "document_id") or self._places.get(_cell(row, "uri"), Seen(None)).document_id

    def _label(self, row: FileRow, documents: Mapping[str, KnownDocument]) -> NewLabel:
        """The row's label. Raises `LabelRefused`."""
        if row.problem:
            raise LabelRefused(row.problem)
        document_id, uri = self._id_of(row), _cell(row, "uri")
        if document_id is None:
            raise LabelRefused(self._places[uri].problem if uri else "neither uri nor document_id says which document")
        document = documents.get(document_id)
        if document is None:
            raise LabelRefused("no document has this document_id; winnow results --format json has the ids")
        if document.is_erased:
            raise LabelRefused(ERASED)
        if document.is_container:
            raise LabelRefused("it is a file whose parts are documents; label these")
        label = new_label(document_id, document.document_type, row.cells, self._types)
        changes: dict[str, object] = {"value": as_stored(label.value)}
        if self._options.is_by_given:
            changes["labelled_by"] = self._options.by
        if self._options.is_draw_given:
            changes["drawn_with"] = self._options.drawn_with
        return label.model_copy(update=changes)

    def _is_new_in_file(self, line: int, label: NewLabel) -> bool:
        """Whether no earlier row is about this field. Raises `LabelRefused` where one says something else."""
        of_document = self._lines.setdefault(label.document_id, {})
        content = hash(json.dumps(label.value, sort_keys=True))
        first, before = of_document.setdefault(intern(label.field), (line, content))
        if before != content:
            raise LabelRefused(f"line {first} says something else of this field")
        return first == line

    def write(self, connection: Connection, labels_: Sequence[NewLabel]) -> None:
        """Write labels, and that they were imported."""
        if not labels_:
            return
        options, at = self._options, self._at or database_time(connection)
        if self.done.import_id is None:
            content = {"file": options.file, "labels": 0}
            event = {"event": IMPORTED, "content": content, "actor": options.by, "happened_at": at}
            self.done.import_id = connection.execute(
                insert(label_events).returning(label_events.c.event_id), event
            ).scalar_one()
        rows = [
            label.model_dump(mode="json", exclude={"labelled_at"})
            | {
                "labelled_by": label.labelled_by or options.by,
                "labelled_at": label.labelled_at or at,
                "import_id": self.done.import_id,
            }
            for label in labels_
        ]
        connection.execute(insert(labels), rows)
        content = {"file": options.file, "labels": self.done.written}
        own = label_events.c.event_id == self.done.import_id
        connection.execute(update(label_events).where(own).values(content=content))


class _Known:
    """The labels that documents have."""

    def __init__(self, connection: Connection, document_ids: Collection[str]) -> None:
        self._labels = labels_of(connection, document_ids)
        of_documents: defaultdict[str, list[Label]] = defaultdict(list)
        for (document_id, _), found in self._labels.items():
            of_documents[document_id] += found
        counting = (label for found in of_documents.values() for label in that_count(found))
        self._counting = {(label.document_id, label.field): label for label in counting}

    def has(self, new: NewLabel) -> bool:
        """Whether one of them says the same."""
        key = (new.document_id, new.field)
        found = self._labels.get(key, [])
        candidates = [label for label in found if label.labelled_at == new.labelled_at]
        candidates += [label for label in found if label.import_id is not None][-1:]
        candidates += [self._counting[key]] if key in self._counting else []
        return any(_is_same(new, label) for label in candidates)


def _is_same(new: NewLabel, label: Label) -> bool:
    return (new.value, new.document_type, new.drawn_with) == (
        label.value,
        label.document_type,
        label.drawn_with,
    ) and new.labelled_by in {None, label.labelled_by}


def _cell(row: FileRow, column: str) -> str:
    value = row.cells.get(column)
    return "" if value is None else str(value).strip()
