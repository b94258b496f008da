"""The figures of a period: what runs did per document type, what they asked of models, what people decided."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline import runs as run_queries
from blocks.database.review.tables import review
from blocks.database.story.figures import count_figures, quantile
from blocks.database.story.records import RunFigures
from blocks.database.tables import documents, failures, model_calls, results, runs
from blocks.records import OK, OPEN, UNKNOWN_TYPE, Record, Status

MAX_LIVE = 50
"""So many runs without kept figures, such as crashed ones, are counted anew; of older ones only the calls are known."""


class TypeInRun(Record):
    """What a run did with a type's documents. `failures` counts by kind, `reasons` those in review by code.

    Documents that had failed before the run and failed again count nowhere.
    """

    run_id: str
    started_at: datetime
    document_type: str
    version: str
    by_status: dict[str, int]
    reasons: dict[str, int] = Field(default_factory=dict)
    failures: dict[str, int] = Field(default_factory=dict)


class CallsInRun(Record):
    """Equal calls of a run for a type's documents. `outcome` is ok, cache_hit, or the kind of the failure.

    `times` counts the calls by their latency in milliseconds, rounded to tens.
    """

    run_id: str
    started_at: datetime
    document_type: str
    model: str
    prompt_version: str
    outcome: str
    calls: int
    tokens: int
    cost_usd: Decimal
    times: dict[int, int] = Field(default_factory=dict)

    @property
    def is_sent(self) -> bool:
        """Whether a provider was asked."""
        return self.outcome not in run_queries.NO_CALLS

    @property
    def is_failed(self) -> bool:
        """Whether it gave no reply that could be used."""
        return self.is_sent and self.outcome != OK


class Arrivals(Record):
    """A type's documents that were first seen in a period, and how many of them are accepted or decided by now."""

    document_type: str
    came_in: int
    completed: int


class StillFailing(Record):
    """A type's documents that failed before a period, and have an open failure now."""

    document_type: str
    documents: int


class Waits(Record):
    """A type's review items that people decided in a period: how long half, and nine of ten, waited at most."""

    document_type: str
    decided: int
    p50_s: int
    p90_s: int


class Period(Record):
    """The runs that began from `since` on and before `until`, the earliest first; `uncounted` have no figures.

    `arrivals`, `waits` and `still_failing` are of all runs; they are empty for a version of a type.
    """

    since: datetime
    until: datetime
    runs: int
    uncounted: int
    types: tuple[TypeInRun, ...]
    calls: tuple[CallsInRun, ...]
    arrivals: tuple[Arrivals, ...] = ()
    waits: tuple[Waits, ...] = ()
    still_failing: tuple[StillFailing, ...] = ()


@survives_outages
def load_period(database: Database, since: datetime, until: datetime, version: str | None = None) -> Period:
    """The figures of a period; with `version`, of the documents that were read under a type version that begins so."""
    bounds = {"since": since, "until": until}
    with database.read() as connection:
        rows = connection.execute(_RUNS if version is None else _RUNS.where(_names(version)), bounds).all()
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
    with database.snapshot() as connection:
        calls = _calls(connection, bounds, None if version is None else {run_id for run_id, _ in kept})
        arrivals = [] if version else [Arrivals(**row._mapping) for row in connection.execute(_ARRIVALS, bounds)]
        waits = [] if version else _waits(connection.execute(_DECIDED, bounds))
        failing = [] if version else connection.execute(_STILL_FAILING, {"since": since}).all()
    if version is not None:
        calls = [each for each in calls if (each.run_id, each.document_type) in kept]
    return Period(
        since=since,
        until=until,
        runs=len(rows) if version is None else len({each.run_id for each in types}),
        uncounted=uncounted,
        types=tuple(types),
        calls=tuple(calls),
        arrivals=tuple(arrivals),
        waits=tuple(waits),
        still_failing=tuple(StillFailing(**row._mapping) for row in failing),
    )


def _types(row: Any, figures: RunFigures) -> list[TypeInRun]:
    failed: dict[str, dict[str, int]] = {}
    for failure in figures.failures:
        kinds = failed.setdefault(failure.document_type, {})
        if newly := failure.documents - failure.failed_before:
            kinds[failure.kind] = kinds.get(failure.kind, 0) + newly
    return [
        TypeInRun(
            run_id=row.run_id,
            started_at=row.started_at,
            document_type=each.document_type,
            version=each.version,
            by_status=each.newly_by_status,
            reasons=each.reasons,
            failures=failed.get(each.document_type, {}),
        )
        for each in figures.types
    ]


