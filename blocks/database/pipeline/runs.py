"""Runs: what was asked of each, how its documents ended, and what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, literal_column, or_, select, update

from blocks.database.engine import Database, now
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.chunk_state import PROVISIONAL
from blocks.database.pipeline.dead_runs import CRASHED
from blocks.database.tables import (
    columns_of,
    document_type_versions,
    documents,
    failures,
    model_calls,
    results,
    run_documents,
    runs,
    stage_outputs,
)
from blocks.document_types.loader import texts_of
from blocks.document_types.schema import DocumentType
from blocks.records import CACHE_HIT, CANCELLED, LIMITS_REACHED, MODELS_PAUSED, OPEN, UNKNOWN_TYPE, RunCounts

NO_CALLS = {CACHE_HIT, CANCELLED, LIMITS_REACHED, MODELS_PAUSED}
"""Outcomes of calls that were never sent. A cancelled call that may have been sent has an unconfirmed cost."""


@dataclass(frozen=True, slots=True)
class RunCosts:
    """The number, the tokens and the cost of a run's calls of language models, or of one model.

    `cost_usd` follows from the providers' usage figures. `unconfirmed_usd` is what calls without such figures may
    have cost in addition, and what providers state beyond it. `cache_hits` counts answers from the cache, which are
    no calls. Calls that are under way or were never sent count nowhere.
    """

    model_calls: int
    cost_usd: Decimal
    unconfirmed_usd: Decimal = Decimal(0)
    cache_hits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "RunCosts") -> "RunCosts":
        return RunCosts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run as a worker that joins it needs it. `state` is None until it has ended.

    `asked` is None for a run of a Winnow whose runs could not be joined.
    """

    name: str
    state: str | None
    settings: Mapping[str, Any]
    document_types: Mapping[str, str]
    asked: Mapping[str, Any] | None


NO_COSTS = RunCosts(0, Decimal(0))


@survives_outages
def start_run(
    database: Database,
    run_id: str,
    name: str,
    *,
    settings: Mapping[str, Any],
    types: Mapping[str, DocumentType],
    source: str,
    asked: Mapping[str, Any] | None = None,
) -> None:
    """Write the run's row, and content and texts of every type version that it may use.

    `asked` is for workers that join the run. A run that is resumed keeps the time of its first start.
    """
    started_at = now()
    versions = [
        {
            "version": document_type.version,
            "name": document_type.name,
            "content": document_type.model_dump(mode="json"),
            "first_used_at": started_at,
            "files": texts_of(document_type),
        }
        for document_type in types.values()
    ]
    row = {
        "run_id": run_id,
        "name": name,
        "source": source,
        "settings": dict(settings),
        "document_types": {document_type.name: document_type.version for document_type in types.values()},
        "started_at": started_at,
        "finished_at": None,
        "state": None,
        "message": None,
        "figures": None,
        "asked": None if asked is None else dict(asked),
    }
    upsert = database.insert(runs)
    replaced = {name: upsert.excluded[name] for name in row if name not in {"run_id", "started_at"}}
    with database.write() as connection:
        if versions:
            insert = database.insert(document_type_versions)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[document_type_versions.c.version],
                    set_={"files": insert.excluded.files},
                    where=and_(document_type_versions.c.files.is_(None), insert.excluded.files.is_not(None)),
                ),
                versions,
            )
        connection.execute(upsert.on_conflict_do_update(index_elements=[runs.c.run_id], set_=replaced), [row])


@survives_outages
def finish_run(
    database: Database, run_id: str, state: str, message: str, figures: Mapping[str, Any] | None = None
) -> None:
    """Write how the run ended, and the figures of its story, unless another process closed it as dead."""
    is_open = and_(runs.c.run_id == run_id, or_(runs.c.state.is_(None), runs.c.state != CRASHED))
    known = {} if figures is None else {"figures": dict(figures)}
    ended = update(runs).where(is_open).values(state=state, message=message, finished_at=now(), **known)
    with database.write() as connection:
        connection.execute(ended)


@survives_outages
def find_run(database: Database, run_id: str) -> OpenedRun | None:
    """A run as its first process opened it, and its state by now; None where the database does not have it."""
    query = select(*columns_of(runs, OpenedRun)).where(runs.c.run_id == run_id)
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else OpenedRun(*row)


