"""Every chunk of a run through the stages, in their order. Documents that other runs have claimed come last."""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Protocol, runtime_checkable

from blocks import progress
from blocks.database.pipeline import claims, documents
from blocks.database.pipeline.claims import Claimant
from blocks.errors import ChunkIncomplete, RunError
from tasks.runs.chunk import Chunk, StageCounts, raise_if_stopped, stop_run
from tasks.runs.run import Run
from tasks.runs.stage_processes import computed_in_processes

CHECK_CLAIMS_EVERY_S = 0.5
LOG_CLAIMS_EVERY_S = 30.0

Chunks = Mapping[int, tuple[str, ...]]
"""Document ids by the number of their chunk."""

log = logging.getLogger(__name__)


@runtime_checkable
class WarmsUp(Protocol):
    """A stage that needs seconds to load its libraries, and can do so while the run's first documents are read."""

    def warm_up(self) -> None:
        """Begin to load the libraries, without waiting."""
        ...


def process_chunks(run: Run) -> None:
    """Take every chunk of the run through the stages, a few chunks at once.

    If a stage fails on a chunk for good, the next stage still works the documents that are ready, and the run's counts
    show the others as failed. An error that concerns the run ends it at once. Documents that other live workers have
    claimed are left out at first; when all others are done, the run waits for them. Raises `RunInterrupted` when the
    run is stopped.
    """
    of = documents.chunk_count(run.database, run.run_id)
    planned = documents.planned_count(run.database, run.run_id)
    progress.publish(progress.Planned(run.run_id, planned))
    if of:
        for work in run.works.values():
            if isinstance(work, WarmsUp):
                work.warm_up()

    def process_chunk(number: int) -> tuple[str, ...]:
        ids = documents.chunk_document_ids(run.database, run.run_id, number)
        return _through_stages(run, Chunk(number, of, ids))

    with computed_in_processes(run.works, planned, run.settings, run.types, partial(raise_if_stopped, run.run_id)):
        claimed = _at_once(run, process_chunk, range(1, of + 1))
        while claimed:
            free = _wait_for_a_free_chunk(run, claimed)

            def process_again(number: int, free: Chunks = free) -> tuple[str, ...]:
                return _through_stages(run, Chunk(number, of, free[number], is_contested=True))

            others = {number: ids for number, ids in claimed.items() if number not in free}
            claimed = {**others, **_at_once(run, process_again, free)}


def _at_once(run: Run, process: Callable[[int], tuple[str, ...]], numbers: "range | Chunks") -> Chunks:
    """Process chunks in a few threads. Returns the documents that others have claimed, by chunk."""
    with ThreadPoolExecutor(run.settings.chunks_in_flight, thread_name_prefix="chunk") as pool:
        try:
            in_flight = {number: pool.submit(copy_context().run, process, number) for number in numbers}
            wait(in_flight.values(), return_when=FIRST_EXCEPTION)
            claimed = {number: future.result() for number, future in in_flight.items() if future.done()}
        except BaseException:  # Ctrl-C and Prefect's cancellation too: no chunk may go on after the run has ended
            stop_run(run.run_id)
            pool.shutdown(cancel_futures=True)
            raise
    return {number: ids for number, ids in claimed.items() if ids}


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


def _wait_for_a_free_chunk(run: Run, claimed: Chunks) -> Chunks:
    """Wait until no other live worker has claims on a chunk; says for which run, and since when. Gives such chunks."""
    ids = [id_ for chunk in claimed.values() for id_ in chunk]
    claims.release_leftovers_of(run.database, run.context.worker, ids)
    logged_at: float | None = None
    while True:
        time.sleep(CHECK_CLAIMS_EVERY_S)
        raise_if_stopped(run.run_id)
        others = claims.claimants(run.database, run.context.worker, ids)
        held = {id_ for other in others for id_ in other.document_ids}
        free = {number: chunk for number, chunk in claimed.items() if held.isdisjoint(chunk)}
        if free:
            return free
        if logged_at is None or time.monotonic() - logged_at >= LOG_CLAIMS_EVERY_S:
            logged_at = time.monotonic()
            for other in others:
                _say(run.run_id, other)


def _say(run_id: str, other: Claimant) -> None:
    which = f"run {other.run_name} ({other.run_id}) of process {other.pid} on {other.host}"
    since = f"{which}, which has claimed them since {other.since:%Y-%m-%d %H:%M:%S} UTC"
    log.warning("%d documents wait for %s", len(other.document_ids), since)
    progress.publish(progress.WaitingForRun(run_id, len(other.document_ids), since))