def _calls(connection: Connection, bounds: Mapping[str, datetime], run_ids: Collection[str] | None) -> list[CallsInRun]:
    """The calls of the period's runs, or of these of them, by type, model, prompt and outcome."""
    chosen = {**bounds, "run_ids": run_ids}

    def rows(query: Select[Any]) -> Iterable[Any]:
        of_runs = query if run_ids is None else query.where(in_list(runs.c.run_id, "run_ids"))
        return connection.execute(of_runs.execution_options(yield_per=1_000), chosen)

    # SQLite would sum decimals as binary floats.
    costs: defaultdict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for row in rows(_COSTS):
        costs[tuple(row[: len(_GROUP)])] += row.cost_usd * row.calls
    found: dict[tuple[Any, ...], CallsInRun] = {}
    for row in rows(_TIMES):
        key = tuple(row[: len(_GROUP)])
        known = found.get(key)
        if known is None:
            values = {column.name: value for column, value in zip(_GROUP, key, strict=True)}
            known = CallsInRun(**values, calls=0, tokens=0, cost_usd=costs[key])
        known.times[row.latency_ms] = row.calls
        found[key] = known.model_copy(update={"calls": known.calls + row.calls, "tokens": known.tokens + row.tokens})
    return list(found.values())


def _waits(rows: Iterable[Any]) -> list[Waits]:
    waited: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for document_type, created_at, decided_at in rows:
        waited[document_type][max(round((decided_at - created_at).total_seconds()), 0)] += 1
    return [
        Waits(
            document_type=name,
            decided=times.total(),
            p50_s=quantile(times, 0.5) or 0,
            p90_s=quantile(times, 0.9) or 0,
        )
        for name, times in sorted(waited.items())
    ]


_RUNS = (
    select(runs.c.run_id, runs.c.started_at, runs.c.figures)
    .where(
        runs.c.started_at >= bindparam("since", type_=runs.c.started_at.type),
        runs.c.started_at < bindparam("until", type_=runs.c.started_at.type),
    )
    .order_by(runs.c.started_at, runs.c.run_id)
)


def _names(version: str) -> ColumnElement[bool]:
    """Whether a run may have read documents under a version that begins so: it names one."""
    texts = (cast(runs.c.figures, Text), cast(runs.c.document_types, Text))
    return or_(*(stored.contains(f'"{version}', autoescape=True) for stored in texts))


_call = model_calls.c
_GROUP: tuple[ColumnElement[Any], ...] = (
    _call.run_id,
    runs.c.started_at,
    func.coalesce(documents.c.document_type, UNKNOWN_TYPE).label("document_type"),
    *(_call.model, _call.prompt_version, _call.outcome),
)
_LATENCY = ((_call.latency_ms + literal_column("5")) // literal_column("10") * literal_column("10")).label("latency_ms")
_CALLS = (
    select(*_GROUP, func.count().label("calls"))
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
# By latency and cost together, nearly every call would be a group of its own.
_TIMES = _CALLS.add_columns(_LATENCY, func.sum(_call.input_tokens + _call.output_tokens).label("tokens")).group_by(
    _LATENCY
)
_COSTS = _CALLS.add_columns(_call.cost_usd).group_by(_call.cost_usd)

_TYPE = func.coalesce(documents.c.document_type, UNKNOWN_TYPE).label("document_type")
_IS_COMPLETED = results.c.status.in_([Status.ACCEPTED, Status.REJECTED])
_ARRIVALS = (
    select(
        _TYPE,
        func.count().label("came_in"),
        func.sum(case((_IS_COMPLETED, 1), else_=0)).label("completed"),
    )
    .select_from(documents)
    .outerjoin(results, and_(results.c.document_id == documents.c.document_id, results.c.is_current))
    .where(
        documents.c.first_seen_at >= bindparam("since", type_=documents.c.first_seen_at.type),
        documents.c.first_seen_at < bindparam("until", type_=documents.c.first_seen_at.type),
        ~documents.c.is_container,
        documents.c.erased_at.is_(None),
    )
    .group_by(_TYPE)
    .order_by(_TYPE)
)
_STILL_FAILING = (
    select(_TYPE, func.count(failures.c.document_id.distinct()).label("documents"))
    .join_from(failures, documents, documents.c.document_id == failures.c.document_id)
    .where(
        failures.c.resolved_at.is_(None),
        failures.c.first_at < bindparam("since", type_=failures.c.first_at.type),
    )
    .group_by(_TYPE)
    .order_by(_TYPE)
)
_DECIDED = select(review.c.document_type, review.c.created_at, review.c.decided_at).where(
    review.c.decided_at >= bindparam("since", type_=review.c.decided_at.type),
    review.c.decided_at < bindparam("until", type_=review.c.decided_at.type),
)
