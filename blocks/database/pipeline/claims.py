"""Claims: a worker claims a document at a stage by beginning its row of `stage_outputs`.

No table holds claims. A `started` row is a claim of the worker that began it, for as long as that worker's lease lasts.
Then any worker may claim the document. `worker_id` is the claim's fencing token: only the worker that it names writes
the row's outcome.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.chunk_state import STARTED, ChainLink, ChunkState, OutputRow
from blocks.database.pipeline.documents import lock_documents
from blocks.database.pipeline.leases import live_workers
from blocks.database.tables import columns_of, runs, stage_outputs, workers
from blocks.records import Stage

NO_WORKER = ""
"""The worker of a `started` row whose claim was released."""

SeenRows = Mapping[str, Mapping[str, OutputRow]]
"""A stage's rows by document id and fingerprint, at the time when a worker decided what to do."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of a run. `worker_id` is the id of its lease."""

    run_id: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class Claimant:
    """Another live worker, with the documents of ours that it has claimed, and the time of its oldest claim on them."""

    run_id: str
    run_name: str
    host: str
    pid: int
    since: datetime
    document_ids: frozenset[str]


def claimable(
    connection: Connection,
    stage: Stage,
    worker: Worker,
    fingerprints: Mapping[str, str],
    seen: SeenRows | None,
) -> frozenset[str]:
    """The documents that no other live worker has claimed.

    With `seen`, only those whose row is the same as when it was seen.
    """
    rows: dict[str, OutputRow] = {}
    for id_, *row in connection.execute(_ROWS, {"ids": fingerprints, "stage": stage.value}).all():
        if row[0] == fingerprints[id_]:
            rows[id_] = OutputRow(*row)
    others = {row.worker_id for row in rows.values() if row.state == STARTED} - {worker.worker_id}
    live = live_workers(connection, others)

    def is_claimable(id_: str) -> bool:
        row = rows.get(id_)
        if row is not None and row.state == STARTED and row.worker_id in live:
            return False
        return seen is None or _is_unchanged(row, seen.get(id_, {}).get(fingerprints[id_]))

    return frozenset(id_ for id_ in fingerprints if is_claimable(id_))


@survives_outages
def claimed_elsewhere(
    database: Database, worker: Worker, state: ChunkState, fingerprints: Mapping[str, str]
) -> frozenset[str]:
    """The documents that another live worker has claimed, at this stage or at an earlier stage."""
    rows = {id_: state.rows.get(id_, {}).get(fingerprint) for id_, fingerprint in fingerprints.items()}
    claims = {id_: row.worker_id for id_, row in rows.items() if row is not None and row.state == STARTED}
    claims |= state.begun_before
    others = set(claims.values()) - {worker.worker_id, NO_WORKER}
    if not others:
        return frozenset()
    with database.read() as connection:
        live = live_workers(connection, others)
    return frozenset(id_ for id_, claimant in claims.items() if claimant in live)


def claimed_in_chains(
    connection: Connection, worker: Worker, chains: Mapping[str, Mapping[Stage, ChainLink]]
) -> frozenset[str]:
    """The documents that another live worker has claimed at any stage."""
    claims = {
        id_: {link.worker_id for link in chain.values() if link.state == STARTED} - {worker.worker_id}
        for id_, chain in chains.items()
    }
    live = live_workers(connection, set().union(*claims.values()))
    return frozenset(id_ for id_, claimants in claims.items() if claimants & live)


@survives_outages
def claimants(database: Database, worker: Worker, document_ids: Collection[str]) -> tuple[Claimant, ...]:
    """The other live workers that have claimed some of these documents, the longest first."""
    with database.read() as connection:
        rows = connection.execute(_CLAIMS, {"ids": document_ids, "b_worker": worker.worker_id}).all()
        live = live_workers(connection, {row.worker_id for row in rows})
        of_live = [row for row in rows if row.worker_id in live]
    found = []
    for worker_id in live:
        own = [row for row in of_live if row.worker_id == worker_id]
        since, documents = min(row.updated_at for row in own), frozenset(row.document_id for row in own)
        found.append(Claimant(own[0].run_id, own[0].name or "", own[0].host, own[0].pid, since, documents))
    return tuple(sorted(found, key=lambda claimant: claimant.since))


@survives_outages
def release_attempts(
    database: Database, stage: Stage, worker: Worker, document_ids: Collection[str], *, solo: bool
) -> None:
    """Release the worker's claims at a stage and take back their attempts: the work was stopped, no worker died."""
    with database.write() as connection:
        lock_documents(database, connection, document_ids)
        values = {"b_ids": document_ids, "b_worker": worker.worker_id, "b_stage": stage.value, "b_solo": int(solo)}
        connection.execute(_RELEASE_ATTEMPTS, values)


def release_leftovers(
    database: Database, connection: Connection, worker: Worker, document_ids: Collection[str]
) -> None:
    """Release what the worker has claimed of these documents and does not work on; the attempts keep counting.

    Otherwise two live workers could each wait for a claim of the other.
    """
    if connection.execute(_LEFTOVERS, {"ids": document_ids, "b_worker": worker.worker_id}).first() is not None:
        lock_documents(database, connection, document_ids)
        connection.execute(_RELEASE_LEFTOVERS, {"b_ids": document_ids, "b_worker": worker.worker_id})


@survives_outages
def release_leftovers_of(database: Database, worker: Worker, document_ids: Collection[str]) -> None:
    """As `release_leftovers`, in a transaction of its own."""
    with database.write() as connection:
        release_leftovers(database, connection, worker, document_ids)


def _is_unchanged(row: OutputRow | None, seen: OutputRow | None) -> bool:
    return bool(_trace(row) == _trace(seen))


def _trace(row: OutputRow | None) -> Any:
    return row and (row.state, row.run_id, row.worker_id, row.attempts, row.solo_attempts)


_row = stage_outputs.c

_ROWS = select(_row.document_id, *columns_of(stage_outputs, OutputRow)).where(
    in_list(_row.document_id, "ids"), _row.stage == bindparam("stage")
)

_CLAIMS = (
    select(
        _row.document_id,
        _row.worker_id,
        _row.updated_at,
        workers.c.run_id,
        workers.c.host,
        workers.c.pid,
        runs.c.name,
    )
    .join(workers, workers.c.worker_id == _row.worker_id)
    .outerjoin(runs, runs.c.run_id == workers.c.run_id)
    .where(
        in_list(_row.document_id, "ids"),
        _row.state == STARTED,
        _row.is_current,
        _row.worker_id != bindparam("b_worker"),
    )
)

_LEFTOVERS = (
    select(_row.document_id)
    .where(in_list(_row.document_id, "ids"), _row.state == STARTED, _row.worker_id == bindparam("b_worker"))
    .limit(1)
)

_RELEASE_LEFTOVERS = (
    update(stage_outputs)
    .where(in_list(_row.document_id, "b_ids"), _row.state == STARTED, _row.worker_id == bindparam("b_worker"))
    .values(worker_id=NO_WORKER)
)

_RELEASE_ATTEMPTS = (
    update(stage_outputs)
    .where(
        in_list(_row.document_id, "b_ids"),
        _row.stage == bindparam("b_stage"),
        _row.state == STARTED,
        _row.worker_id == bindparam("b_worker"),
    )
    .values(worker_id=NO_WORKER, attempts=_row.attempts - 1, solo_attempts=_row.solo_attempts - bindparam("b_solo"))
)
