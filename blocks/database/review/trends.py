"""The counts behind the dashboard's pictures. A decision that its person took back does not count."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, case, cast, func, select

from blocks.database.clock import as_date, database_time, utc_day
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.tables import review, review_answers, review_events
from blocks.review.records import Event, ItemStatus
from blocks.review.trends import (
    AGES_H,
    CONFIDENCE_STEPS,
    AgeGroup,
    Calibration,
    DayOfQueue,
    ReviewTrends,
    calibration_of,
    sizes_of,
)

_OPENS = {Event.OPENED: 1, Event.REOPENED: 1, Event.UNDONE: 1, Event.DECIDED: -1, Event.SUPERSEDED: -1}
"""What an event adds to the open items."""


@survives_outages
def review_trends(database: Database, *, days: int, document_type: str | None = None) -> ReviewTrends:
    """The figures of the last `days` days, of all items or of those of a type."""
    with database.read() as connection:
        at = database_time(connection)
        of_type = [review.c.document_type == document_type] if document_type is not None else []
        since = at - timedelta(days=days)
        return ReviewTrends(
            ages=_ages(connection, of_type, at),
            sizes=_sizes(database, connection, of_type, at, days),
            calibration=_calibration(connection, [review_events.c.happened_at >= since, *of_type]),
        )


def _ages(connection: Connection, of_type: list[ColumnElement[bool]], at: datetime) -> tuple[AgeGroup, ...]:
    bounds = [(review.c.created_at > at - timedelta(hours=hours), number) for number, hours in enumerate(AGES_H)]
    group = case(*bounds, else_=len(AGES_H)).label("age")
    is_overdue = case((review.c.due_at < at, 1), else_=0)
    query = select(group, func.count(), func.sum(is_overdue)).where(review.c.status == ItemStatus.OPEN, *of_type)
    found = {number: (items, overdue) for number, items, overdue in connection.execute(query.group_by(group))}
    return tuple(
        AgeGroup(below_h=hours, items=found.get(number, (0, 0))[0], overdue=found.get(number, (0, 0))[1])
        for number, hours in enumerate((*AGES_H, None))
    )


def _sizes(
    database: Database, connection: Connection, of_type: list[ColumnElement[bool]], at: datetime, days: int
) -> tuple[DayOfQueue, ...]:
    event, today = review_events.c, at.astimezone(UTC).date()
    first = datetime.combine(today - timedelta(days=days - 1), datetime.min.time(), UTC)
    day = utc_day(database, event.happened_at).label("day")
    query = (
        select(day, event.event, func.count())
        .where(event.event.in_(list(_OPENS)), event.happened_at >= first)
        .group_by(day, event.event)
    )
    if of_type:
        query = query.join_from(review_events, review, review.c.review_id == event.review_id).where(*of_type)
    changes: Counter[date] = Counter()
    for of_day, name, count in connection.execute(query):
        changes[as_date(of_day)] += _OPENS[Event(name)] * count
    open_now = select(func.count()).select_from(review).where(review.c.status == ItemStatus.OPEN, *of_type)
    return sizes_of(connection.execute(open_now).scalar_one(), changes, today, days)


def _calibration(connection: Connection, period: list[ColumnElement[bool]]) -> tuple[Calibration, ...]:
    """Fields that a person saw: right is what was stored as it was shown. Both are JSON of one writer."""
    answer, event = review_answers.c, review_events.c
    step = _step(answer.confidence)
    as_text = [func.coalesce(cast(value, Text), "null") for value in (answer.shown, answer.decided)]
    is_right = case((as_text[0] == as_text[1], 1), else_=0)
    undone = select(event.content["undone"].as_integer()).where(event.event == Event.UNDONE)
    query = (
        select(
            review.c.document_type,
            step.label("step"),
            func.count(),
            func.sum(is_right),
            func.avg(answer.confidence),
        )
        .join_from(review_answers, review_events, event.event_id == answer.event_id)
        .join(review, review.c.review_id == event.review_id)
        .where(
            answer.confidence.is_not(None),
            event.event.in_([Event.DECIDED, Event.SEEN_ONCE, Event.DISAGREED]),
            event.event_id.not_in(undone),
            *period,
        )
        .group_by(review.c.document_type, step)
        .order_by(review.c.document_type, step)
    )
    return tuple(
        calibration_of(name, number, counted, right, mean)
        for name, number, counted, right, mean in connection.execute(query)
    )


def _step(confidence: ColumnElement[float]) -> ColumnElement[int]:
    """The group of a confidence; 1 belongs to the last one."""
    bounds = [(confidence < (number + 1) / CONFIDENCE_STEPS, number) for number in range(CONFIDENCE_STEPS - 1)]
    return case(*bounds, else_=CONFIDENCE_STEPS - 1)
