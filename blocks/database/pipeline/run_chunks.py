"""The chunks of a run, as workers claim them: any number of processes work one run together.

A worker's claim on a chunk lasts as long as its lease; then any worker of the run takes the chunk over. Documents have
claims of their own underneath (`claims`), and these alone decide who writes an outcome.

Near the end a claim takes a part of a chunk and leaves the rest, so that no worker holds up the others: of R documents
that are left for P claimants, ceil(R / P). This is guided self-scheduling: C. D. Polychronopoulos and D. J. Kuck,
"Guided Self-Scheduling: A Practical Scheduling Scheme for Parallel Supercomputers", IEEE Transactions on Computers
C-36(12), 1987.
"""

import math
import os
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, false, func, literal, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.claims import NO_WORKER, Worker
from blocks.database.pipeline.leases import live_workers_of
from blocks.database.tables import run_chunks, run_documents

MIN_DOCUMENTS = 10
"""No claim is smaller: the task runs and transactions of a chunk cost as much as a few documents."""


@dataclass(frozen=True, slots=True)
class ClaimedChunk:
    """A chunk that a worker has claimed. The run's chunks are numbered from 1 up to `of` at that time."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class ChunksLeft:
    """Which of a run's chunks are not done: whether there are any, and whether the asking worker may claim one."""

    any: bool
    free: bool


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """The chunks that a worker has done, and the documents in them."""

    worker_id: str
    host: str
    pid: int
    chunks: int
    documents: int


@survives_outages
def publish_chunks(database: Database, run_id: str) -> None:
    """Make every chunk of the run free, also those that an earlier attempt of the run has worked.

    A worker that still works on one goes on with the documents that it has claimed.
    """
    member = run_documents.c
    chunks = (
        select(literal(run_id), member.chunk, func.count(), literal(NO_WORKER), literal(""), literal(0), false())
        .where(member.run_id == run_id, member.chunk.is_not(None))
        .group_by(member.chunk)
    )
    names = ["run_id", "number", "documents", "worker_id", "host", "pid", "is_done"]
    upsert = database.insert(run_chunks).from_select(names, chunks)
    upsert = upsert.on_conflict_do_update(
        index_elements=[run_chunks.c.run_id, run_chunks.c.number],
        set_={name: upsert.excluded[name] for name in names[2:]},
    )
    with database.write() as connection:
        connection.execute(upsert)


@survives_outages
def chunk_totals(database: Database, run_id: str) -> tuple[int, int]:
    """The number of the run's chunks, and of the documents in them."""
    with database.read() as connection:
        number, documents = connection.execute(_TOTALS, {"run_id": run_id}).one()
    return int(number), int(documents or 0)


@survives_outages
def claim_chunk(
    database: Database, worker: Worker, *, slots: int = 1, worked: int | None = None
) -> ClaimedChunk | None:
    """Claim the next free chunk of the worker's run; None where all are claimed or done.

    The chunk `worked`, which the worker had claimed, is done. `slots`: how many chunks a worker works at once. On
    PostgreSQL nobody waits for another worker's claim.
    """
    me = {"run_id": worker.run_id, "b_run_id": worker.run_id, "b_worker": worker.worker_id}
    with database.write() as connection:
        if worked is not None:
            connection.execute(_END, me | {"b_number": worked})
        live = live_workers_of(connection, worker.run_id)
        free = {"run_id": worker.run_id, "live": live}
        share = _fair_share(connection, free, len(live) * slots) if len(live) > 1 else None
        row = connection.execute(_NEXT, free).first()
        if row is None:
            return None
        taken = {"b_number": row.number, "b_documents": row.documents}
        if share is not None and row.documents > share:
            taken["b_documents"] = share
            _leave_the_rest(database, connection, worker.run_id, row.number, share)
        connection.execute(_CLAIM, me | taken | {"b_host": socket.gethostname(), "b_pid": os.getpid()})
        return ClaimedChunk(row.number, connection.execute(_LAST, me).scalar_one())


@survives_outages
def end_chunk(database: Database, worker: Worker, number: int) -> None:
    """A chunk that the worker has claimed is done."""
    with database.write() as connection:
        names = {"b_run_id": worker.run_id, "b_worker": worker.worker_id, "b_number": number}
        connection.execute(_END, names)


@survives_outages
def chunks_left(database: Database, worker: Worker, held: Collection[int] | None = ()) -> ChunksLeft:
    """Which chunks of the worker's run are not done. It works on none but those `held`, which are unknown if None.

    A claim whose answer was lost, because the database went away, is released.
    """
    with database.read() as connection:
        rows = connection.execute(_LEFT, {"run_id": worker.run_id}).all()
        live = live_workers_of(connection, worker.run_id) if rows else set()
    ours = [row.number for row in rows if row.worker_id == worker.worker_id]
    lost = [] if held is None else [number for number in ours if number not in held]
    if lost:
        with database.write() as connection:
            for number in lost:
                names = {"b_run_id": worker.run_id, "b_worker": worker.worker_id, "b_number": number}
                connection.execute(_RELEASE, names)
    return ChunksLeft(bool(rows), bool(lost) or any(row.worker_id not in live for row in rows))


