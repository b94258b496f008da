"""What happened in review on each day, counted once.

Events are never changed, and a decision can be taken back for seconds only. So the figures of a day that is over are
final: they are kept in `review_days`, and only the days since are counted anew. An item counts under the type that it
has when its day is counted. The table holds nothing that cannot be counted again: a migration that changes what is
counted empties it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    not_,
    select,
    true,
)

from blocks.database.clock import as_date, utc_day
from blocks.database.engine import Database
from blocks.database.review.tables import review, review_answers, review_days, review_events
from blocks.review.records import Event
from blocks.review.statistics import ConfidenceGroup, DayFigures, DaysOfTypes, confidence_group

FINAL_AFTER = timedelta(hours=1)
"""A day is counted for good when it has been over for so long: no transaction takes longer."""
DAYS_AT_ONCE = 7
"""So many days are counted in a pass, which holds their times in memory."""

_event = review_events.c


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which events are counted, by which day; `stands`: those that nobody took back."""

    day: ColumnElement[Any]
    period: tuple[ColumnElement[bool], ...]
    stands: ColumnElement[bool]


def load_days(
    database: Database, connection: Connection, days: Sequence[date], at: datetime
) -> tuple[DaysOfTypes, DaysOfTypes]:
    """The figures of consecutive days, the last of which is that of `at`; and those of them that are to be kept."""
    began = connection.execute(_FIRST_EVENT).scalar_one_or_none()
    kept: dict[date, Mapping[str, DayFigures]] = {}
    kept |= {day: {} for day in days if began is None or day < began.astimezone(UTC).date()}
    kept |= _kept(connection, days[0])
    found, final = dict(kept), dict[date, Mapping[str, DayFigures]]()
    for first, last in _ranges([day for day in days if day not in kept]):
        counted = _count(database, connection, first, last)
        found |= counted
        final |= {day: types for day, types in counted.items() if at - start_of(day + timedelta(days=1)) >= FINAL_AFTER}
    return found, final


_FIRST_EVENT = select(func.min(_event.happened_at)).where(_event.event == Event.OPENED)
"""When the first item was opened. No item has an earlier event, and an index has these times in their order."""


def keep_days(database: Database, final: DaysOfTypes) -> None:
    """Keep figures of days. Who else counted the same days came to the same figures."""
    rows = [
        {"day": day.isoformat(), "figures": {name: of_type.model_dump(mode="json") for name, of_type in types.items()}}
        for day, types in final.items()
    ]
    with database.write() as connection:
        connection.execute(database.insert(review_days).on_conflict_do_nothing(), rows)


def _kept(connection: Connection, first: date) -> dict[date, Mapping[str, DayFigures]]:
    query = select(review_days.c.day, review_days.c.figures).where(review_days.c.day >= first.isoformat())
    return {
        date.fromisoformat(day): {name: DayFigures.model_validate(of_type) for name, of_type in figures.items()}
        for day, figures in connection.execute(query)
    }


def _ranges(days: Collection[date]) -> Iterator[tuple[date, date]]:
    """First and last day of each row of consecutive days, `DAYS_AT_ONCE` at most."""
    row: list[date] = []
    for day in sorted(days):
        if row and (day - row[-1] > timedelta(days=1) or len(row) == DAYS_AT_ONCE):
            yield row[0], row[-1]
            row = []
        row.append(day)
    if row:
        yield row[0], row[-1]


