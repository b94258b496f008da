"""Forgets labels: imported ones are deleted, and answers of decisions count as labels no longer.

The decisions themselves stand; `blocks/database/keeping/erasure.py` is for what documents hold. Who forgot, and when,
is a row of `label_events`.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.learning.labels import LabelFilter, every_label
from blocks.database.learning.learned import LearnedState, Part
from blocks.database.learning.tables import forgotten_answers, label_events, labels, learned, memories
from blocks.database.review.tables import review, review_events
from blocks.learning.errors import ImportUnknown, LabelUnknown
from blocks.learning.labels import Label
from blocks.records import Record

FORGOTTEN = "forgotten"
_AT_ONCE = 500


class Forgotten(Record):
    """How many labels that is, imported ones and answers of decisions; replaced ones count too."""

    imported: int = 0
    decided: int = 0
    documents: int = 0


def held_labels(database: Database, wanted: LabelFilter, label_ids: Sequence[str] = ()) -> Forgotten:
    """What `forget` would forget. Raises as it does."""
    with database.snapshot() as connection:
        return _counted(_chosen(connection, wanted, label_ids))


def forget(database: Database, wanted: LabelFilter, by: str, label_ids: Sequence[str] = ()) -> Forgotten:
    """Forget the labels with these ids, or else all that are wanted, in one transaction; `by` is in `label_events`.

    Labels that these had replaced are forgotten too where they are wanted, and count again where they are not. Raises
    `LabelUnknown` and `ImportUnknown`.
    """
    with database.write() as connection:
        chosen = _chosen(connection, wanted, label_ids)
        done = _counted(chosen)
        if chosen:
            content = wanted.model_dump(mode="json", exclude_none=True) | done.model_dump()
            content |= {"label_ids": list(label_ids)} if label_ids else {}
            event = {"event": FORGOTTEN, "content": content, "actor": by, "happened_at": database_time(connection)}
            event_id = connection.execute(insert(label_events).returning(label_events.c.event_id), event).scalar_one()
            _forget(connection, chosen, event_id, by)
    return done


def _chosen(connection: Connection, wanted: LabelFilter, label_ids: Sequence[str]) -> list[Label]:
    if label_ids:
        return [_with_id(connection, label_id) for label_id in dict.fromkeys(label_ids)]
    found = list(every_label(connection, wanted))
    if wanted.import_id is not None and not found:
        raise ImportUnknown(wanted.import_id, connection.execute(_IMPORTS).scalars().all())
    return found


def _with_id(connection: Connection, label_id: str) -> Label:
    query, number = (_OF_IMPORT if label_id.startswith("i") else _OF_DECISION), _number(label_id)
    document_id = connection.execute(query, {"number": number}).scalar_one_or_none()
    if document_id is not None:
        for label in every_label(connection, LabelFilter(document_id=document_id)):
            if label.label_id == label_id:
                return label
    raise LabelUnknown(label_id)


def _number(label_id: str) -> int:
    """The number in an id of a label. Raises `LabelUnknown`."""
    digits = label_id[1:].partition(".")[0]
    if label_id[:1] not in {"i", "d"} or not (digits.isascii() and digits.isdigit()):
        raise LabelUnknown(label_id)
    return int(digits)


def _counted(chosen: Sequence[Label]) -> Forgotten:
    imported = sum(label.import_id is not None for label in chosen)
    return Forgotten(
        imported=imported, decided=len(chosen) - imported, documents=len({label.document_id for label in chosen})
    )


def _forget(connection: Connection, chosen: Sequence[Label], event_id: int, by: str) -> None:
    imported = [{"b_id": _number(label.label_id)} for label in chosen if label.import_id is not None]
    decided = [
        {"event_id": _number(label.label_id), "field": label.field, "forgotten_in": event_id}
        for label in chosen
        if label.import_id is None
    ]
    if imported:
        connection.execute(delete(labels).where(labels.c.label_id == bindparam("b_id")), imported)
    if decided:
        connection.execute(insert(forgotten_answers), decided)
    proven = {label.document_type for label in chosen if label.drawn_with is not None}
    connection.execute(_TAKE_BACK_PROOFS, {"types": proven, "b_by": by})
    ids = sorted({label.document_id for label in chosen})
    for first in range(0, len(ids), _AT_ONCE):
        connection.execute(_FORGET_MEMORIES, {"ids": ids[first : first + _AT_ONCE]})


_TAKE_BACK_PROOFS = (
    update(learned)
    .where(
        learned.c.part == Part.PROMISE,
        learned.c.state == LearnedState.USED,
        in_list(learned.c.document_type, "types"),
    )
    .values(state=LearnedState.ROLLED_BACK, changed_by=bindparam("b_by"))
)
"""What the labels of drawn documents proved is proven no longer."""

_FORGET_MEMORIES = delete(memories).where(in_list(memories.c.document_id, "ids"))
"""What is remembered of the documents goes too, in every state that could come back; what they still have labels for is
learnt anew."""

_IMPORTS = select(labels.c.import_id).distinct().order_by(labels.c.import_id)

_OF_IMPORT = select(labels.c.document_id).where(labels.c.label_id == bindparam("number"))

_OF_DECISION = (
    select(review.c.document_id)
    .join_from(review, review_events, review_events.c.review_id == review.c.review_id)
    .where(review_events.c.event_id == bindparam("number"))
)