@survives_outages
def run_counts(database: Database, run_id: str) -> tuple[RunCounts, int]:
    """The run's documents by outcome, and the number of documents without an outcome."""
    query = (
        select(run_documents.c.outcome, func.count())
        .where(run_documents.c.run_id == run_id)
        .group_by(run_documents.c.outcome)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    missing = sum(number for outcome, number in rows if outcome is None)
    ended = {outcome: number for outcome, number in rows if outcome is not None}
    return RunCounts.model_validate(ended | {"documents": sum(ended.values())}), missing


def run_costs(database: Database, run_id: str) -> RunCosts:
    """The number of the run's calls that have ended, and their exact cost."""
    return sum(costs_by_model(database, run_id).values(), NO_COSTS)


@survives_outages
def costs_by_model(database: Database, run_id: str) -> dict[str, RunCosts]:
    """The run's calls that have ended, by model, the dearest model first."""
    groups = _call_groups(database, run_id)
    costs = {name: _costs_of([row for row in groups if row.model == name]) for name in {row.model for row in groups}}
    return dict(sorted(costs.items(), key=lambda item: (-item[1].cost_usd, item[0])))


def _call_groups(database: Database, run_id: str) -> Sequence[Row[Any]]:
    """The ended calls in groups of equal model, outcome and cost, with the number of calls and of tokens.

    Costs are summed outside: SQLite, which keeps decimals as text, would sum them as binary floats.
    """
    call = model_calls.c
    equal = (call.model, call.outcome, call.cost_usd, call.unconfirmed_usd)
    sums = (func.sum(call.input_tokens).label("input_tokens"), func.sum(call.output_tokens).label("output_tokens"))
    query = (
        select(*equal, *sums, func.count().label("number"))
        .where(call.run_id == run_id, call.outcome != OPEN)
        .group_by(*equal)
    )
    with database.read() as connection:
        return connection.execute(query).all()


def _costs_of(groups: Sequence[Row[Any]]) -> RunCosts:
    sent = [row for row in groups if row.unconfirmed_usd or row.outcome not in NO_CALLS]
    return RunCosts(
        model_calls=sum(row.number for row in sent),
        cost_usd=sum((row.cost_usd * row.number for row in groups), Decimal(0)),
        unconfirmed_usd=sum((row.unconfirmed_usd * row.number for row in groups), Decimal(0)),
        cache_hits=sum(row.number for row in groups if row.outcome == CACHE_HIT),
        input_tokens=sum(row.input_tokens for row in sent),
        output_tokens=sum(row.output_tokens for row in sent),
    )


@survives_outages
def counts_by_type(database: Database, run_id: str) -> dict[str, dict[str, int]]:
    """The run's documents by type and outcome: {type: {outcome: number}}; documents without a type are `unknown`."""
    name = func.coalesce(documents.c.document_type, UNKNOWN_TYPE)
    query = (
        select(name, run_documents.c.outcome, func.count())
        .join(documents, documents.c.document_id == run_documents.c.document_id)
        .where(run_documents.c.run_id == run_id, run_documents.c.outcome.is_not(None))
        .group_by(name, run_documents.c.outcome)
        .order_by(name, run_documents.c.outcome)
    )
    counts: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for type_name, outcome, number in connection.execute(query):
            counts.setdefault(type_name, {})[outcome] = number
    return counts


@survives_outages
def waiting_kinds(database: Database, run_id: str) -> dict[str, int]:
    """How many of the run's documents have a provisional output, by kind of failure, the most frequent first."""
    output, member = stage_outputs.c, run_documents.c
    number = func.count(output.document_id.distinct()).label("number")
    is_in_run = exists().where(member.run_id == run_id, member.document_id == output.document_id)
    query = (
        select(output.failure_kind, number)
        # a literal, so that SQLite takes the index of the few provisional outputs; it does not start from a join's
        .where(output.state == literal_column(f"'{PROVISIONAL}'"), output.is_current, is_in_run)
        .group_by(output.failure_kind)
        .order_by(number.desc(), output.failure_kind)
    )
    with database.read() as connection:
        return {row.failure_kind: row.number for row in connection.execute(query)}


@survives_outages
def failure_kinds(database: Database, run_id: str) -> dict[str, int]:
    """How many of the run's documents failed with each kind, the most frequent first."""
    number = func.count(failures.c.document_id.distinct())
    query = (
        select(failures.c.kind, number)
        .join(run_documents, run_documents.c.document_id == failures.c.document_id)
        .where(run_documents.c.run_id == run_id, run_documents.c.outcome == "failed", failures.c.resolved_at.is_(None))
        .group_by(failures.c.kind)
        .order_by(number.desc(), failures.c.kind)
    )
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


@survives_outages
def failed_before(database: Database, run_id: str) -> dict[str, int]:
    """How many of the documents that failed in the run had an open failure when it began, by type."""
    name = func.coalesce(documents.c.document_type, UNKNOWN_TYPE)
    query = (
        select(name, func.count())
        .join_from(run_documents, documents, documents.c.document_id == run_documents.c.document_id)
        .join(runs, runs.c.run_id == run_documents.c.run_id)
        .where(run_documents.c.run_id == run_id, run_documents.c.outcome == "failed", FAILED_BEFORE)
        .group_by(name)
    )
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


@survives_outages
def types_written(database: Database, run_id: str) -> set[str]:
    """The document types of the results that the run wrote."""
    query = select(results.c.document_type).where(results.c.run_id == run_id).distinct()
    with database.read() as connection:
        return set(connection.execute(query).scalars())


def started_at(connection: Connection, run_id: str) -> datetime | None:
    """When the run began, or None where it has no row."""
    return connection.execute(_STARTED_AT, {"run_id": run_id}).scalar_one_or_none()


def set_outcomes(connection: Connection, run_id: str, outcomes: Mapping[str, str]) -> None:
    """Write how members of the run ended: {document_id: outcome}."""
    for outcome in sorted(set(outcomes.values())):
        ids = [id_ for id_, ended_as in outcomes.items() if ended_as == outcome]
        connection.execute(_SET_OUTCOME, {"b_run_id": run_id, "b_ids": ids, "b_outcome": outcome})


_earlier = failures.alias("earlier_failures").c
FAILED_BEFORE = exists().where(
    _earlier.document_id == run_documents.c.document_id,
    _earlier.first_at < runs.c.started_at,
    or_(_earlier.resolved_at.is_(None), _earlier.resolved_at >= runs.c.started_at),
)
"""Whether a member had an open failure when its run began, in queries of `run_documents` and `runs`."""

_STARTED_AT = select(runs.c.started_at).where(runs.c.run_id == bindparam("run_id"))

_SET_OUTCOME = (
    update(run_documents)
    .where(run_documents.c.run_id == bindparam("b_run_id"), in_list(run_documents.c.document_id, "b_ids"))
    .values(outcome=bindparam("b_outcome"))
)
