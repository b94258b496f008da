"""Every chunk of a run through the stages, in their order. Documents that other runs have claimed come last.

The run's workers claim its chunks in the database. A run that nobody joins has a single worker.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Protocol, runtime_checkable

from blocks import progress
from blocks.database.pipeline import claims, documents, run_chunks
from blocks.database.pipeline.claims import Claimant
from blocks.errors import ChunkIncomplete, RunError, WinnowError
from blocks.records import CHUNK_STAGES
from tasks.runs.chunk import Chunk, StageCounts, raise_if_stopped, stop_run
from tasks.runs.run import Run
from tasks.runs.stage_processes import IsLoaded, computed_in_processes

CHECK_CLAIMS_EVERY_S = 0.5
LOG_CLAIMS_EVERY_S = 30.0
COUNT_OTHERS_EVERY_S = 2.0

Chunks = Mapping[int, tuple[str, ...]]
"""Document ids by the number of their chunk."""

log = logging.getLogger(__name__)


@runtime_checkable
class WarmsUp(Protocol):
    """A stage that needs seconds to load its libraries, and can do so while the run's first documents are read."""

    def warm_up(self) -> IsLoaded:
        """Begin to load the libraries, without waiting."""
        ...


def process_chunks(run: Run) -> None:
    """Take every chunk of the run through the stages, a few chunks at once.

    If a stage fails on a chunk for good, the next stage still works the documents that are ready, and the run's counts
    show the others as failed. An error that concerns the run ends it at once. Documents that other live workers have
    claimed are left out at first; when all others are done, the run waits for them, and for chunks of other workers of
    the run. Raises `RunInterrupted` when the run is stopped.
    """
    run_chunks.publish_chunks(run.database, run.run_id)
    _work_chunks(run)


def work_chunks(run: Run) -> None:
    """Work the chunks of a run that another process began, with its other workers, until all are done.

    Takes over the chunks of workers that die. The first is claimed when the libraries are loaded, which takes seconds:
    until then the other workers get on with the chunks.
    """
    _work_chunks(run, is_joined=True)


def _work_chunks(run: Run, *, is_joined: bool = False) -> None:
    chunks, planned = run_chunks.chunk_totals(run.database, run.run_id)
    progress.publish(progress.Planned(run.run_id, planned))
    loading = [work.warm_up() for work in run.works.values() if chunks and isinstance(work, WarmsUp)]
    slots = min(run.settings.chunks_in_flight, chunks)
    raise_if_run_stopped = partial(raise_if_stopped, run.run_id)
    with (
        computed_in_processes(run.works, planned, run.settings, run.types, raise_if_run_stopped) as processes,
        _others_counted(run),
    ):
        if is_joined:
            _wait_for_libraries(run, [*loading, processes])
        contested = _at_once(run, [partial(_work_free_chunks, run)] * slots)
        waiting = _Waiting(run)
        while contested or run_chunks.chunks_left(run.database, run.context.worker).any:
            time.sleep(CHECK_CLAIMS_EVERY_S)
            raise_if_run_stopped()
            free = waiting.no_longer_claimed(contested)
            others = {number: ids for number, ids in contested.items() if number not in free}
            again = _at_once(run, [partial(_work_contested, run, number, ids) for number, ids in free.items()])
            contested = {**others, **again}
            if run_chunks.chunks_left(run.database, run.context.worker, contested.keys()).free:
                contested |= _at_once(run, [partial(_work_free_chunks, run)] * slots)


def _wait_for_libraries(run: Run, loading: Sequence[IsLoaded]) -> None:
    """Wait until all is loaded, or no chunk is free any more. Raises `RunInterrupted` when the run is stopped."""
    while not all(is_loaded() for is_loaded in loading):
        if not run_chunks.chunks_left(run.database, run.context.worker).free:
            return
        time.sleep(CHECK_CLAIMS_EVERY_S)
        raise_if_stopped(run.run_id)


def _at_once(run: Run, works: Sequence[Callable[[], Chunks]]) -> dict[int, tuple[str, ...]]:
    """Do all of these, in a few threads. Returns the documents that others have claimed, by chunk."""
    if not works:
        return {}
    with ThreadPoolExecutor(run.settings.chunks_in_flight, thread_name_prefix="chunk") as pool:
        try:
            in_flight = [pool.submit(copy_context().run, work) for work in works]
            wait(in_flight, return_when=FIRST_EXCEPTION)
            contested = [future.result() for future in in_flight if future.done()]
        except BaseException:  # Ctrl-C and Prefect's cancellation too: no chunk may go on after the run has ended
            stop_run(run.run_id)
            pool.shutdown(cancel_futures=True)
            raise
    return {number: ids for chunks in contested for number, ids in chunks.items()}


