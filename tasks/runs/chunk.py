"""The stage frame: for a chunk at a stage, skip what is done, count attempts, write outcomes as they come.

The database decides what is done. A stage computes fingerprints and works a list of documents; `run_stage` does the
rest in a few bulk statements per chunk.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from blocks import progress
from blocks.database.engine import Database
from blocks.database.pipeline import claims, stage_outputs
from blocks.database.pipeline.chunk_state import Todo
from blocks.database.pipeline.claims import SeenRows, Worker
from blocks.errors import ChunkIncomplete, Quarantined, RunError, RunInterrupted, WinnowError
from blocks.logs import log_ids
from blocks.records import Document, Outcome, Record, Rerun, Retry, Stage
from blocks.telemetry.document_spans import DocumentSpans
from blocks.telemetry.telemetry import TELEMETRY

FLUSH_EVERY_S = 2.0
FLUSH_EVERY_BYTES = 8_000_000
DEFECT = "defect in stage %s: document %s failed; the other documents are not affected"

log = logging.getLogger(__name__)

_stopped_runs: set[str] = set()


def stop_run(run_id: str) -> None:
    """Stop the run's chunks in this process at their next document, after their outcomes so far are written."""
    _stopped_runs.add(run_id)


def forget_stop(run_id: str) -> None:
    """Forget `stop_run` when the run has ended: a run that is tried again has the same id."""
    _stopped_runs.discard(run_id)


def raise_if_stopped(run_id: str) -> None:
    """Raise `RunInterrupted` after `stop_run`."""
    if run_id in _stopped_runs:
        raise RunInterrupted


