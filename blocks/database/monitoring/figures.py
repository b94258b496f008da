"""What a monitor watches, read from the database: runs are short processes, so they keep no counters of their own.

A scrape costs a dozen queries by indexes. What only grows, calls and decisions, is summed once: a `MetricsReader` keeps
the sums of rows that no longer change, and reads those behind them. So rows that retention deletes stay counted as
long as the reader lives.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Row,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    select,
    text,
)

from blocks.database.clock import database_time
from blocks.database.column_types import UtcDateTime
from blocks.database.engine import Database
from blocks.database.models.budgets import DAY, day_of
from blocks.database.pipeline.documents import FAILED
from blocks.database.review.tables import review, review_events
from blocks.database.tables import breakers, budgets, documents, failures, model_calls, models, results, runs, workers
from blocks.records import OPEN, UNKNOWN_TYPE
from blocks.review.records import Event, ItemStatus

RUNS_OF_DAYS = 7
RUNNING = "Running"
COMPLETED = ("Completed", "CompletedWithErrors")
LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0)
TOKENS = ("input", "output", "cached", "cache_write", "reasoning")
"""Kinds of tokens. Cached and cache_write are parts of input, reasoning is a part of output."""
SETTLES_S = 600
"""Calls older than this have committed: PostgreSQL gives ids in another order than that of the commits."""


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """The items of a document type that wait for a person. Overdue: past `due_at`."""

    document_type: str
    open: int
    overdue: int
    oldest_at: datetime


@dataclass(slots=True)
class CallFigures:
    """The attempts at a model that ended in one way. Latencies and tokens are sums; `buckets` counts the latencies.

    A latency counts in the first bucket of `LATENCY_BUCKETS_S` that is not below it, in the last one beyond them.
    """

    calls: int = 0
    latency_s: float = 0.0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    cost_usd: float = 0.0
    unconfirmed_usd: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))

    def add(self, bucket: int, other: "CallFigures") -> None:
        """Count attempts whose latencies are all in one bucket."""
        self.calls += other.calls
        self.latency_s += other.latency_s
        self.cost_usd += other.cost_usd
        self.unconfirmed_usd += other.unconfirmed_usd
        self.buckets[bucket] += other.calls
        for kind, count in other.tokens.items():
            self.tokens[kind] += count

    def copy(self) -> "CallFigures":
        """The same figures, to be counted on."""
        return replace(self, tokens=dict(self.tokens), buckets=list(self.buckets))


Calls = Mapping[tuple[str, str], CallFigures]
"""By model and outcome."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is exported, as of `read_at` by the database's clock. Keys are label values."""

    read_at: datetime
    documents: Mapping[tuple[str, str], int]
    failures: Mapping[tuple[str, str], int]
    runs: Mapping[str, int]
    last_completed_at: datetime | None
    workers: Mapping[str, int]
    last_beat_at: datetime | None
    review: tuple[ReviewFigures, ...]
    decisions: Mapping[str, int]
    calls: Calls
    circuits: Mapping[str, bool]
    spent_today_usd: float
    reserved_today_usd: float
    database_bytes: int


