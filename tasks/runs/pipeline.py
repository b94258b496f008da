"""Every chunk of a run through the stages, in their order."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol, runtime_checkable

from blocks import progress
from blocks.database.pipeline import documents
from tasks.runs.chunk import Chunk, raise_if_stopped, stop_run
from tasks.runs.run import Run


@runtime_checkable
class WarmsUp(Protocol):
    """A stage that needs seconds to load its libraries, and can do so while the run's first documents are read."""

    def warm_up(self) -> None:
        """Begin to load the libraries, without waiting."""
        ...


def process_chunks(run: Run) -> None:
    """Take every chunk of the run through the stages, a few chunks at once.

    If a stage fails on a chunk for good, the next stage still works the documents that are ready, and the run's counts
    show the others as failed. Raises `RunInterrupted` when the run is stopped.
    """
    of = documents.chunk_count(run.database, run.run_id)
    progress.publish(progress.Planned(run.run_id, documents.planned_count(run.database, run.run_id)))
    if of:
        for work in run.works.values():
            if isinstance(work, WarmsUp):
                work.warm_up()

    def process_chunk(number: int) -> None:
        ids = documents.chunk_document_ids(run.database, run.run_id, number)
        chunk = Chunk(number=number, of=of, document_ids=ids)
        for stage in run.pipeline.values():
            raise_if_stopped(run.run_id)
            stage.task(run, chunk, return_state=True)

    with ThreadPoolExecutor(run.settings.chunks_in_flight, thread_name_prefix="chunk") as pool:
        try:
            in_flight = [pool.submit(copy_context().run, process_chunk, number) for number in range(1, of + 1)]
            for future in in_flight:
                future.result()
        except BaseException:  # Ctrl-C and Prefect's cancellation too: no chunk may go on after the run has ended
            stop_run(run.run_id)
            pool.shutdown(cancel_futures=True)
            raise
