"""What is usual: how documents of earlier runs ended, what they cost, how fast models answered them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Float, cast, func, select

from blocks.database.engine import Database, now
from blocks.database.outages import survives_outages
from blocks.database.pipeline.runs import FAILED_BEFORE
from blocks.database.review.tables import review
from blocks.database.story.records import RunFigures
from blocks.database.tables import breakers, documents, failures, model_calls, results, run_documents, runs
from blocks.records import CACHE_HIT, OK, OPEN, UNKNOWN_TYPE, Status
from blocks.review.records import ItemStatus

EARLIER_RUNS = 20
EARLIER_CALLS = 1_000


@dataclass(frozen=True, slots=True)
class Share:
    """Of `documents` that were computed, how many ended in the same way, such as failed."""

    number: int
    documents: int


@survives_outages
def earlier_runs(database: Database, run_id: str) -> tuple[str, ...]:
    """The last runs that ended before this one began, the latest first."""
    began = select(runs.c.started_at).where(runs.c.run_id == run_id).scalar_subquery()
    query = (
        select(runs.c.run_id)
        .where(runs.c.started_at < began, runs.c.finished_at.is_not(None))
        .order_by(runs.c.started_at.desc())
        .limit(EARLIER_RUNS)
    )
    with database.read() as connection:
        return tuple(connection.execute(query).scalars())


@survives_outages
def shares(database: Database, run_ids: Sequence[str], outcome: str) -> dict[str, Share]:
    """By document type, how many of the documents that these runs computed had this outcome, by their kept figures.

    Documents that had failed before a run and failed again count nowhere. Documents of an unknown type are a share of
    all documents: a file that cannot be read has no type.
    """
    query = select(runs.c.figures).where(runs.c.run_id.in_(run_ids))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter, {UNKNOWN_TYPE: Counter()})
    with database.read() as connection:
        for figures in connection.execute(query).scalars():
            if figures is None:  # the run failed before it had any; NULL, and JSON's null in rows of older versions
                continue
            for each in RunFigures.model_validate(figures).types:
                counts[each.document_type].update(each.newly_by_status)
    of_types = {name: counted.total() - counted["skipped"] for name, counted in counts.items()}
    return {
        name: Share(
            number=counted[outcome],
            documents=sum(of_types.values()) if name == UNKNOWN_TYPE else of_types[name],
        )
        for name, counted in counts.items()
    }


@survives_outages
def commonest_failure(database: Database, run_id: str, document_type: str) -> str | None:
    """The kind that most documents of the type failed with in the run, of those that had not failed before."""
    name = func.coalesce(documents.c.document_type, UNKNOWN_TYPE)
    query = (
        select(failures.c.kind)
        .join(run_documents, run_documents.c.document_id == failures.c.document_id)
        .join(documents, documents.c.document_id == failures.c.document_id)
        .join(runs, runs.c.run_id == run_documents.c.run_id)
        .where(run_documents.c.run_id == run_id, run_documents.c.outcome == "failed", name == document_type)
        .where(failures.c.resolved_at.is_(None), ~FAILED_BEFORE)
        .group_by(failures.c.kind)
        .order_by(func.count().desc(), failures.c.kind)
        .limit(1)
    )
    with database.read() as connection:
        return connection.execute(query).scalar_one_or_none()


@survives_outages
def commonest_reason(database: Database, run_id: str, document_type: str) -> str | None:
    """The reason for which most documents of the type went to review in the run, as its last results say."""
    result = results.c
    query = (
        select(result.reasons)
        .where(result.run_id == run_id, result.document_type == document_type)
        .where(result.status == Status.IN_REVIEW, result.is_current)
        .limit(EARLIER_CALLS)
    )
    with database.read() as connection:
        counted = Counter(reason for reasons in connection.execute(query).scalars() for reason in reasons)
    return min(counted, key=lambda reason: (-counted[reason], reason), default=None)


@survives_outages
def spend_per_document(database: Database, run_ids: Sequence[str]) -> dict[str, float]:
    """By run, what models cost in USD per document that they were asked about. Runs without calls are left out."""
    call = model_calls.c
    query = (
        select(call.run_id, func.sum(cast(call.cost_usd, Float)), func.count(call.document_id.distinct()))
        .where(call.run_id.in_(run_ids), call.outcome.not_in((OPEN, CACHE_HIT)))
        .group_by(call.run_id)
    )
    with database.read() as connection:
        return {run_id: cost / number for run_id, cost, number in connection.execute(query)}


@survives_outages
def latencies_ms(database: Database, run_ids: Sequence[str], model: str) -> list[int]:
    """How long the last calls of the model in these runs took, of those that it answered."""
    call = model_calls.c
    query = (
        select(call.latency_ms)
        .where(call.run_id.in_(run_ids), call.model == model, call.outcome == OK)
        .order_by(call.call_id.desc())
        .limit(EARLIER_CALLS)
    )
    with database.read() as connection:
        return list(connection.execute(query).scalars())


@survives_outages
def reviews_past_due(database: Database) -> int:
    """How many review items wait longer than they should."""
    query = select(func.count()).where(review.c.status == ItemStatus.OPEN, review.c.due_at < now())
    with database.read() as connection:
        return connection.execute(query).scalar_one()


@survives_outages
def open_circuits(database: Database) -> dict[str, str]:
    """The circuits of models that are not closed, with the reason."""
    with database.read() as connection:
        return dict(connection.execute(select(breakers.c.key, breakers.c.why)).tuples().all())
