"""The history of a document: its results, its audit trail, the runs that read it, the steps of its route, its calls."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, select

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.models.tables import model_call_examples
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.database.review.item_content import load_item
from blocks.database.review.tables import review, review_answers, review_events
from blocks.database.tables import document_type_versions, documents, model_calls, results, runs, stage_outputs
from blocks.document_types.schema import DocumentType, RouteStep
from blocks.errors import DocumentUnknown
from blocks.records import Record, Scoring, Stage, StepTrace
from blocks.review.history import HIDDEN, Change, Entry, Version, hidden_entries, hides_values, without_values
from blocks.review.records import Item

MAX_VERSIONS = 20
MAX_CALLS = 200


class RunOfDocument(Record):
    """A run that made a result, a stage's output or an event of the document."""

    run_id: str
    name: str
    source: str
    state: str | None
    started_at: datetime
    finished_at: datetime | None
    type_version: str | None


class StageOfDocument(Record):
    """The current output of a stage."""

    stage: str
    state: str
    attempts: int
    duration_ms: int | None
    failure_kind: str | None
    run_id: str
    updated_at: datetime


class CallOfDocument(Record):
    """An attempt at a model. `examples` are the ids of the decided documents that it was shown."""

    called_at: datetime
    run_id: str
    model: str
    model_version: str
    step: int
    attempt: int
    outcome: str
    input_tokens: int
    output_tokens: int
    latency_ms: int
    cost_usd: Decimal
    unconfirmed_usd: Decimal
    examples: tuple[str, ...] = ()


class History(Record):
    """All that is known of how a document came to its result. Versions and events are in the order of time.

    `hides_values`: a blind audit is open, so no value, no confidence and no reason is in it. `trace` says what came of
    the `route`, which is that of the type's version of the last run. There are at most the newest `MAX_VERSIONS`
    results and `MAX_CALLS` calls; the counts and sums are of all.
    """

    document_id: str
    document_type: str
    uris: tuple[str, ...]
    items: tuple[Item, ...]
    hides_values: bool
    versions: tuple[Version, ...]
    version_count: int
    entries: tuple[Entry, ...]
    runs: tuple[RunOfDocument, ...]
    stages: tuple[StageOfDocument, ...]
    route: tuple[RouteStep, ...]
    trace: tuple[StepTrace, ...]
    read_by: str
    calls: tuple[CallOfDocument, ...]
    call_count: int
    cost_usd: Decimal
    unconfirmed_usd: Decimal


@survives_outages
def load_history(database: Database, document_id: str, name: str) -> History:
    """The document's history, as the person of that name may see it now. Raises `DocumentUnknown`."""
    with database.read() as connection:
        if connection.execute(_DOCUMENT, {"id": document_id}).first() is None:
            raise DocumentUnknown(document_id)
        ids = connection.execute(_ITEM_IDS, {"id": document_id}).scalars().all()
        items = tuple(load_item(connection, review_id) for review_id in ids)
        is_hidden = hides_values(items)
        entries = _entries(connection, document_id)
        secret = hidden_entries(items, entries, name)
        versions, version_count = _versions(connection, document_id)
        hidden = {entry.hash for entry in entries if entry.event_id in secret}
        shown = [
            without_values(version) if is_hidden or version.fingerprint in hidden else version for version in versions
        ]
        stages = _stages(connection, document_id)
        run_ids = {version.run_id for version in versions} | {stage.run_id for stage in stages}
        run_ids |= {entry.run_id for entry in entries if entry.run_id is not None}
        document_type = versions[-1].document_type if versions else (items[-1].document_type if items else "")
        known_runs = _runs(connection, run_ids, document_type)
        scoring = _scoring(connection, document_id)
        calls, total = _calls(connection, document_id)
        return History(
            document_id=document_id,
            document_type=document_type,
            uris=tuple(uris_of(connection, [document_id])[document_id]),
            items=items,
            hides_values=is_hidden,
            versions=tuple(shown),
            version_count=version_count,
            entries=tuple(entry.model_copy(update=HIDDEN) if entry.event_id in secret else entry for entry in entries),
            runs=known_runs,
            stages=stages,
            route=_route(connection, known_runs),
            trace=() if scoring is None or is_hidden else scoring.steps,
            read_by="" if scoring is None else scoring.model,
            calls=calls[-MAX_CALLS:],
            call_count=len(calls),
            cost_usd=sum((cost for cost, _ in total), Decimal(0)),
            unconfirmed_usd=sum((unconfirmed for _, unconfirmed in total), Decimal(0)),
        )


def _versions(connection: Connection, document_id: str) -> tuple[list[Version], int]:
    rows = connection.execute(_VERSIONS, {"id": document_id}).mappings().all()
    count = connection.execute(_VERSION_COUNT, {"id": document_id}).scalar_one()
    return [Version.model_validate(dict(row)) for row in reversed(rows)], count


