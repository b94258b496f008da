"""Chunks of a run that several workers claim: each is one worker's, until that dies; near the end they are split."""

import threading
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import update

from blocks.database.engine import Database, now
from blocks.database.pipeline import run_chunks
from blocks.database.pipeline.claims import Worker
from blocks.database.pipeline.documents import chunk_document_ids, record_batch
from blocks.database.pipeline.leases import hold_lease
from blocks.database.pipeline.run_chunks import ChunksLeft
from blocks.database.tables import workers
from blocks.records import Rerun
from tests.doubles.scripted_stages import found

ONE, TWO = Worker("run", "one"), Worker("run", "two")
NONE_LEFT = ChunksLeft(any=False, free=False)


@pytest.fixture
def leases(database: Database) -> "dict[str, ExitStack]":
    """The leases of both workers, by their ids."""
    held = {worker.worker_id: ExitStack() for worker in (ONE, TWO)}
    for worker_id, stack in held.items():
        stack.enter_context(hold_lease(database, "run", worker_id=worker_id))
    return held


def publish(database: Database, documents: int, chunk_size: int) -> None:
    batch = [found(f"document {number}") for number in range(documents)]
    record_batch(database, "run", batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=chunk_size)
    run_chunks.publish_chunks(database, "run")


def end_lease(database: Database, worker: Worker) -> None:
    """As after a kill on another machine: the row stays, and its time is over."""
    with database.write() as connection:
        ended = update(workers).where(workers.c.worker_id == worker.worker_id)
        connection.execute(ended.values(expires_at=now() - timedelta(seconds=1)))


def work_all(database: Database, worker: Worker, worked: list[tuple[str, ...]]) -> None:
    claimed = run_chunks.claim_chunk(database, worker)
    while claimed is not None:
        worked.append(chunk_document_ids(database, "run", claimed.number))
        claimed = run_chunks.claim_chunk(database, worker, worked=claimed.number)


@pytest.mark.usefixtures("leases")
def test_workers_side_by_side_get_each_document_once(database: Database) -> None:
    publish(database, 300, 25)
    worked: dict[str, list[tuple[str, ...]]] = {"one": [], "two": []}
    threads = [
        threading.Thread(target=work_all, args=(database, worker, worked[worker.worker_id]))
        for worker in (ONE, TWO)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [id_ for chunks in worked.values() for chunk in chunks for id_ in chunk]
    assert len(ids) == len(set(ids)) == 300
    assert run_chunks.chunks_left(database, ONE) == NONE_LEFT
    shares = run_chunks.shares_of(database, "run")
    assert {share.worker_id: share.documents for share in shares} == {
        name: sum(map(len, chunks)) for name, chunks in worked.items() if chunks
    }
    assert run_chunks.done_by_others(database, ONE) == sum(map(len, worked["two"]))


def test_near_the_end_a_claim_takes_its_share_and_leaves_the_rest(
    database: Database, leases: dict[str, ExitStack]
) -> None:
    publish(database, 200, 100)
    claims = [run_chunks.claim_chunk(database, worker) for worker in (ONE, TWO) * 4]
    sizes = [len(chunk_document_ids(database, "run", claimed.number)) for claimed in claims if claimed]
    assert sizes == [100, 50, 25, 13, 10, 2], "half of what is free, at least 10"
    assert run_chunks.chunk_totals(database, "run") == (6, 200)
    leases["two"].close()
    run_chunks.publish_chunks(database, "run")
    assert run_chunks.claim_chunk(database, ONE, slots=3) == run_chunks.ClaimedChunk(1, 6)
    ids = chunk_document_ids(database, "run", 1)
    assert len(ids) == 100, "a run with a single worker splits nothing"


@pytest.mark.usefixtures("leases")
def test_the_chunks_of_a_dead_worker_are_taken_over_and_it_ends_none_of_them(database: Database) -> None:
    publish(database, 4, 2)
    assert run_chunks.claim_chunk(database, ONE) is not None
    second = run_chunks.claim_chunk(database, TWO)
    assert second is not None
    assert run_chunks.claim_chunk(database, TWO) is None
    assert run_chunks.chunks_left(database, TWO, {second.number}) == ChunksLeft(any=True, free=False)
    end_lease(database, ONE)
    assert run_chunks.chunks_left(database, TWO, {second.number}) == ChunksLeft(any=True, free=True)
    taken = run_chunks.claim_chunk(database, TWO, worked=second.number)
    assert taken is not None
    run_chunks.end_chunk(database, ONE, taken.number)
    assert run_chunks.chunks_left(database, TWO, {taken.number}).any, "it is the other's by now"
    run_chunks.end_chunk(database, TWO, taken.number)
    assert run_chunks.chunks_left(database, TWO) == NONE_LEFT


@pytest.mark.usefixtures("leases")
def test_a_claim_whose_answer_was_lost_is_free_again(database: Database) -> None:
    publish(database, 4, 2)
    lost = run_chunks.claim_chunk(database, ONE)
    again = run_chunks.claim_chunk(database, ONE)
    assert lost is not None
    assert again is not None
    assert run_chunks.claim_chunk(database, ONE, worked=again.number) is None
    assert run_chunks.chunks_left(database, ONE) == ChunksLeft(any=True, free=True)
    assert run_chunks.claim_chunk(database, ONE) == run_chunks.ClaimedChunk(lost.number, 2)


@pytest.mark.usefixtures("leases")
def test_a_run_that_is_tried_again_goes_over_all_chunks(database: Database) -> None:
    publish(database, 4, 2)
    work_all(database, ONE, [])
    claimed_before = run_chunks.claim_chunk(database, TWO)
    assert claimed_before is None
    publish(database, 5, 2)
    assert run_chunks.chunk_totals(database, "run") == (3, 5)
    worked: list[tuple[str, ...]] = []
    work_all(database, ONE, worked)
    assert len({id_ for chunk in worked for id_ in chunk}) == 5


@pytest.mark.postgres
def test_on_postgresql_no_claim_waits_for_another_one(postgres_database: Database) -> None:
    publish(postgres_database, 4, 2)
    with hold_lease(postgres_database, "run", worker_id="one"), hold_lease(postgres_database, "run", worker_id="two"):
        with postgres_database.write() as connection:
            held = connection.execute(run_chunks._NEXT, {"run_id": "run", "live": ["one", "two"]}).one()
            other = run_chunks.claim_chunk(postgres_database, TWO)
        assert other is not None
        assert other.number != held.number
