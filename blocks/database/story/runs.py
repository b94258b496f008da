"""The list of runs, and the story of one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, func, or_, select

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline import runs as run_queries
from blocks.database.pipeline.sources import uris_of
from blocks.database.review.tables import review
from blocks.database.story.figures import count_figures
from blocks.database.story.records import Example, ListedRun, Reviews, RunFigures, RunStory
from blocks.database.tables import failures, runs
from blocks.errors import RunUnknown
from blocks.review.records import ItemStatus

RUNNING = "Running"
"""The state of a run that has not ended."""


def list_runs(database: Database, *, limit: int | None = None, after: str | None = None) -> list[ListedRun]:
    """The runs, the latest first: at most `limit`, behind the run `after`. Raises `RunUnknown`."""
    query = select(*_LISTED).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
    with database.read() as connection:
        if after is not None:
            started = connection.execute(select(runs.c.started_at).where(runs.c.run_id == after)).scalar_one_or_none()
            if started is None:
                raise RunUnknown(after)
            is_older = or_(runs.c.started_at < started, and_(runs.c.started_at == started, runs.c.run_id < after))
            query = query.where(is_older)
        rows = connection.execute(query).mappings().all()
    return [_listed(database, dict(row)) for row in rows]


@survives_outages
def load_run(database: Database, run_id: str) -> RunStory:
    """The story of a run. Raises `RunUnknown`.

    A run that ended by itself has figures that were counted at its end. Those of others are counted now.
    """
    with database.read() as connection:
        row = connection.execute(_RUN, {"run_id": run_id}).mappings().one_or_none()
        if row is None:
            raise RunUnknown(run_id)
        at = database_time(connection)
        reviews = connection.execute(_REVIEWS, {"run_id": run_id, "at": at}).one()
    figures = count_figures(database, run_id) if row["figures"] is None else RunFigures.model_validate(row["figures"])
    with database.read() as connection:
        ids = [id_ for failure in figures.failures for id_ in failure.examples]
        messages = dict(connection.execute(_MESSAGES, {"ids": ids}).tuples().all())
        examples = [
            Example(document_id=id_, uri=uris[0], message=messages.get(id_, ""))
            for id_, uris in uris_of(connection, ids).items()
        ]
    return RunStory(
        **dict(figures),
        examples=tuple(examples),
        run_id=run_id,
        name=row["name"],
        source=row["source"],
        state=row["state"] or RUNNING,
        message=row["message"] or "",
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        total_duration_ms=_milliseconds(row["started_at"], row["finished_at"] or at),
        reviews=Reviews.model_validate({name: number or 0 for name, number in reviews._mapping.items()}),
    )


def _listed(database: Database, row: Mapping[str, Any]) -> ListedRun:
    figures = row["figures"]
    if figures is None:
        counts, missing = run_queries.run_counts(database, row["run_id"])
        costs = run_queries.run_costs(database, row["run_id"])
        known = RunFigures(
            documents=counts.documents + missing,
            by_status=counts.model_dump(exclude={"documents"}) | ({"under way": missing} if missing else {}),
            model_calls=costs.model_calls,
            cost_total_usd=costs.cost_usd,
        )
    else:
        known = RunFigures.model_validate(figures)
    finished_at = row["finished_at"]
    return ListedRun(
        run_id=row["run_id"],
        name=row["name"],
        state=row["state"] or RUNNING,
        started_at=row["started_at"],
        total_duration_ms=None if finished_at is None else _milliseconds(row["started_at"], finished_at),
        documents=known.documents,
        by_status=known.by_status,
        model_calls=known.model_calls,
        cost_total_usd=known.cost_total_usd,
        source=row["source"],
        message=row["message"] or "",
    )


def _milliseconds(begin: datetime, end: datetime) -> int:
    return max(round((end - begin).total_seconds() * 1000), 0)


_LISTED = [
    runs.c[name] for name in ("run_id", "name", "source", "state", "message", "started_at", "finished_at", "figures")
]
_RUN = select(*_LISTED).where(runs.c.run_id == bindparam("run_id"))


_MESSAGES = (
    select(failures.c.document_id, failures.c.message)
    .where(in_list(failures.c.document_id, "ids"))
    .order_by(failures.c.last_at)
)


def _number_of(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


_IS_OPEN = review.c.status == ItemStatus.OPEN
_REVIEWS = select(
    _number_of(_IS_OPEN).label("open"),
    _number_of(and_(_IS_OPEN, review.c.due_at < bindparam("at", type_=review.c.due_at.type))).label("overdue"),
    _number_of(review.c.status == ItemStatus.DECIDED).label("decided"),
    _number_of(review.c.status == ItemStatus.SUPERSEDED).label("superseded"),
).where(review.c.run_id == bindparam("run_id"))
