"""When people hear that an item waits: at half of its time, when it is due, and again and again after that.

Levels are numbers: 1 is the reminder, 2 the escalation at the due time, 3 and more repeat it. An item's level only
rises, and every time is computed from the item's own times. So a clock that is set back repeats no level, a clock that
is set forward brings a level early, and a scheduler that was away for hours catches up with one notice.
"""

from dataclasses import dataclass
from datetime import datetime

from blocks.document_types.review_rules import BusinessHours
from blocks.review.due_times import business_minutes, due_time

REMINDER, ESCALATION = 1, 2


@dataclass(frozen=True, slots=True)
class Schedule:
    """What an item's notices follow from. `again_minutes`, like the due time, counts business `hours` if there are."""

    opened_at: datetime
    due_at: datetime
    again_minutes: float
    hours: BusinessHours | None = None

    def time_of(self, level: int) -> datetime:
        """When the notice of this level is due."""
        if level == REMINDER:
            return half_time(self.opened_at, self.due_at, self.hours)
        if level == ESCALATION:
            return self.due_at
        return due_time(self.due_at, (level - ESCALATION) * self.again_minutes, self.hours)

    def level_at(self, at: datetime) -> int:
        """The highest level that is due at a time; 0 before half of the item's time."""
        if at < self.due_at:
            return REMINDER if at >= self.time_of(REMINDER) else 0
        level = ESCALATION + int(business_minutes(self.due_at, at, self.hours) // self.again_minutes)
        return level + 1 if self.time_of(level + 1) <= at else level


@dataclass(frozen=True, slots=True)
class Step:
    """What an item's schedule asks for: the level to record now, if any, and when to look again."""

    level: int | None
    next_at: datetime


def next_step(schedule: Schedule, last_level: int, at: datetime) -> Step:
    """The step after `last_level`. Levels that were passed meanwhile are passed over: one notice says it all."""
    reached = max(schedule.level_at(at), last_level)
    return Step(reached if reached > last_level else None, schedule.time_of(reached + 1))


def half_time(opened_at: datetime, due_at: datetime, hours: BusinessHours | None) -> datetime:
    """When half of the time between the opening of an item and its due time has passed."""
    return due_time(opened_at, business_minutes(opened_at, due_at, hours) / 2, hours)
