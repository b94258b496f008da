"""The outputs of stages: one row per document, stage and fingerprint. A few statements handle a chunk.

A document has one current row in a stage: the row that was begun last, or that `make_current` chose last. Later stages
read current rows only. Only the worker that began a row writes it, and no worker begins a row that another live worker
claims.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.payloads import pack, unpack
from blocks.database.pipeline.chunk_state import (
    DONE,
    FAILED,
    PROVISIONAL,
    STARTED,
    USABLE,
    ChainLink,
    ChunkState,
    OutputRow,
    Todo,
)
from blocks.database.pipeline.claims import SeenRows, Worker, claimable
from blocks.database.pipeline.documents import lock_documents
from blocks.database.pipeline.leases import check_lease
from blocks.database.pipeline.sources import uris_of
from blocks.database.tables import columns_of, documents, stage_outputs
from blocks.records import OUTPUT_STAGES, Document, Outcome, Stage


@survives_outages
def load_chunk(database: Database, stage: Stage, document_ids: Sequence[str]) -> ChunkState:
    """The chunk's documents with the digests of their current upstream outputs, and the stage's own rows.

    Extract alone reads sources, so it alone gets places.
    """
    upstream = OUTPUT_STAGES[: OUTPUT_STAGES.index(stage)]
    digests: dict[str, dict[Stage, str]] = {}
    provisional: dict[str, dict[Stage, str]] = {}
    rows: dict[str, dict[str, OutputRow]] = {}
    begun: dict[str, str] = {}
    found: list[Any] = []
    with database.read() as connection:
        found += connection.execute(_DOCUMENTS, {"ids": document_ids}).all()
        places = uris_of(connection, document_ids) if stage is Stage.EXTRACT else {}
        names = {"ids": document_ids, "stage": stage.value, "upstream": [name.value for name in upstream]}
        for id_, name, digest, failure_kind, *row in connection.execute(_ROWS, names).all():
            if name == stage:
                rows.setdefault(id_, {})[row[0]] = OutputRow(*row)
                continue
            if row[1] in USABLE:
                digests.setdefault(id_, {})[_STAGES[name]] = digest
            elif row[1] == STARTED:
                begun[id_] = row[_WORKER_ID]
            if row[1] == PROVISIONAL:
                provisional.setdefault(id_, {})[_STAGES[name]] = failure_kind
    ready = tuple(
        replace(
            Document(*row),
            uri=uris[0],
            digests=digests.get(id_, {}),
            provisional=provisional.get(id_, {}),
            other_uris=tuple(uris[1:]),
            current=next((own.fingerprint for own in rows.get(id_, {}).values() if own.is_current), None),
        )
        for row in found
        if len(digests.get(id_ := row[0], ())) == len(upstream)
        for uris in [places.get(id_, [""])]
    )
    return ChunkState(ready, len(document_ids) - len(ready), rows, begun)


@survives_outages
def make_current(
    database: Database,
    stage: Stage,
    worker: Worker,
    state: ChunkState,
    fingerprints: Mapping[str, str],
    todo: Todo,
) -> None:
    """Make the row under today's fingerprint current for each document that has such a row and needs no work.

    Raises `LeaseLost` if the worker's lease was closed.
    """
    working = {document.document_id for document in todo}
    flipped = {
        document.document_id: row.fingerprint
        for document in state.ready
        if document.document_id not in working
        and (row := state.rows.get(document.document_id, {}).get(fingerprints[document.document_id])) is not None
        and not row.is_current
    }
    if not flipped:
        return
    with database.write() as connection:
        check_lease(connection, worker.worker_id)
        lock_documents(database, connection, flipped)
        _clear_current(connection, stage, flipped)
        connection.execute(_SET_CURRENT, [_row_key(stage, id_, flipped[id_]) for id_ in sorted(flipped)])
        if stage is Stage.CLASSIFY:
            payloads = load_payloads(connection, stage, sorted(flipped))
            _set_types(connection, {id_: _type_of(payload) for id_, payload in payloads.items()})


@survives_outages
def begin_attempts(
    database: Database,
    stage: Stage,
    worker: Worker,
    fingerprints: Mapping[str, str],
    *,
    solo: bool = False,
    seen: SeenRows | None = None,
    can_kill_worker: bool = True,
) -> frozenset[str]:
    """Count an attempt at each document {document_id: fingerprint} before it is worked; `solo` when worked alone.

    Counts begin at 1 for a new row and for a row that another run ended. If a document can kill its worker at this
    stage, they go on for a row whose worker died, in whichever run: such a document must not be tried for ever.
    Otherwise somebody else ended the worker, and they begin at 1.
    Returns the documents that were begun. Those that another live worker claims are not begun; nor, with `seen`, those
    whose row has changed since. Raises `LeaseLost` if the worker's lease was closed.
    """
    if not fingerprints:
        return frozenset()
    with database.write() as connection:
        check_lease(connection, worker.worker_id)
        lock_documents(database, connection, fingerprints)
        free = claimable(connection, stage, worker, fingerprints, seen)
        if free:
            entries = json.dumps({id_: fingerprints[id_] for id_ in fingerprints if id_ in free})
            begun = {"fingerprints": entries, "stage": stage.value, "solo": int(solo)} | asdict(worker)
            _clear_current(connection, stage, free)
            connection.execute(_begin_statement(database.is_sqlite, can_kill_worker), begun)
    return free


@survives_outages
def load_inputs(database: Database, chunk: Sequence[Document], reads: Sequence[Stage]) -> list[Document]:
    """The documents with the current payloads of the stages in `reads`."""
    if not reads:
        return list(chunk)
    payloads: dict[str, dict[Stage, bytes]] = {}
    with database.read() as connection:
        ids = [document.document_id for document in chunk]
        names = {"ids": ids, "stages": [stage.value for stage in reads]}
        for id_, name, payload in connection.execute(_PAYLOADS, names).all():
            payloads.setdefault(id_, {})[_STAGES[name]] = unpack(payload)
    return [replace(document, inputs=payloads.get(document.document_id, {})) for document in chunk]


@survives_outages
def write_outcomes(
    database: Database, stage: Stage, worker: Worker, outcomes: Sequence[Outcome], fingerprints: Mapping[str, str]
) -> dict[str, int]:
    """Write the outcomes of the attempts that `worker` began. Classify's answer also becomes the document's type.

    A late outcome is dropped where another worker has begun the row since, or the row has ended; but a payload replaces
    a failure.
    Returns the documents whose outcomes were written, and how many attempts were made at each.
    """
    by_id = {outcome.document_id: outcome for outcome in outcomes}
    if not by_id:
        return {}
    values = {id_: _written(outcome, worker.run_id) for id_, outcome in by_id.items()}
    done: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    attempts: dict[str, int] = {}
    with database.write() as connection:
        lock_documents(database, connection, by_id)
        names = {"ids": by_id, "stage": stage.value}
        for id_, fingerprint, state, begun_by, tried in connection.execute(_OWN_ROWS, names).all():
            if begun_by == worker.worker_id and fingerprint == fingerprints[id_] and _may_write(by_id[id_], state):
                group = done if by_id[id_].failure is None else other
                group.append(values[id_] | _row_key(stage, id_, fingerprint))
                attempts[id_] = tried
        if done:
            connection.execute(_WRITE_DONE, done)
        if other:
            connection.execute(_WRITE, other)
        if stage is Stage.CLASSIFY:
            payloads = ((row["b_document_id"], by_id[row["b_document_id"]].payload) for row in done + other)
            _set_types(connection, {id_: _type_of(payload) for id_, payload in payloads if payload is not None})
    return attempts


def load_chains(connection: Connection, document_ids: Sequence[str]) -> dict[str, dict[Stage, ChainLink]]:
    """The current row of every stage of these documents."""
    chains: dict[str, dict[Stage, ChainLink]] = {}
    for id_, name, *row in connection.execute(_CHAINS, {"ids": document_ids}).all():
        chains.setdefault(id_, {})[_STAGES[name]] = ChainLink(*row)
    return chains


def load_payloads(connection: Connection, stage: Stage, document_ids: Sequence[str]) -> dict[str, bytes]:
    """The current payloads of a stage."""
    payloads = {}
    for id_, _, payload in connection.execute(_PAYLOADS, {"ids": document_ids, "stages": [stage.value]}).all():
        payloads[id_] = unpack(payload)
    return payloads


@cache
def _begin_statement(is_sqlite: bool, can_kill_worker: bool) -> Any:
    """The statement that begins a chunk's rows. It reads {document_id: fingerprint} from a JSON parameter."""
    given = bindparam("fingerprints", type_=Text)
    entries = func.json_each(given) if is_sqlite else func.json_each_text(cast(given, JSON))
    entry = entries.table_valued("key", "value").alias("entry")
    begun: dict[str, Any] = {
        "document_id": entry.c.key,
        "stage": bindparam("stage", type_=Text),
        "fingerprint": entry.c.value,
        "state": literal_column(f"'{STARTED}'"),
        "is_current": true(),
        "attempts": literal_column("1"),
        "solo_attempts": bindparam("solo", type_=Integer),
        "run_id": bindparam("run_id", type_=Text),
        "worker_id": bindparam("worker_id", type_=Text),
        "updated_at": func.current_timestamp(),
    }
    # SQLite needs the WHERE to tell the conflict clause from a join's ON.
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(stage_outputs)
    insert = insert.from_select(list(begun), select(*begun.values()).where(literal_column("1") == literal_column("1")))
    new = insert.excluded
    restarts = and_(_row.state != STARTED, _row.run_id != new.run_id)
    if not can_kill_worker:
        restarts = or_(restarts, _row.state == STARTED)
    return insert.on_conflict_do_update(
        index_elements=[_row.document_id, _row.stage, _row.fingerprint],
        set_={
            **{name: new[name] for name in ("state", "is_current", "run_id", "worker_id", "updated_at")},
            **{
                name: case((restarts, new[name]), else_=_row[name] + new[name])
                for name in ("attempts", "solo_attempts")
            },
        },
    )