def _work_free_chunks(run: Run) -> Chunks:
    """Claim and work chunks until none is free. Returns what other runs have claimed of them; those stay claimed."""
    contested: dict[int, tuple[str, ...]] = {}
    claim = partial(run_chunks.claim_chunk, run.database, run.context.worker, slots=run.settings.chunks_in_flight)
    claimed = claim()
    while claimed is not None:
        ids = documents.chunk_document_ids(run.database, run.run_id, claimed.number)
        left = _through_stages(run, Chunk(claimed.number, claimed.of, ids))
        if left:
            contested[claimed.number] = left
        claimed = claim(worked=None if left else claimed.number)
    return contested


def _work_contested(run: Run, number: int, document_ids: tuple[str, ...]) -> Chunks:
    """Work what other runs had claimed of a chunk. Returns what they have claimed again."""
    of, _ = run_chunks.chunk_totals(run.database, run.run_id)
    left = _through_stages(run, Chunk(number, of, document_ids, is_contested=True))
    if left:
        return {number: left}
    run_chunks.end_chunk(run.database, run.context.worker, number)
    return {}


def _through_stages(run: Run, chunk: Chunk) -> tuple[str, ...]:
    """Take a chunk through the stages. Returns the documents that others have claimed; no later stage gets them.

    Raises a `RunError` that a stage met: the other stages, and the other chunks, would meet it too.
    """
    claimed: list[str] = []
    for stage in run.pipeline.values():
        raise_if_stopped(run.run_id)
        result = stage.task(run, chunk, return_state=True).result(raise_on_failure=False)
        if isinstance(result, RunError):
            raise result
        if isinstance(result, StageCounts | ChunkIncomplete) and result.claimed:
            claimed += result.claimed
            free = tuple(id_ for id_ in chunk.document_ids if id_ not in result.claimed)
            chunk = Chunk(chunk.number, chunk.of, free, is_contested=chunk.is_contested)
            if not free:
                break
    return tuple(claimed)


class _Waiting:
    """Waits for documents that other live workers have claimed; says for which run, and since when."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._logged_at: float | None = None

    def no_longer_claimed(self, contested: Chunks) -> Chunks:
        """The chunks on which no other live worker has claims now."""
        if not contested:
            return {}
        database, worker = self._run.database, self._run.context.worker
        ids = [id_ for chunk in contested.values() for id_ in chunk]
        if self._logged_at is None:
            claims.release_leftovers_of(database, worker, ids)
        others = claims.claimants(database, worker, ids)
        held = {id_ for other in others for id_ in other.document_ids}
        free = {number: chunk for number, chunk in contested.items() if held.isdisjoint(chunk)}
        if free:
            self._logged_at = None
        elif self._logged_at is None or time.monotonic() - self._logged_at >= LOG_CLAIMS_EVERY_S:
            self._logged_at = time.monotonic()
            for other in others:
                _say(self._run.run_id, other)
        return free


@contextmanager
def _others_counted(run: Run) -> Iterator[None]:
    """Within the block, documents of chunks that other workers have done count in the run's progress here."""
    counted, ended = 0, threading.Event()

    def count() -> None:
        nonlocal counted
        done = run_chunks.done_by_others(run.database, run.context.worker)
        for stage in CHUNK_STAGES:
            progress.report(run.run_id, stage, done - counted)
        counted = done

    def count_often() -> None:
        while not ended.wait(COUNT_OTHERS_EVERY_S):
            try:
                count()
            except WinnowError as error:  # the run's own work notices too
                log.debug("what other workers have done could not be counted: %s", error)

    thread = threading.Thread(target=copy_context().run, args=(count_often,), name="others", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    count()


def _say(run_id: str, other: Claimant) -> None:
    which = f"run {other.run_name} ({other.run_id}) of process {other.pid} on {other.host}"
    since = f"{which}, which has claimed them since {other.since:%Y-%m-%d %H:%M:%S} UTC"
    log.warning("%d documents wait for %s", len(other.document_ids), since)
    progress.publish(progress.WaitingForRun(run_id, len(other.document_ids), since))
