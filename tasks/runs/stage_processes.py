"""Processes that compute stages: the built-in reader and the classifiers on every core.

Threads of one Python process share its interpreter lock. A run of many documents therefore has their types and fields
computed by isolated processes, as extraction has its parsers. This process keeps the database, Prefect and the models'
calls; docs/decisions/stage-processes.md has the reasons.

The processes get the documents of a chunk in small batches. If a batch fails, because a document crashes its process or
somebody killed it, each of its documents is computed alone, so that only the document that fails alone is a failure.
Where no process can be had, this process computes.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from blocks.document_types.schema import DocumentType
from blocks.errors import DocumentError, ProcessUnavailable, RunError, WinnowError
from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool
from blocks.records import Document, Outcome, Stage
from blocks.settings import Settings
from blocks.text_classifier import kept
from tasks.runs.chunk import StageWork
from tasks.runs.frame import failed
from tasks.runs.stage_wire import pack_documents, unpack_outcomes

MODULE = "tasks.stage_process"
MIN_DOCUMENTS = 300
"""Fewer documents are computed sooner than the processes have loaded the reader."""
BATCH_DOCUMENTS, BATCH_BYTES = 25, 500_000
"""So much is computed within a second or so, which is what a worker that is killed loses."""
MAX_BATCHES = 2_000
"""A process ends after these, and another is forked: memory that leaks stays bounded."""
CHECK_EVERY_S = 0.5
GIVE_UP_AFTER = 5
"""So often no process could be had before this process computes all that is left."""
TIMEOUT_FACTOR = 30
"""A batch may take so many times the time limit of parsing one document."""

IsLoaded = Callable[[], bool]
"""Says whether libraries that are being loaded are there, or could not be loaded."""

log = logging.getLogger(__name__)


@runtime_checkable
class Computable(StageWork, Protocol):
    """A stage that the module of stage processes knows, under the stage's name."""

    @property
    def is_computable(self) -> bool:
        """Whether other processes can compute the stage at all."""
        ...

    def computable(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The documents that need nothing of this process: no model's call and no row of the database."""
        ...


class StageProcesses:
    """Computes batches in up to `settings.processes` processes at once. Thread-safe.

    They load the document types from their folder. `is_usable` turns False if those are not the run's `types`, because
    a file has changed since, or if the processes cannot be started again and again.
    """

    def __init__(
        self,
        settings: Settings,
        types: Mapping[str, DocumentType],
        raise_if_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        kind = ProcessKind(
            MODULE,
            Limits(memory_mb=settings.memory_limit_mb, open_files=settings.max_open_files, keeps_user=True),
            settings.max_output_mb,
            {
                "types_folder": str(settings.document_types_dir.resolve()),
                "versions": {name: known.version for name, known in types.items()},
                "classifiers_folder": str(kept.folder()),
            },
            MAX_BATCHES,
        )
        self.is_usable = True
        self._failures = 0
        self._raise_if_stopped = raise_if_stopped
        self._timeout_s = TIMEOUT_FACTOR * settings.document_timeout_s
        self._pool = ProcessPool(kind, threading.BoundedSemaphore(settings.processes))
        self._threads = ThreadPoolExecutor(settings.processes, thread_name_prefix="stage-process")

    def start(self) -> IsLoaded:
        """Load the libraries, without waiting, while the run's first documents are read."""
        return self._threads.submit(self._start).done

    def _start(self) -> None:
        try:
            self._pool.release(self._pool.acquire())
        except WinnowError as error:
            self._note_failure(error)

    def close(self) -> None:
        """End every process at once, also those that compute: nobody waits for them when a run is stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close(for_good=True)

    def outcomes(self, work: StageWork, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document, batch by batch.

        Raises a `RunError` that the stage raised, and `RunInterrupted` soon after a stop of the run.
        """
        batches = {self._threads.submit(self._computed, work.stage, batch): batch for batch in batched(documents)}
        waiting = set(batches)
        try:
            while waiting:
                done, waiting = wait(waiting, CHECK_EVERY_S, FIRST_COMPLETED)
                self._raise_if_stopped()
                for future in done:
                    yield from self._outcomes_of(future, work, batches[future])
        finally:
            for future in waiting:
                future.cancel()

    def _outcomes_of(
        self, done: "Future[list[Outcome]]", work: StageWork, batch: Sequence[Document]
    ) -> Iterator[Outcome]:
        try:
            yield from done.result()
        except ProcessUnavailable as error:
            self._note_failure(error)
            yield from work.work(batch)

    def _computed(self, stage: Stage, batch: Sequence[Document]) -> list[Outcome]:
        """The batch's outcomes. Raises `ProcessUnavailable` if there is no process to compute them."""
        try:
            with self._pool.open(pack_documents(batch)) as session:
                return unpack_outcomes(session.run(stage.value, {}, self._timeout_s)[0])
        except (ProcessUnavailable, RunError):
            raise
        except DocumentError as error:
            if len(batch) == 1:
                return [failed(stage, batch[0], error)]
            log.warning("%d documents are computed one by one at %s: together %s", len(batch), stage, error.kind)
            return [outcome for document in batch for outcome in self._computed(stage, (document,))]

    def _note_failure(self, error: WinnowError) -> None:
        self._failures += 1
        if self.is_usable and self._failures >= GIVE_UP_AFTER:
            self.is_usable = False
            log.warning("stages are computed by a single process, which takes longer: %s", error)


class InProcesses:
    """A stage as `run_stage` sees it, whose documents are computed by stage processes as far as they can."""

    def __init__(self, work: Computable, processes: StageProcesses) -> None:
        self.stage, self.reads = work.stage, work.reads
        self.configuration = work.configuration
        self.basis: Callable[[str], str] = work.basis
        self.fingerprint: Callable[[Document], str] = work.fingerprint
        self._work = work
        self._processes = processes

    @property
    def can_kill_worker(self) -> bool:
        """False while the processes compute: a document can kill only the process that has it."""
        return self._work.can_kill_worker and not self._processes.is_usable

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document; those that stay in this process come last."""
        if not self._processes.is_usable:
            yield from self._work.work(documents)
            return
        elsewhere = self._work.computable(documents)
        yield from self._processes.outcomes(self._work, elsewhere)
        moved = {document.document_id for document in elsewhere}
        if here := [document for document in documents if document.document_id not in moved]:
            yield from self._work.work(here)


@contextmanager
def computed_in_processes(
    works: dict[Stage, StageWork],
    documents: int,
    settings: Settings,
    types: Mapping[str, DocumentType],
    raise_if_stopped: Callable[[], None],
) -> Iterator[IsLoaded]:
    """Have the run's stages computed by processes within the block, if it has many documents and several cores."""
    known = {stage: work for stage, work in works.items() if isinstance(work, Computable) and work.is_computable}
    if not known or documents < MIN_DOCUMENTS or settings.processes < 2:
        yield lambda: True
        return
    processes = StageProcesses(settings, types, raise_if_stopped)
    is_loaded = processes.start()
    works.update((stage, InProcesses(work, processes)) for stage, work in known.items())
    try:
        yield is_loaded
    finally:
        works.update(known)
        processes.close()


def batched(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """The documents in their order, in batches of so many documents and bytes; a larger document is a batch alone."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        more = sum(map(len, document.inputs.values()))
        if batch and (len(batch) == BATCH_DOCUMENTS or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += more
    if batch:
        yield batch
