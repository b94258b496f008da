"""What a plan reads: the selected documents with their outputs, the versions that they were computed under, the ledger.

Nothing here writes. All functions of a plan read in one snapshot, so that its numbers fit together.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Row,
    and_,
    bindparam,
    case,
    cast,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
)

from blocks.backfill.plan import Terms
from blocks.backfill.selection import Selection
from blocks.database.in_list import in_list
from blocks.database.metadata import metadata
from blocks.database.pipeline.chunk_state import DONE, FAILED, PROVISIONAL
from blocks.database.pipeline.documents import SKIPPED
from blocks.database.pipeline.selected import NEWEST_FIRST, conditions, outcome_at_once
from blocks.database.tables import (
    document_type_versions,
    documents,
    model_calls,
    results,
    run_documents,
    runs,
    stage_outputs,
)
from blocks.records import CACHE_HIT, CANCELLED, LIMITS_REACHED, LOST, MODELS_PAUSED, OK, OPEN, TEST_LANE

NEWEST_CALLS = 20_000
"""So many of the newest calls are looked at for what calls cost."""


class SelectedDocument(NamedTuple):
    """A selected document, with what its current result says.

    `outcome` is set for a document that the run leaves out: `skipped`, or `failed` if it could not be read.
    """

    document_id: str
    media_type: str
    given_type: str | None
    is_type_decided: bool
    document_type: str | None
    outcome: str | None
    is_decided: bool
    has_open_item: bool
    result_type: str | None
    result_run: str | None


class OutputKey(NamedTuple):
    """A row of `stage_outputs` of a selected document; `detail` is the retry of a failure, or the failure's kind of a
    provisional output."""

    document_id: str
    stage: str
    fingerprint: str
    state: str
    is_current: bool
    digest: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class StoredType:
    """A version of a type as it was read; `files` has the texts of its files where they were stored."""

    content: Mapping[str, Any]
    files: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class CallsOfType:
    """What the ledger has of a type's documents: calls and cost of each that called models, and how many did not.

    `tokens` are the input and output tokens of the calls. `has_examples`: one of them was shown decided documents.
    """

    calls: tuple[int, ...]
    costs_usd: tuple[Decimal, ...]
    without_calls: int
    tokens: tuple[tuple[int, int], ...]
    has_examples: bool = False


def selected_documents(
    connection: Connection, selection: Selection, terms: Terms, pipeline_digest: str
) -> list[SelectedDocument]:
    """The documents of a selection, the newest first.

    Those that a person decided are `is_decided`, except where a person gave them a type that no run has read yet.
    """
    current = results.alias("current")  # conditions have subqueries on the table itself
    review = metadata.tables["review"]
    has_open_item = exists().where(review.c.document_id == documents.c.document_id, review.c.status == "open")
    is_decided: ColumnElement[bool] = and_(current.c.decided_by.is_not(None), documents.c.settled_under.is_not(None))
    of_document = and_(current.c.document_id == documents.c.document_id, current.c.is_current)
    query = (
        select(
            documents.c.document_id,
            documents.c.media_type,
            documents.c.given_type,
            documents.c.is_type_decided,
            documents.c.document_type,
            outcome_at_once(terms.rerun, pipeline_digest, reopen=terms.reopen),
            func.coalesce(is_decided, literal_column("false")),
            has_open_item,
            current.c.document_type,
            current.c.run_id,
        )
        .select_from(documents.outerjoin(current, of_document))
        .where(*conditions(selection, pipeline_digest))
        .order_by(*NEWEST_FIRST)
        .limit(selection.limit)
    )
    return [SelectedDocument._make(row) for row in connection.execute(query).all()]


def output_keys(connection: Connection, document_ids: Collection[str]) -> dict[str, list[OutputKey]]:
    """The rows of `stage_outputs` of these documents, without payloads."""
    found: dict[str, list[OutputKey]] = {}
    for row in connection.execute(_OUTPUT_KEYS, {"ids": document_ids}).all():  # one by one takes twice as long
        found.setdefault(row[0], []).append(OutputKey._make(row))
    return found


def versions_of_runs(connection: Connection, run_ids: Collection[str]) -> dict[str, Mapping[str, str]]:
    """The type versions that runs worked under: {run_id: {type: version}}."""
    return dict(connection.execute(_VERSIONS_OF_RUNS, {"ids": run_ids}).tuples().all())


def stored_types(connection: Connection, versions: Collection[str]) -> dict[str, StoredType]:
    """Versions of types by their digest."""
    found = connection.execute(_STORED_TYPES, {"versions": versions})
    return {version: StoredType(content, files) for version, content, files in found}


def mean_durations_ms(connection: Connection, document_ids: Sequence[str]) -> dict[str, float]:
    """How long each stage took on average for these documents, in milliseconds."""
    return dict(connection.execute(_DURATIONS, {"ids": document_ids, "state": DONE}).tuples().all())


def calls_of_type(connection: Connection, document_type: str, models: Collection[str]) -> CallsOfType:
    """What the newest calls of these models for documents of a type cost, per document and run.

    A document that waited for a model, or whose worker died, is left out: its calls do not say what computing it costs.
    """
    sent: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    waited: set[tuple[str, str]] = set()
    for row in connection.execute(_CALLS, {"type": document_type, "models": models}).all():
        if row.outcome not in _NOT_SENT:
            sent[row.run_id, row.document_id].append(row)
        waited.add((row.run_id, row.document_id))
    answered = {pair: calls for pair, calls in sent.items() if any(map(_is_answered, calls))}
    run_ids = {run_id for run_id, _ in answered}
    waited = {pair for pair in waited - answered.keys() if pair[0] in run_ids}
    names = {"ids": run_ids, "type": document_type, "skipped": SKIPPED}
    computed = connection.execute(_COMPUTED, names).scalar_one() if answered else 0
    return CallsOfType(
        calls=tuple(map(len, answered.values())),
        costs_usd=tuple(
            sum((call.cost_usd + call.unconfirmed_usd for call in calls), Decimal(0)) for calls in answered.values()
        ),
        without_calls=max(0, computed - len(answered) - len(waited)),
        tokens=tuple((call.input_tokens, call.output_tokens) for calls in answered.values() for call in calls),
        has_examples=any(call.has_examples for calls in answered.values() for call in calls),
    )


def _is_answered(call: Row[Any]) -> bool:
    """Whether a model answered, or may have: a provider that is away uses no tokens."""
    return bool(call.outcome == OK or call.input_tokens + call.output_tokens > 0 or call.unconfirmed_usd > 0)


_output = stage_outputs.c
# Payloads of SQLite stand before these last columns: they are read only where a row has no payload, or is rare.
_OUTPUT_KEYS = select(
    _output.document_id,
    _output.stage,
    _output.fingerprint,
    _output.state,
    _output.is_current,
    _output.digest,
    case(
        (_output.state == literal_column(f"'{DONE}'"), None),
        (_output.state == literal_column(f"'{PROVISIONAL}'"), _output.failure_kind),
        (_output.state == literal_column(f"'{FAILED}'"), _output.retry),
        else_=None,
    ),
).where(in_list(_output.document_id, "ids"))

_VERSIONS_OF_RUNS = select(runs.c.run_id, runs.c.document_types).where(in_list(runs.c.run_id, "ids"))

_type = document_type_versions.c
_STORED_TYPES = select(_type.version, _type.content, _type.files).where(in_list(_type.version, "versions"))

_DURATIONS = (
    select(_output.stage, cast(func.avg(_output.duration_ms), Float))
    .where(in_list(_output.document_id, "ids"), _output.state == bindparam("state"), _output.is_current)
    .group_by(_output.stage)
)

_NOT_SENT = (OPEN, CANCELLED, LIMITS_REACHED, MODELS_PAUSED, LOST)
"""Calls that were not sent; and those whose worker died, at the most that they may have cost: no run plans for that."""
_examples = table("model_call_examples", column("call_key"))  # its own module imports this room
_newest = select(model_calls).order_by(model_calls.c.call_id.desc()).limit(NEWEST_CALLS).subquery()
_CALLS = (
    select(
        _newest.c.run_id,
        _newest.c.document_id,
        _newest.c.outcome,
        _newest.c.cost_usd,
        _newest.c.unconfirmed_usd,
        _newest.c.input_tokens,
        _newest.c.output_tokens,
        exists().where(_examples.c.call_key == _newest.c.call_key).label("has_examples"),
    )
    .join(documents, documents.c.document_id == _newest.c.document_id)
    .where(
        documents.c.document_type == bindparam("type"),
        in_list(_newest.c.model, "models"),
        _newest.c.lane != TEST_LANE,
        _newest.c.outcome != CACHE_HIT,
    )
)

_COMPUTED = (
    select(func.count())
    .select_from(run_documents.join(documents, documents.c.document_id == run_documents.c.document_id))
    .where(
        in_list(run_documents.c.run_id, "ids"),
        documents.c.document_type == bindparam("type"),
        run_documents.c.outcome != bindparam("skipped"),
    )
)
