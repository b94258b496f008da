"""The figures of `winnow review stats` and of the dashboard, from counts and times that the database has."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate

from pydantic import Field

from blocks.records import Record
from blocks.review.audit import Share, share_of

AGES_H = (1, 4, 24, 72, 168)
"""Upper bounds of the groups of ages, in hours; the last group has no bound."""
CONFIDENCE_BOUNDS = tuple(step / 10 for step in range(1, 10))
"""Between the groups of confidences; 1 belongs to the last one."""


class Waiting(Record):
    """Open items of a kind and a role, and when the oldest of them was opened."""

    kind: str
    role: str
    items: int
    overdue: int
    oldest_at: datetime


class AgeGroup(Record):
    """Open items that wait for less than `below_h` hours and belong to no group before; None: all others."""

    below_h: int | None
    items: int
    overdue: int


class DayOfQueue(Record):
    """How many items were open at the end of a day in UTC; today: now."""

    day: date
    items: int


class Times(Record):
    """Seconds on the screen: how many were measured, their median, and what nine of ten need at most."""

    counted: int
    p50_s: float | None
    p90_s: float | None


class DayOfDecisions(Record):
    """How many items were decided on a day in UTC."""

    day: date
    decisions: int


class WeekOfReasons(Record):
    """For how many items, opened in the week from this Monday on, each reason was given."""

    monday: date
    reasons: dict[str, int]


class TypeAudit(Record):
    """What the audit says of the accepted rows of a type. `waiting` were drawn and are not decided yet."""

    document_type: str
    wrong: Share
    waiting: int


class TypeAgreement(Record):
    """How often the second of two persons came to the first one's result, on items of a type."""

    document_type: str
    agreement: Share


class Calibration(Record):
    """Of the values of a type whose confidence is from `low` up to below `high`: how many people left as they were.

    Only values that a person saw are in it: those of documents that came to review, and of the audit. `mean` is their
    mean confidence: where confidence is well calibrated, `right / counted` is near it.
    """

    document_type: str
    low: float
    high: float
    mean: float
    counted: int
    right: int


class ReviewStats(Record):
    """The state of the queue, and what people did on the last `days` days in UTC, today included."""

    days: int
    waiting: tuple[Waiting, ...]
    ages: tuple[AgeGroup, ...]
    sizes: tuple[DayOfQueue, ...]
    decisions: tuple[DayOfDecisions, ...]
    per_document: Times
    per_field: Times
    reasons: tuple[WeekOfReasons, ...]
    audits: tuple[TypeAudit, ...]
    agreement: Share
    agreements: tuple[TypeAgreement, ...]
    calibration: tuple[Calibration, ...]


class ConfidenceGroup(Record):
    """Values with a confidence of one group: how many, how many of them right, and the sum of their confidences."""

    counted: int = 0
    right: int = 0
    total: float = 0.0


class DayFigures(Record):
    """What happened on a day in UTC to the items of a type. Decisions that were taken back are not in it.

    `opened` and `closed` are items that became open and that ceased to be. Times are milliseconds on the screen.
    `groups` has the confidences by the number of their group.
    """

    opened: int = 0
    closed: int = 0
    decided: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    document_ms: tuple[int, ...] = ()
    field_ms: tuple[int, ...] = ()
    groups: dict[int, ConfidenceGroup] = Field(default_factory=dict)
    compared: int = 0
    agreed: int = 0


DaysOfTypes = Mapping[date, Mapping[str, DayFigures]]
"""The figures of days, by document type."""


def confidence_group(confidence: float) -> int:
    """The number of a confidence's group, from 0 to 9."""
    return bisect_right(CONFIDENCE_BOUNDS, confidence)


def sizes_of(open_now: int, days: Sequence[date], figures: DaysOfTypes) -> tuple[DayOfQueue, ...]:
    """The size of the queue at the end of each of the days, the last of which is today."""
    added = {day: sum(of_type.opened - of_type.closed for of_type in figures.get(day, {}).values()) for day in days}
    last_first = list(reversed(days))
    steps = accumulate((-added[day] for day in last_first[:-1]), initial=open_now)
    return tuple(DayOfQueue(day=day, items=items) for day, items in zip(last_first, steps, strict=True))[::-1]


def decisions_of(figures: DaysOfTypes) -> tuple[DayOfDecisions, ...]:
    """The days on which people decided."""
    counts = ((day, sum(of_type.decided for of_type in types.values())) for day, types in sorted(figures.items()))
    return tuple(DayOfDecisions(day=day, decisions=count) for day, count in counts if count)


def reasons_of(figures: DaysOfTypes) -> tuple[WeekOfReasons, ...]:
    """The reasons of each week that has any, the most frequent first."""
    weeks: dict[date, Counter[str]] = {}
    for day, types in figures.items():
        for of_type in types.values():
            if of_type.reasons:
                weeks.setdefault(day - timedelta(days=day.weekday()), Counter()).update(of_type.reasons)
    return tuple(WeekOfReasons(monday=monday, reasons=dict(weeks[monday].most_common())) for monday in sorted(weeks))


def agreements_of(figures: DaysOfTypes) -> tuple[TypeAgreement, ...]:
    """The agreement of two persons on items of each type that has any."""
    counts: dict[str, tuple[int, int]] = {}
    for types in figures.values():
        for name, of_type in types.items():
            agreed, compared = counts.get(name, (0, 0))
            counts[name] = agreed + of_type.agreed, compared + of_type.compared
    return tuple(
        TypeAgreement(document_type=name, agreement=share_of(agreed, compared))
        for name, (agreed, compared) in sorted(counts.items())
        if compared
    )


def all_agreements(agreements: Iterable[TypeAgreement]) -> Share:
    """The agreement over all types."""
    shares = [of_type.agreement for of_type in agreements]
    return share_of(sum(share.hits for share in shares), sum(share.counted for share in shares))


def calibration_of(figures: DaysOfTypes) -> tuple[Calibration, ...]:
    """The groups of confidences of each type that have a value."""
    sums: dict[tuple[str, int], list[ConfidenceGroup]] = {}
    for types in figures.values():
        for name, of_type in types.items():
            for number, group in of_type.groups.items():
                sums.setdefault((name, number), []).append(group)
    bounds = (0.0, *CONFIDENCE_BOUNDS, 1.0)
    return tuple(
        Calibration(
            document_type=name,
            low=bounds[number],
            high=bounds[number + 1],
            mean=round(sum(group.total for group in groups) / sum(group.counted for group in groups), 4),
            counted=sum(group.counted for group in groups),
            right=sum(group.right for group in groups),
        )
        for (name, number), groups in sorted(sums.items())
    )


def times_of(milliseconds: Iterable[int]) -> Times:
    """The times of those that were measured: 0 says that a decision came without a screen."""
    measured = sorted(filter(None, milliseconds))
    return Times(counted=len(measured), p50_s=_quantile(measured, 0.5), p90_s=_quantile(measured, 0.9))


def _quantile(milliseconds: Sequence[int], share: float) -> float | None:
    """The quantile of sorted values, linear between two of them."""
    if not milliseconds:
        return None
    position = share * (len(milliseconds) - 1)
    below = int(position)
    above = min(below + 1, len(milliseconds) - 1)
    between = milliseconds[below] + (milliseconds[above] - milliseconds[below]) * (position - below)
    return round(between / 1000, 2)


def reason_code(reason: str) -> str:
    """The reason without its detail, which may repeat a document's text."""
    return reason.partition(":")[0]
