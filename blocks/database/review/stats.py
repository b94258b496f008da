"""The counts and times behind the figures of review. A decision that its person took back does not count."""

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select, true

from blocks.database.clock import as_date, database_time, utc_day
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.tables import review, review_answers, review_events
from blocks.review.audit import AuditedRow, Share, share_of, wrong_share
from blocks.review.records import Action, Event, ItemKind, ItemStatus
from blocks.review.statistics import (
    DayOfDecisions,
    ReviewStats,
    TypeAudit,
    Waiting,
    WeekOfReasons,
    times_of,
)

_event = review_events.c


@survives_outages
def review_stats(database: Database, *, days: int, document_type: str | None = None) -> ReviewStats:
    """The figures of the last `days` days, of all items or of those of a type."""
    with database.read() as connection:
        at = database_time(connection)
        of_type = [review.c.document_type == document_type] if document_type is not None else []
        period = [_event.happened_at >= at - timedelta(days=days), *of_type]
        undone = set(connection.execute(_of_events([_undone], Event.UNDONE, period)).scalars())
        columns = [_event.event_id, utc_day(database, _event.happened_at), _shown_ms]
        decided = [r for r in connection.execute(_of_events(columns, Event.DECIDED, period)) if r[0] not in undone]
        by_day = Counter(day for _, day, _ in decided)
        return ReviewStats(
            days=days,
            waiting=_waiting(connection, of_type, at),
            decisions=tuple(DayOfDecisions(day=as_date(day), decisions=count) for day, count in sorted(by_day.items())),
            per_document=times_of([shown_ms or 0 for _, _, shown_ms in decided]),
            per_field=times_of(_field_times(connection, period, undone)),
            reasons=_reasons(database, connection, period),
            audits=_audits(connection, of_type, at - timedelta(days=days)),
            agreement=_agreement(connection, period),
        )


def _of_events(columns: list[ColumnElement[Any]], event: Event, period: list[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(*columns)
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .where(_event.event == event, *period)
        .order_by(_event.event_id)
    )


_undone = _event.content["undone"].as_integer()
_shown_ms = _event.content["shown_ms"].as_integer()


def _waiting(connection: Connection, of_type: list[ColumnElement[bool]], at: datetime) -> tuple[Waiting, ...]:
    is_overdue = case((review.c.due_at < at, 1), else_=0)
    query = (
        select(review.c.kind, review.c.role, func.count(), func.sum(is_overdue), func.min(review.c.created_at))
        .where(review.c.status == ItemStatus.OPEN, *of_type)
        .group_by(review.c.kind, review.c.role)
        .order_by(review.c.kind, review.c.role)
    )
    return tuple(
        Waiting(kind=kind, role=role, items=items, overdue=overdue, oldest_at=oldest_at.astimezone(UTC))
        for kind, role, items, overdue, oldest_at in connection.execute(query)
    )


def _field_times(connection: Connection, period: list[ColumnElement[bool]], undone: Collection[int]) -> list[int]:
    query = (
        select(review_answers.c.event_id, review_answers.c.shown_ms)
        .join_from(review_answers, review_events, _event.event_id == review_answers.c.event_id)
        .join(review, review.c.review_id == _event.review_id)
        .where(review_answers.c.shown_ms > 0, *period)
    )
    return [shown_ms for event_id, shown_ms in connection.execute(query) if event_id not in undone]


def _reasons(
    database: Database, connection: Connection, period: list[ColumnElement[bool]]
) -> tuple[WeekOfReasons, ...]:
    """How many items were opened with each reason. The database counts: there may be very many."""
    if database.is_sqlite:
        reasons = func.json_each(_event.content, "$.reasons").table_valued("value", name="reason")
        code: ColumnElement[str] = func.substr(reasons.c.value, 1, func.instr(reasons.c.value.op("||")(":"), ":") - 1)
    else:
        reasons = func.json_array_elements_text(_event.content["reasons"]).table_valued("value", name="reason")
        code = func.split_part(reasons.c.value, ":", 1)
    day = utc_day(database, _event.happened_at)
    query = (
        select(day, code, func.count(_event.event_id.distinct()))
        .select_from(review_events)
        .join(review, review.c.review_id == _event.review_id)
        .join(reasons, true())
        .where(_event.event == Event.OPENED, *period)
        .group_by(day, code)
        .order_by(day, code)
    )
    weeks: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for of_day, name, count in connection.execute(query):
        day_ = as_date(of_day)
        weeks[day_ - timedelta(days=day_.weekday())][name] += count
    return tuple(WeekOfReasons(monday=monday, reasons=dict(weeks[monday].most_common())) for monday in sorted(weeks))


def _audits(connection: Connection, of_type: list[ColumnElement[bool]], since: datetime) -> tuple[TypeAudit, ...]:
    """Per type the audited rows: wrong is what the person rejected, gave another type, or corrected."""
    is_audit = (review.c.kind == ItemKind.AUDIT, *of_type)
    last = (
        select(_event.review_id, func.max(_event.event_id).label("event_id"))
        .where(_event.event == Event.DECIDED)
        .group_by(_event.review_id)
    ).subquery()
    query = (
        select(
            *(review.c[name] for name in ("review_id", "document_type", "drawn_with", "decision")),
            review_answers.c.shown,
            review_answers.c.decided,
        )
        .join_from(review, last, last.c.review_id == review.c.review_id)
        .outerjoin(review_answers, review_answers.c.event_id == last.c.event_id)
        .where(review.c.status == ItemStatus.DECIDED, review.c.decided_at >= since, *is_audit)
    )
    types: dict[int, str] = {}
    rows: dict[int, AuditedRow] = {}
    for review_id, document_type, drawn_with, decision, shown, decided in connection.execute(query):
        has_values = decision["action"] in {Action.ACCEPT, Action.CORRECT}
        was_wrong = review_id in rows and rows[review_id].is_wrong
        types[review_id] = document_type
        rows[review_id] = AuditedRow(drawn_with, is_wrong=was_wrong or not has_values or shown != decided)
    open_ones = select(review.c.document_type, func.count()).where(review.c.status == ItemStatus.OPEN, *is_audit)
    waiting = dict(connection.execute(open_ones.group_by(review.c.document_type)).tuples().all())
    return tuple(
        TypeAudit(
            document_type=name,
            wrong=wrong_share([row for review_id, row in rows.items() if types[review_id] == name]),
            waiting=waiting.get(name, 0),
        )
        for name in sorted({*types.values(), *waiting})
    )


def _agreement(connection: Connection, period: list[ColumnElement[bool]]) -> Share:
    """How often the second of two persons came to the first's result."""
    query = (
        select(_event.review_id, _event.event)
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .where(_event.event.in_([Event.SEEN_ONCE, Event.DECIDED, Event.DISAGREED, Event.UPDATED]), *period)
        .order_by(_event.event_id)
    )
    has_first: set[int] = set()
    agreed = counted = 0
    for review_id, event in connection.execute(query):
        if event == Event.SEEN_ONCE:
            has_first.add(review_id)
        elif review_id in has_first:
            has_first.remove(review_id)
            counted += event != Event.UPDATED  # a new version: the first decision does not count
            agreed += event == Event.DECIDED
    return share_of(agreed, counted)
