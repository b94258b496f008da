"""The figures of a run, counted from its rows."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, case, cast, func, literal_column, select, true

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline import runs as run_queries
from blocks.database.pipeline.run_chunks import shares_of
from blocks.database.story.records import (
    FailureFigures,
    RunFigures,
    StepFigures,
    TypeFigures,
    Wait,
    WorkerFigures,
)
from blocks.database.tables import documents, failures, model_calls, results, run_documents, runs, stage_outputs
from blocks.records import CACHE_HIT, LIMITS_REACHED, OK, OPEN, OUTPUT_STAGES, UNKNOWN_TYPE, Stage

SAMPLE = 2_000
"""So many of a run's documents give the times of stages. Ids are digests, so the first ones are drawn at random."""
EXAMPLES = 3
MAX_FAILURES = 20
"""So many kinds of failures are listed, the most frequent."""
MODELS = "models"
LIMITS = "limits"
"""Causes of waits: the models' answers, and their limits on requests and tokens. Other causes are kinds of failures."""


@survives_outages
def count_figures(
    database: Database,
    run_id: str,
    by_type: Mapping[str, Mapping[str, int]] | None = None,
    waiting: Mapping[str, int] | None = None,
) -> RunFigures:
    """The figures of a run as its rows are now.

    `by_type` is `runs.counts_by_type` and `waiting` is `runs.waiting_kinds`, where they are known.
    """
    counts, _ = run_queries.run_counts(database, run_id)
    return RunFigures(
        documents=counts.documents,
        by_status=counts.model_dump(exclude={"documents"}),
        types=_types(database, run_id, run_queries.counts_by_type(database, run_id) if by_type is None else by_type),
        failures=_failures(database, run_id) if counts.failed else (),
        workers=tuple(
            WorkerFigures(host=share.host, pid=share.pid, chunks=share.chunks, documents=share.documents)
            for share in shares_of(database, run_id)
        ),
        **_work(
            database,
            run_id,
            counts.documents,
            run_queries.waiting_kinds(database, run_id) if waiting is None else waiting,
        ),
    )


def _work(database: Database, run_id: str, document_count: int, waiting: Mapping[str, int]) -> dict[str, Any]:
    """What stages and models did: calls, their cost, retries, fallbacks, step_breakdown and waited_for."""
    steps, waits = [], []
    calls = _Calls()
    with database.read() as connection:
        for row in connection.execute(_TIMES, {"run_id": run_id}):
            calls.add_times(row)
        for row in connection.execute(_COSTS, {"run_id": run_id}):
            calls.add_costs(row)
        fallbacks = connection.execute(_FALLBACKS, {"run_id": run_id}).scalar_one() if calls.has_later_steps else 0
        sampled = connection.execute(_SAMPLE_SIZE, {"run_id": run_id, "sample": SAMPLE}).scalar_one()
        times: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for stage, duration_ms, number in connection.execute(_STAGES, {"run_id": run_id, "sample": SAMPLE}):
            times[stage][duration_ms] += number
    factor = max(document_count / sampled, 1) if sampled else 1
    for stage in OUTPUT_STAGES:
        if stage in times:
            steps.append(
                StepFigures(
                    stage=stage,
                    calls=round(times[stage].total() * factor),
                    p50_ms=quantile(times[stage], 0.5),
                    p95_ms=quantile(times[stage], 0.95),
                    is_estimate=factor > 1,
                )
            )
        if stage is Stage.SCORE:
            steps += calls.steps()
    if calls.total_ms:
        waits.append(Wait(cause=MODELS, calls=calls.sent, total_ms=calls.total_ms))
    if calls.limited:
        waits.append(Wait(cause=LIMITS, calls=calls.limited))
    waits += [Wait(cause=kind, documents=number) for kind, number in waiting.items()]
    return {
        "model_calls": calls.counted,
        "cache_hits": calls.cache_hits,
        "cost_total_usd": calls.cost_usd,
        "unconfirmed_usd": calls.unconfirmed_usd,
        "retries": calls.retries,
        "fallbacks": fallbacks,
        "step_breakdown": tuple(steps),
        "waited_for": tuple(waits),
    }


