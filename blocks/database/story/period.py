"""The figures of a period: what each run did per document type, and what it asked of each model."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field
from sqlalchemy import bindparam, func, select

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline import runs as run_queries
from blocks.database.story.figures import count_figures
from blocks.database.story.records import RunFigures
from blocks.database.tables import documents, model_calls, runs
from blocks.records import OK, OPEN, UNKNOWN_TYPE, Record

MAX_LIVE = 50
"""So many runs without kept figures, such as crashed ones, are counted anew; of older ones only the calls are known."""


class TypeInRun(Record):
    """What a run did with a type's documents. `failures` counts by kind, `reasons` those in review by code."""

    run_id: str
    started_at: datetime
    document_type: str
    version: str
    by_status: dict[str, int]
    reasons: dict[str, int] = Field(default_factory=dict)
    failures: dict[str, int] = Field(default_factory=dict)


class CallsInRun(Record):
    """Equal calls of a run for a type's documents. `outcome` is ok, cache_hit, or the kind of the failure."""

    run_id: str
    started_at: datetime
    document_type: str
    model: str
    prompt_version: str
    outcome: str
    calls: int
    tokens: int
    total_ms: int
    cost_usd: Decimal

    @property
    def is_sent(self) -> bool:
        """Whether a provider was asked."""
        return self.outcome not in run_queries.NO_CALLS

    @property
    def is_failed(self) -> bool:
        """Whether it gave no reply that could be used."""
        return self.is_sent and self.outcome != OK


class Period(Record):
    """The runs that began from `since` on and before `until`, the earliest first; `uncounted` have no figures."""

    since: datetime
    until: datetime
    runs: int
    uncounted: int
    types: tuple[TypeInRun, ...]
    calls: tuple[CallsInRun, ...]


@survives_outages
def load_period(database: Database, since: datetime, until: datetime, version: str | None = None) -> Period:
    """The figures of a period; with `version`, of the documents that were read under a type version that begins so."""
    bounds = {"since": since, "until": until}
    with database.read() as connection:
        rows = connection.execute(_RUNS, bounds).all()
    types: list[TypeInRun] = []
    live = uncounted = 0
    for row in rows:
        if row.figures is not None:
            figures = RunFigures.model_validate(row.figures)
        elif live < MAX_LIVE:
            live, figures = live + 1, count_figures(database, row.run_id)
        else:
            uncounted += 1
            continue
        types += _types(row, figures)
    if version is not None:
        types = [each for each in types if each.version.startswith(version)]
    kept = {(each.run_id, each.document_type) for each in types}
    with database.read() as connection:
        calls = [_calls(row) for row in connection.execute(_CALLS, bounds)]
    if version is not None:
        calls = [each for each in calls if (each.run_id, each.document_type) in kept]
    return Period(
        since=since,
        until=until,
        runs=len(rows) if version is None else len({each.run_id for each in types}),
        uncounted=uncounted,
        types=tuple(types),
        calls=tuple(calls),
    )


def _types(row: Any, figures: RunFigures) -> list[TypeInRun]:
    failed: dict[str, dict[str, int]] = {}
    for failure in figures.failures:
        kinds = failed.setdefault(failure.document_type, {})
        kinds[failure.kind] = kinds.get(failure.kind, 0) + failure.documents
    return [
        TypeInRun(
            run_id=row.run_id,
            started_at=row.started_at,
            document_type=each.document_type,
            version=each.version,
            by_status=each.by_status,
            reasons=each.reasons,
            failures=failed.get(each.document_type, {}),
        )
        for each in figures.types
    ]


def _calls(row: Any) -> CallsInRun:
    """A row of `_CALLS`; SQLite would sum decimals as binary floats, so equal costs are a group."""
    values = dict(row._mapping)
    return CallsInRun(**values | {"cost_usd": values["cost_usd"] * row.calls})


_RUNS = (
    select(runs.c.run_id, runs.c.started_at, runs.c.figures)
    .where(
        runs.c.started_at >= bindparam("since", type_=runs.c.started_at.type),
        runs.c.started_at < bindparam("until", type_=runs.c.started_at.type),
    )
    .order_by(runs.c.started_at, runs.c.run_id)
)

_call = model_calls.c
_GROUP = (
    _call.run_id,
    runs.c.started_at,
    func.coalesce(documents.c.document_type, UNKNOWN_TYPE).label("document_type"),
    *(_call.model, _call.prompt_version, _call.outcome, _call.cost_usd),
)
_CALLS = (
    select(
        *_GROUP,
        func.count().label("calls"),
        func.sum(_call.input_tokens + _call.output_tokens).label("tokens"),
        func.sum(_call.latency_ms).label("total_ms"),
    )
    .select_from(runs)
    .join(model_calls, _call.run_id == runs.c.run_id)
    .outerjoin(documents, documents.c.document_id == _call.document_id)
    .where(
        runs.c.started_at >= bindparam("since", type_=runs.c.started_at.type),
        runs.c.started_at < bindparam("until", type_=runs.c.started_at.type),
        _call.outcome != OPEN,
    )
    .group_by(*_GROUP)
    .order_by(runs.c.started_at)
)
