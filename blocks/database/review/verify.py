"""Verifying the audit trail: the chain of its events, and whether every other row of review agrees with them.

All tables are read in their order, a batch of rows at a time, from one snapshot: people may decide meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, exists, func, or_, select

from blocks.database.engine import Database
from blocks.database.review.events import chain_head
from blocks.database.review.inbox import APPLIED
from blocks.database.review.tables import (
    review,
    review_answers,
    review_decisions,
    review_events,
    review_judgements,
)
from blocks.database.tables import results
from blocks.review import chain, trail
from blocks.review.chain import Broken, Entry, Head, is_erased
from blocks.review.records import Event

_BATCH = 1_000
_EVENT = (
    *("event_id", "review_id", "event", "content", "actor", "run_id", "happened_at"),
    *("content_digest", "salt"),
)
_ANSWER = ("field", "shown", "decided", "confidence", "evidence", "shown_ms", "is_touched")
_JUDGEMENT = ("review_id", "judged_by", "judged_at", *trail.JUDGEMENT_VALUES)
_RESULT = (*trail.RESULT_VALUES, "created_at")


@dataclass(frozen=True, slots=True)
class Tampered:
    """The first row that is not as it was written: its table, its id, and what differs."""

    table: str
    row_id: str
    why: str


def verify_trail(database: Database, kept: str | None = None) -> Head | Tampered:
    """The trail's head if every row is as it was written, else the first one that is not.

    `kept` is the head's hash at an earlier time, which was kept elsewhere: the trail must still have it.

    Events are read first, each with its answers, its judgement and its result; then items, results, judgements and rows
    of review_decisions.
    """
    with database.snapshot() as connection:
        head = _events_tampered(connection, kept)
        if isinstance(head, Tampered):
            return head
        for tampered in (_item_tampered, _result_tampered, _judgement_tampered, _decision_tampered):
            found = tampered(connection)
            if found is not None:
                return found
        return head


def _events_tampered(connection: Connection, kept: str | None) -> Head | Tampered:
    last, is_kept = Head(), kept in {None, Head().hash}
    erased = set(connection.execute(_ERASED_ITEMS).scalars())
    answers = _Groups(_rows(connection, _ANSWERS), "event_id")
    for row in _rows(connection, _EVENTS):
        entry = _entry(row)
        found = chain.follow(last, entry, row["previous_hash"], row["hash"])
        if isinstance(found, Broken):
            return Tampered(review_events.name, str(found.event_id), found.why)
        own = answers.of(entry.event_id)
        if not is_erased(entry.content):
            fault = _orphan(answers) or _answers_tampered(entry, own) or _about_item(entry, row)
        elif entry.review_id not in erased:
            fault = Tampered(review_events.name, str(entry.event_id), "its content is gone, and no event erased it")
        else:
            fault = _orphan(answers)
        if fault is not None:
            return fault
        last, is_kept = found, is_kept or row["hash"] == kept
    end = chain.end(last, chain_head(connection))
    if isinstance(end, Broken):
        return Tampered(review_events.name, str(end.event_id), end.why)
    answers.of(None)
    if not is_kept:
        why = f"no event has the hash {kept}: events were removed, or the trail was written anew"
        return Tampered(review_events.name, str(last.event_id), why)
    return _orphan(answers) or last


def _orphan(answers: "_Groups") -> Tampered | None:
    if answers.skipped is None:
        return None
    return Tampered(review_answers.name, str(answers.skipped), "the trail has no event of this id")


def _answers_tampered(entry: Entry, answers: Sequence[RowMapping]) -> Tampered | None:
    for row in answers:
        if row["review_id"] != entry.review_id:
            why = f"review_id is {row['review_id']}, and event {entry.event_id} is about item {entry.review_id}"
            return Tampered(review_answers.name, f"{entry.event_id} {row['field']}", why)
    found = trail.answers_differ(entry.content, [{name: row[name] for name in _ANSWER} for row in answers])
    if found is None:
        return None
    name, why = found
    return Tampered(review_answers.name, f"{entry.event_id} {name}".strip(), why)


def _about_item(entry: Entry, row: RowMapping) -> Tampered | None:
    """What is wrong with the item that the event is about, or with the judgement or the result that came of it."""
    if row["document_id"] is None:
        return Tampered(review.name, str(entry.review_id), f"it is missing; event {entry.event_id} is about it")
    if entry.event == Event.JUDGED:
        if row["judgement_event_id"] is None:
            return Tampered(review_judgements.name, str(entry.event_id), "it is missing")
        differs = trail.judgement_differs(entry, {name: row[f"judgement_{name}"] for name in _JUDGEMENT})
        return None if differs is None else Tampered(review_judgements.name, str(entry.event_id), differs)
    if not trail.makes_result(entry.event, entry.content):
        return None
    row_id = f"{row['document_id']} {row['hash']}"
    if row["result_document_id"] is None:
        return Tampered(results.name, row_id, f"it is missing; event {entry.event_id} decided on it")
    why = trail.result_differs(entry, {name: row[f"result_{name}"] for name in _RESULT})
    return None if why is None else Tampered(results.name, row_id, why)


def _item_tampered(connection: Connection) -> Tampered | None:
    events = _Groups(_rows(connection, _EVENTS_BY_ITEM), "review_id")
    for row in _rows(connection, _ITEMS):
        standing = trail.Standing()
        for event in events.each(row["review_id"]):
            standing.follow(_entry(event), event["hash"])
        why = standing.differs(dict(row))
        if why is not None:
            return Tampered(review.name, str(row["review_id"]), why)
        if row["currents"] > 1:
            return Tampered(results.name, row["document_id"], f"{row['currents']} of its results are current")
        if standing.result is not None and row["current"] != standing.result:
            why = f"is_current is false, and item {row['review_id']} is decided"
            return Tampered(results.name, f"{row['document_id']} {standing.result}", why)
    return None


def _result_tampered(connection: Connection) -> Tampered | None:
    row = connection.execute(_RESULT_WITHOUT_EVENT).one_or_none()
    if row is None:
        return None
    why = f"decided_by is {row.decided_by!r}, and the trail has no event of this decision"
    return Tampered(results.name, f"{row.document_id} {row.fingerprint}", why)


def _judgement_tampered(connection: Connection) -> Tampered | None:
    row = connection.execute(_WRONG_JUDGEMENT).one_or_none()
    if row is None:
        return None
    why = "the trail has no event of it" if not row.is_known else "undone_at is not as the trail says"
    return Tampered(review_judgements.name, str(row.event_id), why)


def _decision_tampered(connection: Connection) -> Tampered | None:
    row = connection.execute(_APPLIED_WITHOUT_EVENT).one_or_none()
    if row is None:
        return None
    why = f"it is applied, and the trail has no {row.decision!r} by {row.decided_by!r} on item {row.review_id}"
    return Tampered(review_decisions.name, str(row.decision_id), why)


class _Groups:
    """Rows that come in the order of a key, by key; `skipped` is the first key that nobody asked for."""

    def __init__(self, rows: Iterable[RowMapping], key: str) -> None:
        self._groups = groupby(rows, key=lambda row: int(row[key]))
        self._next = next(self._groups, None)
        self.skipped: int | None = None

    def each(self, key: int | None) -> Iterator[RowMapping]:
        """The rows of a key that is larger than those before; of None: no more keys are asked for."""
        while self._next is not None and (key is None or self._next[0] < key):
            self.skipped = self._next[0] if self.skipped is None else self.skipped
            self._next = next(self._groups, None)
        if self._next is not None and self._next[0] == key:
            yield from self._next[1]
            self._next = next(self._groups, None)

    def of(self, key: int | None) -> list[RowMapping]:
        """The rows of `each`."""
        return list(self.each(key))


def _rows(connection: Connection, query: Select[Any]) -> Iterator[RowMapping]:
    # Options of the statement: those of a connection would stay.
    yield from connection.execute(query.execution_options(yield_per=_BATCH)).mappings()


def _entry(row: RowMapping) -> Entry:
    return Entry(*(row[name] for name in _EVENT))


_event_columns = [*(review_events.c[name] for name in _EVENT), review_events.c.hash]

_EVENTS = (
    select(
        *_event_columns,
        review_events.c.previous_hash,
        review.c.document_id,
        results.c.document_id.label("result_document_id"),
        *(results.c[name].label(f"result_{name}") for name in _RESULT),
        review_judgements.c.event_id.label("judgement_event_id"),
        *(review_judgements.c[name].label(f"judgement_{name}") for name in _JUDGEMENT),
    )
    .select_from(review_events)
    .outerjoin(review, review.c.review_id == review_events.c.review_id)
    .outerjoin(
        results, and_(results.c.document_id == review.c.document_id, results.c.fingerprint == review_events.c.hash)
    )
    .outerjoin(review_judgements, review_judgements.c.event_id == review_events.c.event_id)
    .order_by(review_events.c.event_id)
)

_EVENTS_BY_ITEM = select(*_event_columns).order_by(review_events.c.review_id, review_events.c.event_id)

_ERASED_ITEMS = select(review_events.c.review_id).where(review_events.c.event == Event.ERASED)

_ANSWERS = select(
    review_answers.c.event_id, review_answers.c.review_id, *(review_answers.c[name] for name in _ANSWER)
).order_by(review_answers.c.event_id)

_of_document = (results.c.document_id == review.c.document_id, results.c.is_current)

_ITEMS = select(
    *(
        review.c[name]
        for name in (
            *("review_id", "document_id", "version", "fingerprint", "reasons", "role", "run_id", "created_at"),
            *("status", "decided_by", "decided_at", "decision", "opinions", *trail.ITEM_VALUES),
        )
    ),
    select(func.count(results.c.fingerprint)).where(*_of_document).scalar_subquery().label("currents"),
    select(func.min(results.c.fingerprint)).where(*_of_document).scalar_subquery().label("current"),
).order_by(review.c.review_id)

_RESULT_WITHOUT_EVENT = (
    select(results.c.document_id, results.c.fingerprint, results.c.decided_by)
    .where(
        results.c.decided_by.is_not(None),
        ~exists().where(
            review.c.document_id == results.c.document_id,
            review_events.c.review_id == review.c.review_id,
            review_events.c.hash == results.c.fingerprint,
        ),
    )
    .order_by(results.c.created_at, results.c.document_id)
    .limit(1)
)

_is_known = exists().where(
    review_events.c.event_id == review_judgements.c.event_id, review_events.c.event == Event.JUDGED
)
_is_undone = exists().where(
    review_events.c.review_id == review_judgements.c.review_id,
    review_events.c.event == Event.UNDONE,
    review_events.c.content["undone"].as_integer() == review_judgements.c.event_id,
)

_WRONG_JUDGEMENT = (
    select(review_judgements.c.event_id, _is_known.label("is_known"))
    .where(or_(~_is_known, review_judgements.c.undone_at.is_(None) == _is_undone))
    .order_by(review_judgements.c.event_id)
    .limit(1)
)

_APPLIED_WITHOUT_EVENT = (
    select(*(review_decisions.c[name] for name in ("decision_id", "review_id", "decision", "decided_by")))
    .where(
        review_decisions.c.status == APPLIED,
        ~exists().where(
            review_events.c.review_id == review_decisions.c.review_id,
            review_events.c.actor == review_decisions.c.decided_by,
            review_events.c.content["action"].as_string() == func.lower(func.trim(review_decisions.c.decision)),
        ),
    )
    .order_by(review_decisions.c.decision_id)
    .limit(1)
)
