"""The figures of `winnow review stats` and of the dashboard, from counts and times that the database has."""

from collections.abc import Sequence
from datetime import date, datetime

from blocks.records import Record
from blocks.review.audit import Share


class Waiting(Record):
    """Open items of a kind and a role, and when the oldest of them was opened."""

    kind: str
    role: str
    items: int
    overdue: int
    oldest_at: datetime


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


class ReviewStats(Record):
    """The state of the queue, and what people did in the last `days`."""

    days: int
    waiting: tuple[Waiting, ...]
    decisions: tuple[DayOfDecisions, ...]
    per_document: Times
    per_field: Times
    reasons: tuple[WeekOfReasons, ...]
    audits: tuple[TypeAudit, ...]
    agreement: Share


def times_of(milliseconds: Sequence[int]) -> Times:
    """The times of those that were measured: 0 says that a decision came without a screen."""
    measured = sorted(ms for ms in milliseconds if ms > 0)
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