@survives_outages
def shares_of(database: Database, run_id: str) -> tuple[WorkerShare, ...]:
    """What each worker of the run has done, in the order of their first chunks."""
    with database.read() as connection:
        return tuple(WorkerShare(*row) for row in connection.execute(_SHARES, {"run_id": run_id}).all())


@survives_outages
def done_by_others(database: Database, worker: Worker) -> int:
    """How many documents are in chunks of the run that other workers have done."""
    with database.read() as connection:
        values = {"run_id": worker.run_id, "b_worker": worker.worker_id}
        done = connection.execute(_DONE_BY_OTHERS, values).scalar_one()
    return int(done or 0)


def _fair_share(connection: Connection, free: Mapping[str, object], claimants: int) -> int:
    """How many documents a claim takes at most: the part of one claimant in the documents that are free."""
    documents = sum(map(int, connection.execute(_FREE.limit(claimants), free).scalars()))
    return max(MIN_DOCUMENTS, math.ceil(documents / claimants))


def _leave_the_rest(database: Database, connection: Connection, run_id: str, number: int, kept: int) -> None:
    """Make a free chunk of all documents of a chunk but the first `kept` ones."""
    ids = connection.execute(_MEMBERS, {"run_id": run_id, "number": number}).scalars().all()
    rest = {"run_id": run_id, "documents": len(ids[kept:]), "worker_id": NO_WORKER, "host": "", "pid": 0}
    new = connection.execute(_LAST, {"run_id": run_id}).scalar_one() + 1
    insert = database.insert(run_chunks).on_conflict_do_nothing()
    while not connection.execute(insert, rest | {"number": new, "is_done": False}).rowcount:
        new += 1  # another worker has split a chunk at the same time
    connection.execute(_MOVE, {"b_run_id": run_id, "b_ids": ids[kept:], "b_chunk": new})


_chunk = run_chunks.c
_IN_RUN = _chunk.run_id == bindparam("run_id")
_IS_LEFT = and_(_IN_RUN, _chunk.is_done.is_(False))
_IS_FREE = and_(_IS_LEFT, ~in_list(_chunk.worker_id, "live"))
_IS_OURS = and_(
    _chunk.run_id == bindparam("b_run_id"),
    _chunk.number == bindparam("b_number"),
    _chunk.worker_id == bindparam("b_worker"),
)

_TOTALS = select(func.count(), func.sum(_chunk.documents)).where(_IN_RUN)
_LAST = select(func.max(_chunk.number)).where(_IN_RUN)
_LEFT = select(_chunk.number, _chunk.worker_id).where(_IS_LEFT)
_FREE = select(_chunk.documents).where(_IS_FREE).order_by(_chunk.number)
_NEXT = (
    select(_chunk.number, _chunk.documents)
    .where(_IS_FREE)
    .order_by(_chunk.number)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(run_chunks)
    .where(_chunk.run_id == bindparam("b_run_id"), _chunk.number == bindparam("b_number"))
    .values(
        worker_id=bindparam("b_worker"),
        host=bindparam("b_host"),
        pid=bindparam("b_pid"),
        documents=bindparam("b_documents"),
    )
)
_END = update(run_chunks).where(_IS_OURS).values(is_done=True)
_RELEASE = update(run_chunks).where(_IS_OURS, _chunk.is_done.is_(False)).values(worker_id=NO_WORKER)
_DONE_BY_OTHERS = select(func.sum(_chunk.documents)).where(
    _IN_RUN, _chunk.is_done, _chunk.worker_id != bindparam("b_worker")
)
_SHARES = (
    select(_chunk.worker_id, _chunk.host, _chunk.pid, func.count(), func.sum(_chunk.documents))
    .where(_IN_RUN, _chunk.is_done)
    .group_by(_chunk.worker_id, _chunk.host, _chunk.pid)
    .order_by(func.min(_chunk.number))
)
_MEMBERS = (
    select(run_documents.c.document_id)
    .where(run_documents.c.run_id == bindparam("run_id"), run_documents.c.chunk == bindparam("number"))
    .order_by(run_documents.c.document_id)
)
_MOVE = (
    update(run_documents)
    .where(run_documents.c.run_id == bindparam("b_run_id"), in_list(run_documents.c.document_id, "b_ids"))
    .values(chunk=bindparam("b_chunk"))
)