class _Calls:
    """Calls by step and model, from groups of equal ones."""

    def __init__(self) -> None:
        self.retries = self.limited = self.sent = self.total_ms = self.counted = self.cache_hits = 0
        self.cost_usd = self.unconfirmed_usd = Decimal(0)
        self.has_later_steps = False
        self._times: defaultdict[tuple[int, str], Counter[int]] = defaultdict(Counter)
        self._counts: Counter[tuple[int, str]] = Counter()
        self._failed: Counter[tuple[int, str]] = Counter()
        self._costs: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)

    def add_times(self, row: Any) -> None:
        key = (row.step, row.model)
        self.has_later_steps = self.has_later_steps or row.step > 0
        self.cache_hits += row.number if row.outcome == CACHE_HIT else 0
        if row.outcome == LIMITS_REACHED:
            self.limited += row.number
            return
        if row.outcome in run_queries.NO_CALLS:
            return
        self.sent += row.number
        self.retries += row.number if row.attempt > 1 else 0
        self.total_ms += row.total_ms
        self._times[key][row.latency_ms] += row.number
        self._counts[key] += row.number
        self._failed[key] += row.number if row.outcome != OK else 0

    def add_costs(self, row: Any) -> None:
        is_call = row.outcome not in run_queries.NO_CALLS
        self.cost_usd += row.cost_usd * row.number
        self.unconfirmed_usd += row.unconfirmed_usd * row.number
        self.counted += row.number if row.unconfirmed_usd or is_call else 0
        if is_call:
            self._costs[row.step, row.model] += row.cost_usd * row.number

    def steps(self) -> list[StepFigures]:
        return [
            StepFigures(
                stage=Stage.SCORE,
                step=step,
                model=model,
                calls=self._counts[step, model],
                failed=self._failed[step, model],
                p50_ms=quantile(self._times[step, model], 0.5),
                p95_ms=quantile(self._times[step, model], 0.95),
                cost_usd=self._costs[step, model],
            )
            for step, model in sorted(self._counts)
        ]


def quantile(times: Counter[int], share: float) -> int | None:
    """The smallest time that at least `share` of them do not exceed; None of none."""
    needed, seen = share * times.total(), 0
    for time in sorted(times):
        seen += times[time]
        if seen >= needed:
            return time
    return None


def _types(database: Database, run_id: str, by_type: Mapping[str, Mapping[str, int]]) -> tuple[TypeFigures, ...]:
    reasons: defaultdict[str, dict[str, int]] = defaultdict(dict)
    has_failed = any(by_status.get("failed") for by_status in by_type.values())
    failed_before = run_queries.failed_before(database, run_id) if has_failed else {}
    with database.read() as connection:
        versions = connection.execute(_VERSIONS, {"run_id": run_id}).scalar_one_or_none() or {}
        for name, code, number in connection.execute(_reasons(database), {"run_id": run_id}):
            reasons[name][code] = number
    return tuple(
        TypeFigures(
            document_type=name,
            version=versions.get(name, ""),
            by_status=dict(by_status),
            reasons=reasons.get(name, {}),
            failed_before=failed_before.get(name, 0),
        )
        for name, by_status in sorted(by_type.items())
    )


def _reasons(database: Database) -> Select[Any]:
    """How many documents the run sent to review, by type and code of reason. The database counts: there may be many."""
    if database.is_sqlite:
        reason = func.json_each(results.c.reasons).table_valued("value", name="reason")
        code: Any = func.substr(reason.c.value, 1, func.instr(reason.c.value.op("||")(":"), ":") - 1)
    else:
        reason = func.json_array_elements_text(results.c.reasons).table_valued("value", name="reason")
        code = func.split_part(reason.c.value, ":", 1)
    number = func.count(results.c.document_id.distinct()).label("number")
    return (
        select(results.c.document_type, code.label("code"), number)
        .select_from(results)
        .join(reason, true())
        .where(results.c.run_id == bindparam("run_id"), results.c.status == "in_review", results.c.is_current)
        .group_by(results.c.document_type, code)
        .order_by(number.desc(), code)
    )


def _failures(database: Database, run_id: str) -> tuple[FailureFigures, ...]:
    found = []
    with database.read() as connection:
        for row in connection.execute(_FAILURES, {"run_id": run_id}).all():
            keys = {"run_id": run_id, "kind": row.kind, "stage": row.stage, "type": row.document_type}
            found.append(
                FailureFigures(
                    document_type=row.document_type,
                    kind=row.kind,
                    stage=row.stage,
                    documents=row.number,
                    failed_before=row.failed_before,
                    examples=tuple(connection.execute(_EXAMPLES, keys).scalars()),
                )
            )
    return tuple(found)