def _may_write(outcome: Outcome, state: str) -> bool:
    return state == STARTED or (state == FAILED and outcome.payload is not None)


def _written(outcome: Outcome, run_id: str) -> dict[str, Any]:
    output = {
        "digest": outcome.digest,
        "payload": None if outcome.payload is None else pack(outcome.payload),
        "duration_ms": outcome.duration_ms,
    }
    failure = outcome.failure
    if failure is None:
        return output
    return output | {
        "state": FAILED if outcome.payload is None else PROVISIONAL,
        "failure_kind": failure.kind,
        "failure_message": failure.message,
        "retry": failure.retry.value,
        "run_id": run_id,
    }


def _row_key(stage: Stage, document_id: str, fingerprint: str) -> dict[str, str]:
    return {"b_document_id": document_id, "b_stage": stage.value, "b_fingerprint": fingerprint}


def _clear_current(connection: Connection, stage: Stage, document_ids: Collection[str]) -> None:
    connection.execute(_CLEAR_CURRENT, {"b_ids": document_ids, "b_stage": stage.value})


def _type_of(payload: bytes) -> str:
    return str(json.loads(payload)["document_type"])


def _set_types(connection: Connection, types: Mapping[str, str]) -> None:
    for name in sorted(set(types.values())):
        ids = [id_ for id_, type_ in types.items() if type_ == name]
        connection.execute(_SET_TYPE, {"b_ids": ids, "b_type": name})


