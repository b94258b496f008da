"""Each level exactly once, whatever the clock does."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest

from blocks.document_types.review_rules import BusinessHours
from blocks.review.due_times import due_time
from blocks.review.escalation import ESCALATION, REMINDER, Schedule, half_time, next_step

BERLIN = BusinessHours(timezone="Europe/Berlin")
NIGHT = BusinessHours(days=("sat", "sun"), opens=time(1), closes=time(4), timezone="Europe/Berlin")
POLL = timedelta(minutes=5)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(opened: str, minutes: float, hours: BusinessHours | None = None, again: float = 480) -> Schedule:
    opened_at = at(opened)
    return Schedule(opened_at, due_time(opened_at, minutes, hours), again, hours)


def notices(plan: Schedule, clock: Iterator[datetime] | list[datetime]) -> list[tuple[int, datetime]]:
    """The levels that a scheduler with this clock records, as the database does: at `next_at` at the earliest."""
    level, next_at, recorded = 0, half_time(plan.opened_at, plan.due_at, plan.hours), []
    for now in clock:
        if now < next_at:
            continue
        step = next_step(plan, level, now)
        next_at = step.next_at
        if step.level is not None:
            level = step.level
            recorded.append((level, now))
    return recorded


def ticks(start: datetime, end: datetime, every: timedelta = POLL) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += every


def test_half_of_the_time_is_half_of_the_business_hours() -> None:
    friday = at("2026-11-06T15:00")  # an hour before they close
    due = due_time(friday, 240, BERLIN)
    assert due == at("2026-11-09T11:00")
    assert half_time(friday, due, BERLIN) == at("2026-11-09T09:00")
    assert half_time(friday, due, None) == friday + (due - friday) / 2


@pytest.mark.parametrize(
    ("now", "level"),
    [
        ("2026-11-02T08:59", 0),
        ("2026-11-02T09:00", REMINDER),
        ("2026-11-02T09:59", REMINDER),
        ("2026-11-02T10:00", ESCALATION),
        ("2026-11-03T09:59", ESCALATION),
        ("2026-11-03T10:00", 3),
        ("2026-11-03T23:00", 3),
        ("2026-11-06T10:00", 6),
        ("2026-11-08T10:00", 6),
        ("2026-11-09T10:00", 7),
    ],
)
def test_levels_of_an_item_in_business_hours(now: str, level: int) -> None:
    assert schedule("2026-11-02T08:00", 120, BERLIN).level_at(at(now)) == level


def test_every_level_is_recorded_once_and_not_before_its_time() -> None:
    plan = schedule("2026-11-02T08:00", 120, BERLIN)
    recorded = notices(plan, ticks(plan.opened_at, plan.due_at + timedelta(days=21)))
    assert [level for level, _ in recorded] == list(range(1, len(recorded) + 1))
    assert len(recorded) == 2 + 15, "a repetition on each of the 15 working days"
    assert all(timedelta(0) <= now - plan.time_of(level) < POLL for level, now in recorded)


@pytest.mark.parametrize("opened", ["2026-10-23T14:00", "2026-10-25T00:30", "2026-03-27T15:00", "2026-03-29T00:30"])
@pytest.mark.parametrize("hours", [BERLIN, NIGHT, None], ids=["day", "night of the change", "always"])
def test_daylight_saving_repeats_no_level(opened: str, hours: BusinessHours | None) -> None:
    plan = schedule(opened, 90, hours, again=60)
    recorded = [level for level, _ in notices(plan, ticks(plan.opened_at, plan.due_at + timedelta(days=9)))]
    assert recorded == list(range(1, recorded[-1] + 1))
    assert len(recorded) > 5


def test_clocks_that_jump_repeat_no_level() -> None:
    """An hour back or forward, again and again, at random: the levels still rise by one, each once."""
    chance = random.Random(9)
    for _ in range(200):
        plan = schedule("2026-10-23T12:00", chance.choice([10, 60, 600]), chance.choice([BERLIN, None]), again=240)
        offset, clock = timedelta(), []
        for now in ticks(plan.opened_at, plan.due_at + timedelta(days=4)):
            if chance.random() < 0.02:
                offset = timedelta(hours=chance.choice([-1, 0, 1]))
            clock.append(now + offset)
        levels = [level for level, _ in notices(plan, clock)]
        assert levels == sorted(set(levels)), "no level twice, and none after a higher one"
        assert ESCALATION in levels


def test_a_scheduler_that_was_away_records_the_highest_level_alone() -> None:
    plan = schedule("2026-11-02T08:00", 120)
    back = plan.due_at + timedelta(minutes=481)
    assert notices(plan, [back, back + POLL]) == [(3, back)]
    assert next_step(plan, 3, back).next_at == plan.due_at + timedelta(minutes=960)


def test_nothing_is_recorded_before_half_of_the_time_or_below_the_last_level() -> None:
    plan = schedule("2026-11-02T08:00", 120)
    assert next_step(plan, 0, plan.opened_at).level is None
    assert next_step(plan, 0, plan.opened_at).next_at == at("2026-11-02T09:00")
    step = next_step(plan, 4, plan.opened_at)
    assert (step.level, step.next_at) == (None, plan.time_of(5))


def test_an_item_that_is_due_at_once_is_escalated_without_a_reminder() -> None:
    plan = schedule("2026-11-02T08:00", 0)
    assert next_step(plan, 0, plan.opened_at).level == ESCALATION