@contextmanager
def stopped_when(run_id: str, condition: Callable[[], bool], every_s: float) -> Iterator[None]:
    """Within the block, stop the run in this process soon after the condition holds, which may read a database."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            try:
                if condition():
                    stop_run(run_id)
                    return
            except WinnowError as error:  # the run's own work meets it too
                log.debug("whether run %s is to stop could not be read: %s", run_id, error)

    watcher = threading.Thread(target=watch, name="run-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


class StageWork(Protocol):
    """What a stage itself does."""

    @property
    def stage(self) -> Stage:
        """The stage."""
        ...

    @property
    def reads(self) -> tuple[Stage, ...]:
        """The upstream stages whose payloads `work` finds in `Document.inputs`."""
        ...

    @property
    def configuration(self) -> str:
        """Digest of all that fingerprints hold beside a document's own digests: version, settings, document types."""
        ...

    def fingerprint(self, document: Document) -> str:
        """The fingerprint of this stage's output for a document. Reads the document's digests, not its inputs."""
        ...

    def basis(self, document_type: str) -> str:
        """Digest of all that decides how this stage works on any document of a type, what was learnt left out."""
        ...

    @property
    def can_kill_worker(self) -> bool:
        """Whether a document can kill this process: native code handles its content here, in no isolated process."""
        ...

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document, in any order, as soon as it is known. An exception stops the chunk."""
        ...


@runtime_checkable
class GetsReady(Protocol):
    """A stage that loads libraries or models. A worker that is killed meanwhile was not killed by a document."""

    def get_ready(self, documents: Sequence[Document]) -> None:
        """Load what the work on these documents needs, before their attempts are counted."""
        ...


class StageCounts(Record):
    """The result of a chunk task: how many documents have an output, a failure, nothing to do, or wait for a stage.

    `claimed` are the ids of those that another live worker has claimed. They are left to it for now.
    """

    done: int = 0
    failed: int = 0
    unchanged: int = 0
    waiting: int = 0
    claimed: tuple[str, ...] = ()


class Chunk:
    """A slice of a run's documents. `number` counts from 1 up to `of`.

    `is_contested`: the documents were left to another worker at first, and what it wrote is used. `taken_ns` is when
    this process took it, since the Unix epoch.
    It is no dataclass and no tuple, because Prefect searches those several times per task run.
    """

    __slots__ = ("document_ids", "is_contested", "number", "of", "taken_ns")

    def __init__(self, number: int, of: int, document_ids: tuple[str, ...], *, is_contested: bool = False) -> None:
        self.number = number
        self.of = of
        self.document_ids = document_ids
        self.is_contested = is_contested
        self.taken_ns = time.time_ns()


class RunContext(Record):
    """What a run is to do: ids and switches, never content.

    `models` replace the types' routes, in that order, unless empty. `budget_usd` bounds the run's cost; None: by the
    setting. `use_cache`: whether stored replies may answer. `reopen`: whether results replace decisions of people.
    `relearn`: whether documents are read again by what was learnt since. `learned` are the ids of what the run uses of
    what was learnt; None: what is in use when it begins. `accept_error`: the error that is promised of accepted rows,
    in place of the types' own. `worker_id` is the id of this process's lease in the run, by
    default the run's id. `database_id` is set if the run is tried again: that of the database that it began in.
    """

    run_id: str
    worker_id: str = ""
    name: str = ""
    rerun: Rerun = Rerun.STALE
    max_attempts: int = 3
    models: tuple[str, ...] = ()
    budget_usd: Decimal | None = None
    use_cache: bool = True
    reopen: bool = False
    relearn: bool = False
    learned: tuple[int, ...] | None = None
    accept_error: Decimal | None = None
    database_id: str | None = None

    @property
    def worker(self) -> Worker:
        """This process as a worker of the run."""
        return Worker(self.run_id, self.worker_id or self.run_id)


def run_stage(
    database: Database,
    context: RunContext,
    work: StageWork,
    document_ids: Sequence[str],
    *,
    is_contested: bool = False,
) -> StageCounts:
    """Bring a stage up to date for a chunk.

    Documents without a usable upstream output wait. Documents with an output under today's fingerprint are skipped.
    The attempts of the others are counted before the work starts, and their outcomes are written in groups.
    Where a document can kill its worker, those whose worker died at each attempt are worked alone, and quarantined if
    that kills the worker too.
    Documents that another live worker has claimed are left to it, and named in the counts. When `is_contested`, its
    outcomes count for this run too. Raises `ChunkIncomplete`, after everything is stored, if failures worth a retry now
    remain, and `LeaseLost` if this process's lease was closed.
    """
    state = stage_outputs.load_chunk(database, work.stage, document_ids)
    fingerprints = {document.document_id: work.fingerprint(document) for document in state.ready}
    todo = state.to_do(
        fingerprints,
        context.rerun,
        context.run_id,
        context.max_attempts,
        document_ids if is_contested else (),
        can_kill_worker=work.can_kill_worker,
    )
    stage_outputs.make_current(database, work.stage, context.worker, state, fingerprints, todo)
    claimed = claims.claimed_elsewhere(database, context.worker, state, fingerprints)
    unchanged, waiting = len(state.ready) - len(todo), state.waiting - len(claimed & state.begun_before.keys())
    progress.report(context.run_id, work.stage, unchanged + waiting)
    writer = _OutcomeWriter(database, context.worker, work.stage)
    claimed |= _work_on(database, context, work, _Planned(todo, fingerprints, state.rows, claimed), writer)
    if writer.retry_now:
        raise ChunkIncomplete(work.stage, writer.retry_now, claimed)
    return StageCounts(
        done=writer.done, failed=writer.failed, unchanged=unchanged, waiting=waiting, claimed=tuple(sorted(claimed))
    )


@dataclass(frozen=True, slots=True)
class _Planned:
    """What a stage is to do for a chunk, from the rows that were seen. Other live workers have `claimed` some."""

    todo: Todo
    fingerprints: Mapping[str, str]
    seen: SeenRows
    claimed: frozenset[str]


def _work_on(
    database: Database, context: RunContext, work: StageWork, planned: _Planned, writer: "_OutcomeWriter"
) -> frozenset[str]:
    """Work what can be claimed. Returns the documents that could not, or whose claims were lost meanwhile."""
    todo, fingerprints = planned.todo, planned.fingerprints
    left = {document.document_id for document in todo}

    def begin(documents: Sequence[Document], solo: bool) -> list[Document]:
        wanted = {
            id_: fingerprints[id_] for document in documents if (id_ := document.document_id) not in planned.claimed
        }
        begun = stage_outputs.begin_attempts(
            database,
            work.stage,
            context.worker,
            wanted,
            solo=solo,
            seen=planned.seen,
            can_kill_worker=work.can_kill_worker,
        )
        left.difference_update(begun)
        return [document for document in documents if document.document_id in begun]

    if todo.exhausted:
        failure = Quarantined(context.max_attempts).failure(work.stage)
        quarantined = begin(todo.exhausted, solo=False)
        left |= writer.take((Outcome(document.document_id, failure=failure) for document in quarantined), fingerprints)
    if len(todo) and isinstance(work, GetsReady):
        _get_ready(work, work.stage, tuple(todo))
    groups = [(todo.fresh, False)] if todo.fresh else []
    for documents, solo in groups + [((document,), True) for document in todo.killed_their_worker]:
        begun = begin(documents, solo)
        if not begun:
            continue
        try:
            left |= writer.take(work.work(stage_outputs.load_inputs(database, begun, work.reads)), fingerprints)
        except (KeyboardInterrupt, SystemExit, RunInterrupted):
            ids = [document.document_id for document in begun]
            claims.release_attempts(database, work.stage, context.worker, ids, solo=solo)
            raise
    return frozenset(left)


def _get_ready(work: GetsReady, stage: Stage, documents: Sequence[Document]) -> None:
    """Let the stage get ready. A defect is met again by the stage's work, and costs the documents that it hits."""
    try:
        work.get_ready(documents)
    except RunError:  # it concerns all documents, as in `guarded`
        raise
    except Exception:
        log.warning("stage %s did not get ready, and tries again at its documents", stage, exc_info=True)


