"""Due times in business hours, over nights, weekends and changes of daylight saving."""

from datetime import UTC, datetime, time

import pytest

from blocks.document_types.review_rules import BusinessHours
from blocks.review.due_times import business_minutes, due_time

BERLIN = BusinessHours(timezone="Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("opened", "minutes", "due"),
    [
        ("2026-11-02T08:00", 60, "2026-11-02T09:00"),  # Monday 9:00 in Berlin
        ("2026-11-02T15:30", 60, "2026-11-03T08:30"),  # half an hour before they close
        ("2026-11-06T15:30", 60, "2026-11-09T08:30"),  # over the weekend
        ("2026-11-07T12:00", 30, "2026-11-09T08:30"),  # opened on Saturday
        ("2026-11-02T03:00", 480, "2026-11-02T16:00"),  # before they open: until they close
        ("2026-10-23T14:30", 60, "2026-10-26T08:30"),  # the clock went back on the Sunday between
        ("2026-03-27T15:30", 60, "2026-03-30T07:30"),  # the clock went forward
    ],
)
def test_minutes_of_business_hours(opened: str, minutes: int, due: str) -> None:
    assert due_time(at(opened), minutes, BERLIN) == at(due)
    assert business_minutes(at(opened), at(due), BERLIN) == minutes


def test_without_hours_the_clock_counts() -> None:
    assert due_time(at("2026-11-06T15:30"), 60) == at("2026-11-06T16:30")
    assert business_minutes(at("2026-11-06T15:30"), at("2026-11-07T15:30")) == 1440


def test_a_night_shift_of_one_day() -> None:
    hours = BusinessHours(days=("sat",), opens=time(22), closes=time(23), timezone="America/New_York")
    assert due_time(at("2026-11-02T00:00"), 90, hours) == at("2026-11-15T03:30")