_STAGES = {stage.value: stage for stage in Stage}
_WORKER_ID = [field.name for field in fields(OutputRow)].index("worker_id")
_row = stage_outputs.c
# In the order of the first fields of `Document`.
_DOCUMENTS = select(
    documents.c.document_id,
    literal_column("''").label("uri"),
    documents.c.media_type,
    documents.c.size_bytes,
    documents.c.parent_id,
    documents.c.part,
    documents.c.given_type,
    documents.c.is_type_decided,
    documents.c.document_type,
).where(in_list(documents.c.document_id, "ids"))

_ROWS = select(
    _row.document_id, _row.stage, _row.digest, _row.failure_kind, *columns_of(stage_outputs, OutputRow)
).where(
    in_list(_row.document_id, "ids"),
    or_(_row.stage == bindparam("stage"), and_(_row.is_current, in_list(_row.stage, "upstream"))),
)

_OWN_ROWS = select(_row.document_id, _row.fingerprint, _row.state, _row.worker_id, _row.attempts).where(
    in_list(_row.document_id, "ids"), _row.stage == bindparam("stage")
)

_PAYLOADS = select(_row.document_id, _row.stage, _row.payload).where(
    in_list(_row.document_id, "ids"),
    in_list(_row.stage, "stages"),
    _row.is_current,
    _row.payload.is_not(None),
)

_CHAINS = select(_row.document_id, _row.stage, *columns_of(stage_outputs, ChainLink)).where(
    in_list(_row.document_id, "ids"), _row.is_current
)

_is_key = and_(
    _row.document_id == bindparam("b_document_id"),
    _row.stage == bindparam("b_stage"),
    _row.fingerprint == bindparam("b_fingerprint"),
)

# Values that all rows share are literals: each parameter of each row costs microseconds.
_OUTPUT: dict[str, Any] = {name: bindparam(name) for name in ("digest", "payload", "duration_ms")}
_FAILURE = ("failure_kind", "failure_message", "retry")

_WRITE_DONE = (
    update(stage_outputs)
    .where(_is_key)
    .values(
        _OUTPUT
        | {name: null() for name in _FAILURE}
        | {"state": literal_column(f"'{DONE}'"), "updated_at": func.current_timestamp()}
    )
)

_WRITE = (
    update(stage_outputs)
    .where(_is_key)
    .values(
        _OUTPUT
        | {name: bindparam(name) for name in (*_FAILURE, "state", "run_id")}
        | {"updated_at": func.current_timestamp()}
    )
)

_SET_CURRENT = update(stage_outputs).where(_is_key).values(is_current=True)

_CLEAR_CURRENT = (
    update(stage_outputs)
    .where(in_list(_row.document_id, "b_ids"), _row.stage == bindparam("b_stage"), _row.is_current)
    .values(is_current=False)
)

_SET_TYPE = (
    update(documents)
    .where(
        in_list(documents.c.document_id, "b_ids"),
        documents.c.document_type.is_distinct_from(bindparam("b_type")),
    )
    .values(document_type=bindparam("b_type"))
)
