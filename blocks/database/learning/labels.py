"""All labels: the answers of final decisions of review, and what was imported. Nothing is copied from one to the other.

A decision that was taken back does not count, nor one whose item was opened again, or superseded. A decision of two
persons is the label of the second. Labels of erased documents are none.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    RowMapping,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.learning.tables import forgotten_answers, labels
from blocks.database.pipeline.sources import uris_of
from blocks.database.review.tables import review, review_answers, review_events
from blocks.database.tables import documents, runs
from blocks.learning.labels import TYPE_FIELD, Label, Origin, that_count
from blocks.records import Record
from blocks.review.records import Action, Event, ItemKind, ItemStatus

_AT_ONCE = 500


class LabelFilter(Record):
    """Which labels are wanted; None takes all."""

    document_type: str | None = None
    document_id: str | None = None
    field: str | None = None
    labelled_by: str | None = None
    origin: Origin | None = None
    import_id: int | None = None

    def takes(self, label: Label) -> bool:
        """Whether the label is among them."""
        return all(wanted is None or getattr(label, name) == wanted for name, wanted in self)


def read_labels(database: Database, wanted: LabelFilter) -> Iterator[tuple[Label, str]]:
    """The labels that count, with the place of the document, by document and field, in one snapshot.

    They are read as they are used, so that memory stays flat.
    """
    with database.snapshot() as connection:
        batch: list[Label] = []
        for found in _by_document(connection, wanted):
            batch += [label for label in that_count(found) if wanted.takes(label)]
            if len(batch) >= _AT_ONCE:
                yield from _with_places(connection, batch)
                batch = []
        yield from _with_places(connection, batch)


def labels_of(connection: Connection, document_ids: Collection[str]) -> dict[tuple[str, str], list[Label]]:
    """Every label of the documents, by document and field, the oldest first; also those that others replaced."""
    found: dict[tuple[str, str], list[Label]] = {}
    query = _all_labels(lambda document_id, _: in_list(document_id, "ids"))
    for label in _read(connection, query, {"ids": document_ids}):
        found.setdefault((label.document_id, label.field), []).append(label)
    return found


def every_label(connection: Connection, wanted: LabelFilter) -> Iterator[Label]:
    """Every label that is wanted, also those that others replaced, by document."""
    imported = select(labels.c.document_id).where(labels.c.import_id == wanted.import_id)

    def is_chosen(id_: ColumnElement[str], by: ColumnElement[str]) -> ColumnElement[bool]:
        return and_(
            true() if wanted.document_id is None else id_ == wanted.document_id,
            true() if wanted.labelled_by is None else by == wanted.labelled_by,
            true() if wanted.import_id is None else id_.in_(imported),
        )

    return (label for label in _read(connection, _all_labels(is_chosen), {}) if wanted.takes(label))


def _by_document(connection: Connection, wanted: LabelFilter) -> Iterator[list[Label]]:
    """Every label of each document that may have wanted ones."""

    def is_chosen(id_: ColumnElement[str], _by: ColumnElement[str]) -> ColumnElement[bool]:
        return and_(
            true() if wanted.document_id is None else id_ == wanted.document_id,
            true() if wanted.document_type is None else id_.in_(_labelled_as(wanted.document_type)),
        )

    for _, found in groupby(_read(connection, _all_labels(is_chosen), {}), key=lambda label: label.document_id):
        yield list(found)


def _with_places(connection: Connection, batch: list[Label]) -> Iterator[tuple[Label, str]]:
    uris = uris_of(connection, list({label.document_id for label in batch}))
    for label in batch:
        yield label, uris[label.document_id][0]


def _read(connection: Connection, query: CompoundSelect[Any], values: Mapping[str, Any]) -> Iterator[Label]:
    versions: dict[str, Mapping[str, str]] = {}
    rows = connection.execute(query.execution_options(yield_per=_AT_ONCE), values).mappings()
    for part in rows.partitions(_AT_ONCE):
        unknown = {row["run_id"] for row in part if row["import_id"] is None} - versions.keys()
        if unknown:
            versions |= dict(connection.execute(_VERSIONS, {"ids": unknown}).tuples().all())
        for row in part:
            yield _label(row, versions)


def _label(row: RowMapping, versions: Mapping[str, Mapping[str, str]]) -> Label:
    is_import = row["import_id"] is not None
    version = row["type_version"] if is_import else versions.get(row["run_id"], {}).get(row["document_type"], "")
    return Label(
        label_id=f"i{row['number']}" if is_import else f"d{row['number']}.{row['field']}",
        type_version=version,
        **{name: row[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    *("document_id", "document_type", "field", "value", "labelled_by", "labelled_at"),
    *("origin", "drawn_with", "import_id"),
)

_VERSIONS = select(runs.c.run_id, runs.c.document_types).where(in_list(runs.c.run_id, "ids"))

_DECIDED_IN = (
    select(func.max(review_events.c.event_id))
    .where(review_events.c.review_id == review.c.review_id, review_events.c.event == Event.DECIDED)
    .correlate(review)
    .scalar_subquery()
)
"""The decision that an item was decided by: an earlier one was taken back, or its item was opened again."""

_ORIGIN = case(
    (and_(review.c.kind == ItemKind.AUDIT, review.c.is_blind), literal(str(Origin.BLIND_AUDIT))),
    (review.c.kind == ItemKind.AUDIT, literal(str(Origin.AUDIT))),
    else_=literal(str(Origin.QUEUE)),
)

_COUNTS = (
    review.c.status == ItemStatus.DECIDED,
    exists().where(documents.c.document_id == review.c.document_id, documents.c.erased_at.is_(None)),
)


def _is_kept(event_id: ColumnElement[int], field: ColumnElement[str]) -> ColumnElement[bool]:
    return ~exists().where(forgotten_answers.c.event_id == event_id, forgotten_answers.c.field == field)


def _all_labels(
    is_chosen: Callable[[ColumnElement[str], ColumnElement[str]], ColumnElement[bool]],
) -> CompoundSelect[Any]:
    """Every label for which `is_chosen` holds of the columns of the document's id and of the person; by document."""
    of_review = (*_COUNTS, is_chosen(review.c.document_id, review.c.decided_by))
    own = (
        review.c.document_id,
        review.c.run_id,
        review.c.decided_by.label("labelled_by"),
        review.c.decided_at.label("labelled_at"),
        _ORIGIN.label("origin"),
        review.c.drawn_with,
        cast(null(), BigInteger).label("import_id"),
        cast(null(), Text).label("type_version"),
    )
    given_type = review.c.decision["document_type"]
    answers = (
        select(
            *own,
            review.c.document_type,
            review_answers.c.field,
            review_answers.c.decided.label("value"),
            review_answers.c.event_id.label("number"),
        )
        .join_from(review, review_answers, review_answers.c.review_id == review.c.review_id)
        .where(
            *of_review,
            review_answers.c.event_id == _DECIDED_IN,
            _is_kept(review_answers.c.event_id, review_answers.c.field),
        )
    )
    types = select(
        *own,
        given_type.as_string().label("document_type"),
        literal(TYPE_FIELD).label("field"),
        given_type.label("value"),
        _DECIDED_IN.label("number"),
    ).where(*of_review, _IS_RECLASSIFIED, _is_kept(_DECIDED_IN, literal(TYPE_FIELD)))
    imported = select(
        labels.c.document_id,
        cast(null(), Text).label("run_id"),
        labels.c.labelled_by,
        labels.c.labelled_at,
        labels.c.origin,
        labels.c.drawn_with,
        labels.c.import_id,
        labels.c.type_version,
        labels.c.document_type,
        labels.c.field,
        labels.c.value,
        labels.c.label_id.label("number"),
    ).where(is_chosen(labels.c.document_id, labels.c.labelled_by))
    return union_all(answers, types, imported).order_by("document_id", "labelled_at", "import_id", "number")


_IS_RECLASSIFIED = review.c.decision["action"].as_string() == Action.RECLASSIFY


def _labelled_as(document_type: str) -> Any:
    """The documents with a label of that type."""
    decided = select(review.c.document_id).where(
        *_COUNTS,
        or_(
            review.c.document_type == document_type,
            and_(_IS_RECLASSIFIED, review.c.decision["document_type"].as_string() == document_type),
        ),
    )
    return union_all(decided, select(labels.c.document_id).where(labels.c.document_type == document_type))