def start_of(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(day, datetime.min.time(), UTC)


def _count(database: Database, connection: Connection, first: date, last: date) -> dict[date, dict[str, DayFigures]]:
    until = start_of(last + timedelta(days=1))
    since, day = start_of(first), utc_day(database, _event.happened_at).label("day")
    scope = _Scope(day, (_event.happened_at >= since, _event.happened_at < until), _stands(since))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found: dict[date, defaultdict[str, dict[str, Any]]] = {day: defaultdict(dict) for day in days}
    for read in (_changes, _reasons, _document_times, _answers, _agreement):
        for of_day, document_type, values in read(database, connection, scope):
            found[as_date(of_day)][document_type] |= values
    return {
        day: {name: DayFigures.model_validate(values) for name, values in types.items()} for day, types in found.items()
    }


_Found = Iterator[tuple[object, str, dict[str, Any]]]
"""Day, document type, and values of `DayFigures`."""


def _changes(database: Database, connection: Connection, scope: _Scope) -> _Found:
    """How many items became open, ceased to be, and were decided."""
    opened = _event.event.in_([Event.OPENED, Event.REOPENED])
    decided = and_(_event.event == Event.DECIDED, scope.stands)
    closed_by_run = and_(
        _event.event == Event.SUPERSEDED,  # a run that reopens may supersede a decided item too
        _before(Event.OPENED, Event.REOPENED, Event.DECIDED) != Event.DECIDED,
    )
    query = (
        select(scope.day, review.c.document_type, *(func.sum(case((is_it, 1), else_=0)) for is_it in (opened, decided)))
        .add_columns(func.sum(case((closed_by_run, 1), else_=0)))
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .where(_event.event.in_([Event.OPENED, Event.REOPENED, Event.DECIDED, Event.SUPERSEDED]), *scope.period)
        .group_by(scope.day, review.c.document_type)
    )
    for of_day, name, opened_count, decided_count, closed_count in connection.execute(query).all():
        values = {"opened": opened_count, "decided": decided_count, "closed": decided_count + closed_count}
        yield of_day, name, values


def _reasons(database: Database, connection: Connection, scope: _Scope) -> _Found:
    """How many items were opened with each reason."""
    if database.is_sqlite:
        reasons = func.json_each(_event.content, "$.reasons").table_valued("value", name="reason")
        code: ColumnElement[str] = func.substr(reasons.c.value, 1, func.instr(reasons.c.value.op("||")(":"), ":") - 1)
    else:
        reasons = func.json_array_elements_text(_event.content["reasons"]).table_valued("value", name="reason")
        code = func.split_part(reasons.c.value, ":", 1)
    query = (
        select(scope.day, review.c.document_type, code, func.count(_event.event_id.distinct()))
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .join(reasons, true())
        .where(_event.event == Event.OPENED, *scope.period)
        .group_by(scope.day, review.c.document_type, code)
    )
    found: defaultdict[tuple[object, str], dict[str, int]] = defaultdict(dict)
    for of_day, name, reason, count in connection.execute(query).all():
        found[of_day, name][reason] = count
    for (of_day, name), counts in found.items():
        yield of_day, name, {"reasons": counts}


def _document_times(database: Database, connection: Connection, scope: _Scope) -> _Found:
    """The times of documents; 0 says that a decision came without a screen."""
    shown_ms = _event.content["shown_ms"].as_integer()
    query = (
        select(scope.day, review.c.document_type, shown_ms)
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .where(_event.event == Event.DECIDED, shown_ms > 0, scope.stands, *scope.period)
    )
    found = defaultdict(list)
    for of_day, name, of_document_ms in connection.execute(query).all():
        found[of_day, name].append(of_document_ms)
    for (of_day, name), times in found.items():
        yield of_day, name, {"document_ms": sorted(times)}


def _answers(database: Database, connection: Connection, scope: _Scope) -> _Found:
    """The times of fields, and whether values were right: stored as they were shown. Both are JSON of one writer."""
    answer = review_answers.c
    as_text = [func.coalesce(cast(value, Text), "null") for value in (answer.shown, answer.decided)]
    query = (
        select(scope.day, review.c.document_type, answer.shown_ms, answer.confidence, as_text[0] == as_text[1])
        .join_from(review_answers, review_events, _event.event_id == answer.event_id)
        .join(review, review.c.review_id == _event.review_id)
        .where(_event.event.in_([Event.DECIDED, Event.SEEN_ONCE, Event.DISAGREED]), scope.stands, *scope.period)
    )
    times: defaultdict[tuple[object, str], list[int]] = defaultdict(list)
    groups: defaultdict[tuple[object, str], dict[int, list[float]]] = defaultdict(dict)
    for of_day, name, shown_ms, confidence, is_right in connection.execute(query).all():
        if shown_ms > 0:
            times[of_day, name].append(shown_ms)
        if confidence is not None:
            sums = groups[of_day, name].setdefault(confidence_group(confidence), [0, 0, 0.0])
            for number, added in enumerate((1, is_right, confidence)):
                sums[number] += added
    for (of_day, name), measured in times.items():
        yield of_day, name, {"field_ms": sorted(measured)}
    for (of_day, name), by_number in groups.items():
        of_numbers = {
            number: ConfidenceGroup(counted=int(counted), right=int(right), total=round(total, 6))
            for number, (counted, right, total) in by_number.items()
        }
        yield of_day, name, {"groups": of_numbers}


def _agreement(database: Database, connection: Connection, scope: _Scope) -> _Found:
    """How often a second person decided, and came to the first one's result.

    A new version of the item between the two makes the first decision void.
    """
    seen_once = review_events.alias().c
    is_of_two = _event.review_id.in_(select(seen_once.review_id).where(seen_once.event == Event.SEEN_ONCE))
    first = _before(Event.SEEN_ONCE, Event.DECIDED, Event.DISAGREED, Event.UPDATED, Event.REOPENED)
    agreed = func.sum(case((_event.event == Event.DECIDED, 1), else_=0))
    query = (
        select(scope.day, review.c.document_type, func.count(), agreed)
        .join_from(review_events, review, review.c.review_id == _event.review_id)
        .where(
            _event.event.in_([Event.DECIDED, Event.DISAGREED]),
            is_of_two,
            first == Event.SEEN_ONCE,
            scope.stands,
            *scope.period,
        )
        .group_by(scope.day, review.c.document_type)
    )
    for of_day, name, compared, agreed_count in connection.execute(query).all():
        yield of_day, name, {"compared": compared, "agreed": agreed_count}


def _stands(since: datetime) -> ColumnElement[bool]:
    """Whether nobody took the event back, which happened since this time."""
    later = review_events.alias().c
    undone = later.content["undone"].as_integer()
    query = select(undone).where(later.event == Event.UNDONE, later.happened_at >= since, undone.is_not(None))
    return _event.event_id.not_in(query)


def _before(*kinds: Event) -> ScalarSelect[str]:
    """The last event of these kinds of the item before the event, of those that stand; null where there is none."""
    earlier, later = review_events.alias().c, review_events.alias().c
    is_undone = (
        exists()
        .where(later.review_id == earlier.review_id, later.event == Event.UNDONE)
        .where(later.content["undone"].as_integer() == earlier.event_id)
    )
    return (
        select(earlier.event)
        .where(earlier.review_id == _event.review_id, earlier.event_id < _event.event_id, earlier.event.in_(kinds))
        .where(not_(is_undone))
        .order_by(earlier.event_id.desc())
        .limit(1)
        .correlate(review_events)
        .scalar_subquery()
    )
