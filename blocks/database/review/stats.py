"""The counts and times behind the figures of review. A decision that its person took back does not count."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, case, cast, func, select, text

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.day_figures import keep_days, load_days, start_of
from blocks.database.review.tables import review, review_answers, review_events
from blocks.review.audit import AuditedRow, wrong_share
from blocks.review.records import Action, Event, ItemKind, ItemStatus
from blocks.review.statistics import (
    AGES_H,
    AgeGroup,
    DaysOfTypes,
    ReviewStats,
    TypeAudit,
    Waiting,
    agreements_of,
    all_agreements,
    calibration_of,
    decisions_of,
    reasons_of,
    sizes_of,
    times_of,
)

_event = review_events.c


def review_stats(database: Database, *, days: int, document_type: str | None = None) -> ReviewStats:
    """The figures of the last `days` days in UTC, today included, of all items or of those of a type.

    What was counted of days that are over is kept for the next time.
    """
    stats, final = _count(database, days, document_type)
    if final:
        keep_days(database, final)
    return stats


@survives_outages
def _count(database: Database, days: int, document_type: str | None) -> tuple[ReviewStats, DaysOfTypes]:
    with database.snapshot() as connection:
        at = database_time(connection)
        today = at.astimezone(UTC).date()
        wanted = [today - timedelta(days=back) for back in reversed(range(days))]
        every, final = load_days(database, connection, wanted, at)
        figures = _of_type(every, document_type)
        of_type = [review.c.document_type == document_type] if document_type is not None else []
        open_items = connection.execute(_open_items(of_type, at)).all()
        audits: Counter[str] = Counter()
        for row in open_items:
            audits[row.document_type] += row.items if row.kind == ItemKind.AUDIT else 0
        agreements = agreements_of(figures)
        stats = ReviewStats(
            days=days,
            waiting=_waiting(open_items),
            ages=_ages(open_items),
            sizes=sizes_of(sum(row.items for row in open_items), wanted, figures),
            decisions=decisions_of(figures),
            per_document=times_of(ms for types in figures.values() for day in types.values() for ms in day.document_ms),
            per_field=times_of(ms for types in figures.values() for day in types.values() for ms in day.field_ms),
            reasons=reasons_of(figures),
            audits=_audits(connection, of_type, start_of(wanted[0]), +audits),
            agreement=all_agreements(agreements),
            agreements=agreements,
            calibration=calibration_of(figures),
        )
    return stats, final


def _of_type(figures: DaysOfTypes, document_type: str | None) -> DaysOfTypes:
    if document_type is None:
        return figures
    return {
        day: {name: of_type for name, of_type in types.items() if name == document_type}
        for day, types in figures.items()
    }


def _open_items(of_type: Sequence[ColumnElement[bool]], at: datetime) -> Select[Any]:
    """Open items by type, kind and role: how many, since when, and of each age how many, and how many overdue.

    Ages are summed up to their bound, not grouped by: groups in an index's order need no sorting.
    """
    item = review.c
    is_overdue = item.due_at < at
    columns = [func.count().label("items"), _sum(is_overdue).label("overdue"), func.min(item.created_at).label("since")]
    for hours in AGES_H:
        is_younger = item.created_at > at - timedelta(hours=hours)
        columns += [_sum(is_younger).label(f"below_{hours}")]
        columns += [_sum(and_(is_younger, is_overdue)).label(f"overdue_below_{hours}")]
    own = (item.document_type, item.kind, item.role)
    return select(*own, *columns).where(_IS_OPEN, *of_type).group_by(*own)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _waiting(open_items: Sequence[Row[Any]]) -> tuple[Waiting, ...]:
    groups: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in open_items:
        groups.setdefault((row.kind, row.role), []).append(row)
    return tuple(
        Waiting(
            kind=kind,
            role=role,
            items=sum(row.items for row in rows),
            overdue=sum(row.overdue for row in rows),
            oldest_at=min(row.since for row in rows).astimezone(UTC),
        )
        for (kind, role), rows in sorted(groups.items())
    )


def _ages(open_items: Sequence[Row[Any]]) -> tuple[AgeGroup, ...]:
    names = [("below_" + str(hours), "overdue_below_" + str(hours)) for hours in AGES_H] + [("items", "overdue")]
    up_to = [[sum(getattr(row, name) for row in open_items) for name in pair] for pair in names]
    before = [[0, 0], *up_to]
    return tuple(
        AgeGroup(below_h=hours, items=items - fewer[0], overdue=overdue - fewer[1])
        for hours, (items, overdue), fewer in zip((*AGES_H, None), up_to, before[:-1], strict=True)
    )


def _audits(
    connection: Connection, of_type: list[ColumnElement[bool]], since: datetime, waiting: Mapping[str, int]
) -> tuple[TypeAudit, ...]:
    """Per type the audited rows: wrong is what the person rejected, gave another type, or corrected."""
    last = (
        select(func.max(_event.event_id))
        .where(_event.review_id == review.c.review_id, _event.event == Event.DECIDED)
        .scalar_subquery()
    )
    shown, decided = (func.coalesce(cast(review_answers.c[name], Text), "null") for name in ("shown", "decided"))
    action = review.c.decision["action"].as_string()
    own = (review.c.document_type, review.c.drawn_with, action)
    query = (
        select(*own, func.max(case((shown != decided, 1), else_=0)))
        .outerjoin_from(review, review_answers, review_answers.c.event_id == last)
        .where(_IS_AUDIT, review.c.status == ItemStatus.DECIDED, review.c.decided_at >= since, *of_type)
        .group_by(review.c.review_id, *own)
    )
    rows: defaultdict[str, list[AuditedRow]] = defaultdict(list)
    for document_type, drawn_with, of_action, is_changed in connection.execute(query).all():
        has_values = of_action in {Action.ACCEPT, Action.CORRECT}
        rows[document_type].append(AuditedRow(drawn_with, is_wrong=not has_values or bool(is_changed)))
    return tuple(
        TypeAudit(
            document_type=name,
            wrong=wrong_share(rows.get(name, [])),
            waiting=waiting.get(name, 0),
        )
        for name in sorted({*rows, *waiting})
    )


_IS_OPEN, _IS_AUDIT = text("review.status = 'open'"), text("review.kind = 'audit'")
"""Written out, as in the indexes of only such rows: SQLite does not use these for a parameter."""