_call = model_calls.c
_TEN: ColumnElement[int] = literal_column("10")
LATENCY_MS = case((_call.latency_ms < literal_column("1000"), _call.latency_ms), else_=_call.latency_ms // _TEN * _TEN)
"""The latency of a call, to ten milliseconds from a second on: so there are few groups of equal ones."""
_OF_RUN = (_call.run_id == bindparam("run_id"), _call.outcome != OPEN)
_EQUAL_TIMES = (_call.step, _call.model, _call.outcome, _call.attempt, LATENCY_MS.label("latency_ms"))
_TIMES = (
    select(*_EQUAL_TIMES, func.count().label("number"), func.sum(_call.latency_ms).label("total_ms"))
    .where(*_OF_RUN)
    .group_by(*_EQUAL_TIMES)
)
# Grouped by time and cost together, nearly every call would be a group of its own.
_EQUAL_COSTS = (_call.step, _call.model, _call.outcome, _call.cost_usd, _call.unconfirmed_usd)
_COSTS = select(*_EQUAL_COSTS, func.count().label("number")).where(*_OF_RUN).group_by(*_EQUAL_COSTS)

_STEPS = (
    select(
        _call.document_id,
        _call.step,
        func.max(case((_call.outcome.in_([OK, CACHE_HIT]), 1), else_=0)).label("is_answered"),
    )
    .where(_call.run_id == bindparam("run_id"), _call.outcome != OPEN)
    .group_by(_call.document_id, _call.step)
).subquery()
_FALLEN = (
    select(_STEPS.c.document_id)
    .group_by(_STEPS.c.document_id)
    .having(func.min(case((_STEPS.c.is_answered == 0, _STEPS.c.step))) < func.max(_STEPS.c.step))
).subquery()
_FALLBACKS = select(func.count()).select_from(_FALLEN)

_SAMPLE = (
    select(run_documents.c.document_id)
    .where(run_documents.c.run_id == bindparam("run_id"))
    .order_by(run_documents.c.document_id)
    .limit(bindparam("sample"))
).cte("sampled")
_SAMPLE_SIZE = select(func.count()).select_from(_SAMPLE)
_STAGES = (
    select(stage_outputs.c.stage, stage_outputs.c.duration_ms, cast(func.count(), Integer))
    .join(_SAMPLE, _SAMPLE.c.document_id == stage_outputs.c.document_id)
    .where(stage_outputs.c.run_id == bindparam("run_id"), stage_outputs.c.duration_ms.is_not(None))
    .group_by(stage_outputs.c.stage, stage_outputs.c.duration_ms)
)

_VERSIONS = select(runs.c.document_types).where(runs.c.run_id == bindparam("run_id"))

_TYPE = func.coalesce(documents.c.document_type, UNKNOWN_TYPE)
_FAILED = (
    failures.join(run_documents, run_documents.c.document_id == failures.c.document_id)
    .join(documents, documents.c.document_id == failures.c.document_id)
    .join(runs, runs.c.run_id == run_documents.c.run_id),
    and_(
        run_documents.c.run_id == bindparam("run_id"),
        run_documents.c.outcome == "failed",
        failures.c.resolved_at.is_(None),
    ),
)
_NUMBER = func.count(failures.c.document_id.distinct()).label("number")
_BEFORE = func.count(case((run_queries.FAILED_BEFORE, failures.c.document_id)).distinct()).label("failed_before")
_FAILURES = (
    select(_TYPE.label("document_type"), failures.c.kind, failures.c.stage, _NUMBER, _BEFORE)
    .select_from(_FAILED[0])
    .where(_FAILED[1])
    .group_by(_TYPE, failures.c.kind, failures.c.stage)
    .order_by(_NUMBER.desc(), failures.c.kind, failures.c.stage, _TYPE)
    .limit(MAX_FAILURES)
)
_EXAMPLES = (
    select(failures.c.document_id)
    .select_from(_FAILED[0])
    .where(
        _FAILED[1],
        failures.c.kind == bindparam("kind"),
        failures.c.stage == bindparam("stage"),
        bindparam("type") == _TYPE,
    )
    .order_by(failures.c.document_id)
    .limit(EXAMPLES)
)