def _entries(connection: Connection, document_id: str) -> list[Entry]:
    changed: dict[int, list[Change]] = {}
    for event_id, field, before, after in connection.execute(_ANSWERS, {"id": document_id}):
        if before != after:
            changed.setdefault(event_id, []).append(Change(field=field, before=before, after=after))
    rows = connection.execute(_EVENTS, {"id": document_id}).mappings()
    return [Entry.model_validate(dict(row) | {"changes": changed.get(row["event_id"], ())}) for row in rows]


def _stages(connection: Connection, document_id: str) -> tuple[StageOfDocument, ...]:
    order = list(Stage)
    rows = [
        StageOfDocument.model_validate(dict(row)) for row in connection.execute(_STAGES, {"id": document_id}).mappings()
    ]
    return tuple(sorted(rows, key=lambda row: order.index(Stage(row.stage))))


def _runs(connection: Connection, run_ids: set[str], document_type: str) -> tuple[RunOfDocument, ...]:
    found = connection.execute(_RUNS, {"ids": run_ids}).mappings()
    known = []
    for row in found:
        version = (row["document_types"] or {}).get(document_type)
        content = {name: row[name] for name in row if name != "document_types"}
        known.append(RunOfDocument.model_validate(content | {"type_version": version}))
    return tuple(known)


def _route(connection: Connection, known_runs: tuple[RunOfDocument, ...]) -> tuple[RouteStep, ...]:
    """The route of the type's version that the last run used; empty where that version cannot be read any more."""
    versions = [run.type_version for run in known_runs if run.type_version is not None]
    content: JsonValue = None
    if versions:
        content = connection.execute(_TYPE_VERSION, {"version": versions[-1]}).scalar_one_or_none()
    return DocumentType.model_validate(content).route if content is not None else ()


def _scoring(connection: Connection, document_id: str) -> Scoring | None:
    payload = load_payloads(connection, Stage.SCORE, [document_id]).get(document_id)
    return None if payload is None else Scoring.model_validate_json(payload)


def _calls(
    connection: Connection, document_id: str
) -> tuple[tuple[CallOfDocument, ...], list[tuple[Decimal, Decimal]]]:
    shown: defaultdict[str, list[str]] = defaultdict(list)
    for call_key, example in connection.execute(_EXAMPLES, {"id": document_id}):
        shown[call_key].append(example)
    rows = [dict(row) for row in connection.execute(_CALLS, {"id": document_id}).mappings()]
    calls = tuple(CallOfDocument.model_validate({"examples": shown[row.pop("call_key")]} | row) for row in rows)
    return calls, [(call.cost_usd, call.unconfirmed_usd) for call in calls]


_DOCUMENT = select(documents.c.document_id).where(documents.c.document_id == bindparam("id"))

_ITEM_IDS = select(review.c.review_id).where(review.c.document_id == bindparam("id")).order_by(review.c.review_id)

_OWN = results.c.document_id == bindparam("id")
_VERSIONS = (
    select(*(results.c[name] for name in Version.model_fields))
    .where(_OWN)
    .order_by(results.c.created_at.desc(), results.c.is_current)
    .limit(MAX_VERSIONS)
)
_VERSION_COUNT = select(func.count()).select_from(results).where(_OWN)

_OF_DOCUMENT = review_events.join(review, review.c.review_id == review_events.c.review_id)
_EVENTS = (
    select(*(review_events.c[name] for name in Entry.model_fields if name != "changes"))
    .select_from(_OF_DOCUMENT)
    .where(review.c.document_id == bindparam("id"))
    .order_by(review_events.c.event_id)
)

_ANSWERS = (
    select(*(review_answers.c[name] for name in ("event_id", "field", "shown", "decided")))
    .join_from(review_answers, review, review.c.review_id == review_answers.c.review_id)
    .where(review.c.document_id == bindparam("id"))
    .order_by(review_answers.c.event_id, review_answers.c.field)
)

_STAGES = select(*(stage_outputs.c[name] for name in StageOfDocument.model_fields)).where(
    stage_outputs.c.document_id == bindparam("id"), stage_outputs.c.is_current
)

_RUNS = (
    select(*(runs.c[name] for name in RunOfDocument.model_fields if name != "type_version"), runs.c.document_types)
    .where(in_list(runs.c.run_id, "ids"))
    .order_by(runs.c.started_at)
)

_TYPE_VERSION = select(document_type_versions.c.content).where(document_type_versions.c.version == bindparam("version"))

_CALLS = (
    select(*(model_calls.c[name] for name in CallOfDocument.model_fields if name != "examples"), model_calls.c.call_key)
    .where(model_calls.c.document_id == bindparam("id"))
    .order_by(model_calls.c.called_at, model_calls.c.call_id)
)

_EXAMPLES = (
    select(model_call_examples.c.call_key, model_call_examples.c.document_id)
    .join_from(model_call_examples, model_calls, model_calls.c.call_key == model_call_examples.c.call_key)
    .where(model_calls.c.document_id == bindparam("id"))
    .order_by(model_call_examples.c.call_key, model_call_examples.c.position)
)