class _OutcomeWriter:
    """Writes outcomes in groups, so that a crash loses only seconds of work, and counts them."""

    def __init__(self, database: Database, worker: Worker, stage: Stage) -> None:
        self.done = self.failed = self.retry_now = 0
        self._database, self._worker, self._stage = database, worker, stage
        self._arrived_ns: dict[str, int] = {}

    def take(self, outcomes: Iterable[Outcome], fingerprints: Mapping[str, str]) -> set[str]:
        """Write every outcome, also those before an exception. Returns the documents whose claims were lost."""
        dropped: set[str] = set()
        pending: list[Outcome] = []
        pending_bytes, flushed_at = 0, time.monotonic()
        try:
            for outcome in outcomes:
                pending.append(outcome)
                if TELEMETRY.spans is not None:
                    self._arrived_ns[outcome.document_id] = time.time_ns()
                if outcome.defect is not None:
                    with log_ids(document=outcome.document_id):
                        log.error(DEFECT, self._stage, outcome.document_id, exc_info=outcome.defect)
                raise_if_stopped(self._worker.run_id)
                pending_bytes += len(outcome.payload or b"")
                if pending_bytes > FLUSH_EVERY_BYTES or time.monotonic() - flushed_at > FLUSH_EVERY_S:
                    dropped |= self._flush(pending, fingerprints)
                    pending, pending_bytes, flushed_at = [], 0, time.monotonic()
        finally:
            dropped |= self._flush(pending, fingerprints)
        return dropped

    def _flush(self, outcomes: list[Outcome], fingerprints: Mapping[str, str]) -> set[str]:
        kept = stage_outputs.write_outcomes(self._database, self._stage, self._worker, outcomes, fingerprints)
        progress.report(self._worker.run_id, self._stage, len(kept))
        if TELEMETRY.spans is not None:
            spans = DocumentSpans(TELEMETRY.spans, self._worker.run_id)
            spans.worked(self._stage, outcomes, kept, self._arrived_ns)
        for outcome in outcomes:
            if outcome.document_id in kept:
                self.done += outcome.payload is not None
                self.failed += outcome.payload is None
                self.retry_now += outcome.failure is not None and outcome.failure.retry is Retry.NOW
        return {outcome.document_id for outcome in outcomes} - kept.keys()
