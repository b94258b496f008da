"""The figures of the dashboard over time: how long items wait, how the queue grows, and what a confidence is worth."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate

from blocks.records import Record

AGES_H = (1, 4, 24, 72, 168)
"""Upper bounds of the groups of ages, in hours; the last group has no bound."""
CONFIDENCE_STEPS = 10


class AgeGroup(Record):
    """Open items that wait for less than `below_h` hours and belong to no group before; None: all others."""

    below_h: int | None
    items: int
    overdue: int


class DayOfQueue(Record):
    """How many items were open at the end of a day in UTC; today: now."""

    day: date
    items: int


class Calibration(Record):
    """Of the fields of a type whose confidence is from `low` up to below `high`: how many people left as they were.

    `mean` is their mean confidence: where confidence is well calibrated, `right / counted` is near it.
    """

    document_type: str
    low: float
    high: float
    mean: float
    counted: int
    right: int


class ReviewTrends(Record):
    """What the dashboard draws beside the figures of `ReviewStats`."""

    ages: tuple[AgeGroup, ...]
    sizes: tuple[DayOfQueue, ...]
    calibration: tuple[Calibration, ...]


def sizes_of(open_now: int, changes: Mapping[date, int], today: date, days: int) -> tuple[DayOfQueue, ...]:
    """The size of the queue on each of the last `days`, from today's and what each day added to it."""
    last_first = [today - timedelta(days=back) for back in range(days)]
    steps = accumulate((-changes.get(day, 0) for day in last_first[:-1]), initial=open_now)
    return tuple(DayOfQueue(day=day, items=items) for day, items in zip(last_first, steps, strict=True))[::-1]


def calibration_of(document_type: str, step: int, counted: int, right: int, mean: float) -> Calibration:
    """A group of confidences by its number, from 0 to 9."""
    width = 1 / CONFIDENCE_STEPS
    return Calibration(
        document_type=document_type,
        low=round(step * width, 2),
        high=round((step + 1) * width, 2),
        mean=round(mean, 4),
        counted=counted,
        right=right,
    )