class MetricsReader:
    """Reads the figures of a database. One thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls: Calls = {}
        self._calls_to = 0
        self._decisions: Mapping[str, int] = {}
        self._decisions_to = 0

    def read(self) -> Figures:
        """The figures now. Raises `DatabaseUnreachable` at once: a monitor must see an outage."""
        with self._database.read() as connection:
            at = database_time(connection)
            budget = connection.execute(_BUDGET, {"day": day_of(at)}).first()
            live, expired, last_beat_at = connection.execute(_WORKERS, {"at": at}).one()
            size = _SQLITE_BYTES if self._database.is_sqlite else _POSTGRES_BYTES
            return Figures(
                read_at=at,
                documents=dict(_documents(connection)),
                failures={(stage, kind): count for stage, kind, count in connection.execute(_FAILURES)},
                runs=dict(connection.execute(_RUNS, {"since": at - timedelta(days=RUNS_OF_DAYS)}).tuples().all()),
                last_completed_at=connection.execute(_LAST_COMPLETED).scalar_one_or_none(),
                workers={"live": live or 0, "expired": expired or 0},
                last_beat_at=last_beat_at,
                review=tuple(ReviewFigures(*row) for row in connection.execute(_REVIEW, {"at": at})),
                decisions=self._sum_decisions(connection),
                calls=self._sum_calls(connection, at),
                circuits=_circuits(connection, at),
                spent_today_usd=float(budget.spent_usd) if budget else 0.0,
                reserved_today_usd=float(budget.reserved_usd) if budget else 0.0,
                database_bytes=connection.execute(size).scalar_one(),
            )

    def _sum_calls(self, connection: Connection, at: datetime) -> Calls:
        """Every call that has ended. The sums are kept up to the first row that may change or may yet appear."""
        first_open = connection.execute(_FIRST_OPEN).scalar_one()
        settled = {"after": self._calls_to, "before": at - timedelta(seconds=SETTLES_S)}
        to = connection.execute(_LAST_SETTLED, settled).scalar_one() or self._calls_to
        to = max(self._calls_to, to if first_open is None else min(to, first_open - 1))
        kept = self._with_calls(self._calls, connection, self._calls_to, to)
        calls = self._with_calls(kept, connection, to, _NO_END)
        self._calls, self._calls_to = kept, to  # both at once: a query that fails must not count rows twice
        return calls

    @staticmethod
    def _with_calls(known: Calls, connection: Connection, after: int, to: int) -> Calls:
        """Sums of calls and of those with ids behind `after`, up to `to`."""
        calls = defaultdict(CallFigures, {key: figures.copy() for key, figures in known.items()})
        for row in connection.execute(_CALLS, {"after": after, "to": to}):
            calls[row.model, row.outcome].add(row.bucket, _figures_of(row))
        return calls

    def _sum_decisions(self, connection: Connection) -> Mapping[str, int]:
        """Final decisions by action. Events are only added, in the order of their ids."""
        to = connection.execute(_LAST_EVENT).scalar_one() or 0
        decisions = Counter(self._decisions)
        for action, count in connection.execute(_DECISIONS, {"after": self._decisions_to, "to": to}):
            decisions[action or "unknown"] += count
        self._decisions, self._decisions_to = decisions, to
        return dict(decisions)


def _documents(connection: Connection) -> Iterator[tuple[tuple[str, str], int]]:
    for document_type, status, count in connection.execute(_RESULTS):
        yield (document_type, status), count
    for document_type, count in connection.execute(_FAILED):
        yield (document_type, FAILED), count


def _circuits(connection: Connection, at: datetime) -> Mapping[str, bool]:
    """Whether the circuit of each enabled model is open; half-open ones are not."""
    enabled = dict.fromkeys(connection.execute(_ENABLED).scalars(), False)
    return enabled | dict.fromkeys(connection.execute(_OPEN_CIRCUITS, {"at": at}).scalars(), True)


def _figures_of(row: Row[tuple[object, ...]]) -> CallFigures:
    return CallFigures(
        calls=row.calls,
        latency_s=float(row.latency_ms) / 1_000,
        tokens={kind: int(getattr(row, kind)) for kind in TOKENS},
        cost_usd=row.cost_usd,
        unconfirmed_usd=row.unconfirmed_usd,
    )


_NO_END = 2**62

# SQLite knows its partial index by these words only.
_IS_CURRENT: ColumnElement[bool] = literal_column("results.is_current")
_RESULTS = (
    select(results.c.document_type, results.c.status, func.count())
    .where(_IS_CURRENT)
    .group_by(results.c.document_type, results.c.status)
)

_HAS_RESULT = exists().where(results.c.document_id == failures.c.document_id, results.c.is_current)
_TYPE = func.coalesce(documents.c.document_type, literal_column(f"'{UNKNOWN_TYPE}'"))
_FAILED = (
    select(_TYPE, func.count(failures.c.document_id.distinct()))
    .join_from(failures, documents, failures.c.document_id == documents.c.document_id)
    .where(failures.c.resolved_at.is_(None), ~_HAS_RESULT)
    .group_by(_TYPE)
)

_FAILURES = (
    select(failures.c.stage, failures.c.kind, func.count())
    .where(failures.c.resolved_at.is_(None))
    .group_by(failures.c.stage, failures.c.kind)
)

_AT = bindparam("at", type_=UtcDateTime())

_STATE = func.coalesce(runs.c.state, RUNNING)
_RUNS = (
    select(_STATE, func.count()).where(runs.c.started_at >= bindparam("since", type_=UtcDateTime())).group_by(_STATE)
)
_LAST_COMPLETED = (
    select(runs.c.finished_at).where(runs.c.state.in_(COMPLETED)).order_by(runs.c.started_at.desc()).limit(1)
)

_WORKERS = select(
    func.sum(case((workers.c.expires_at > _AT, 1), else_=0)),
    func.sum(case((workers.c.expires_at <= _AT, 1), else_=0)),
    func.max(workers.c.beat_at),
)

_REVIEW = (
    select(
        review.c.document_type,
        func.count(),
        func.sum(case((review.c.due_at < _AT, 1), else_=0)),
        func.min(review.c.created_at),
    )
    .where(review.c.status == ItemStatus.OPEN)
    .group_by(review.c.document_type)
)

_ACTION = review_events.c.content["action"].as_string()
_LAST_EVENT = select(func.max(review_events.c.event_id))
_DECISIONS = (
    select(_ACTION, func.count())
    .where(
        review_events.c.event_id > bindparam("after"),
        review_events.c.event_id <= bindparam("to"),
        review_events.c.event == Event.DECIDED,
    )
    .group_by(_ACTION)
)

_BUCKET = case(
    *((model_calls.c.latency_ms <= limit_s * 1_000, number) for number, limit_s in enumerate(LATENCY_BUCKETS_S)),
    else_=len(LATENCY_BUCKETS_S),
).label("bucket")
_CALLS = (
    select(
        model_calls.c.model,
        model_calls.c.outcome,
        _BUCKET,
        func.count().label("calls"),
        func.sum(model_calls.c.latency_ms).label("latency_ms"),
        *(func.sum(model_calls.c[f"{kind}_tokens"]).label(kind) for kind in TOKENS),
        func.sum(cast(model_calls.c.cost_usd, Float)).label("cost_usd"),
        func.sum(cast(model_calls.c.unconfirmed_usd, Float)).label("unconfirmed_usd"),
    )
    .where(
        model_calls.c.call_id > bindparam("after"),
        model_calls.c.call_id <= bindparam("to"),
        model_calls.c.outcome != OPEN,
    )
    .group_by(model_calls.c.model, model_calls.c.outcome, _BUCKET)
)
# The sum keeps SQLite from walking all ids for the first open one: few rows are in the index of open calls.
_FIRST_OPEN = select(func.min(model_calls.c.call_id + literal_column("0"))).where(
    model_calls.c.outcome == literal_column(f"'{OPEN}'")
)
_LAST_SETTLED = select(func.max(model_calls.c.call_id)).where(
    model_calls.c.call_id > bindparam("after"), model_calls.c.called_at < bindparam("before", type_=UtcDateTime())
)

_ENABLED = select(models.c.name).where(models.c.is_enabled)
_OPEN_CIRCUITS = select(breakers.c.key).where(breakers.c.open_until > _AT)
_BUDGET = select(budgets.c.spent_usd, budgets.c.reserved_usd).where(
    budgets.c.scope == DAY, budgets.c.key == bindparam("day")
)

_SQLITE_BYTES = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
_POSTGRES_BYTES = text("SELECT pg_database_size(current_database())")
