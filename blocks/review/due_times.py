"""When an item is due: minutes of business hours, or of the clock where a type has no hours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from blocks.document_types.review_rules import BusinessHours

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def due_time(opened_at: datetime, minutes: float, hours: BusinessHours | None = None) -> datetime:
    """The time, in UTC, when `minutes` of business hours have passed since `opened_at`.

    Hours are those of the wall clock in the hours' time zone; a change of daylight saving makes a day's hours as long
    as they are.
    """
    left = timedelta(minutes=minutes)
    if hours is None:
        return opened_at + left
    for opens, closes in _open_spans(opened_at, hours):
        if opens + left <= closes:
            return opens + left
        left -= closes - opens
    raise AssertionError("business hours go on for ever")


def business_minutes(start: datetime, end: datetime, hours: BusinessHours | None = None) -> float:
    """How many minutes of business hours lie between two times; negative if `end` is the earlier one."""
    if hours is None or end <= start:
        return (end - start).total_seconds() / 60
    total = timedelta()
    for opens, closes in _open_spans(start, hours):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return total.total_seconds() / 60


def _open_spans(start: datetime, hours: BusinessHours) -> Iterator[tuple[datetime, datetime]]:
    """The spans of business hours from `start` on, in UTC."""
    zone = ZoneInfo(hours.timezone)
    day: date = start.astimezone(zone).date()
    while True:
        if _DAYS[day.weekday()] in hours.days:
            opens = datetime.combine(day, hours.opens, zone).astimezone(UTC)
            closes = datetime.combine(day, hours.closes, zone).astimezone(UTC)
            if closes > start:
                yield max(opens, start), closes
        day += timedelta(days=1)
