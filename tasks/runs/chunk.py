"""The stage frame: for a chunk at a stage, skip what is done, count attempts, write outcomes as they come.

The database decides what is done. A stage computes fingerprints and works a list of documents; `run_stage` does the
rest in a few bulk statements per chunk.
"""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from blocks import progress
from blocks.database.engine import Database
from blocks.database.pipeline import claims, stage_outputs
from blocks.errors import ChunkIncomplete, Quarantined, RunInterrupted
from blocks.records import Document, Outcome, Record, Rerun, Retry, Stage

FLUSH_EVERY_S = 2.0
FLUSH_EVERY_BYTES = 8_000_000
CHECK_EVERY_S = 0.5
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

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document, in any order, as soon as it is known. An exception stops the chunk."""
        ...


class StageCounts(Record):
    """The result of a chunk task: how many documents have an output, a failure, nothing to do, or wait for a stage."""

    done: int = 0
    failed: int = 0
    unchanged: int = 0
    waiting: int = 0


class Chunk:
    """A slice of a run's documents. `number` counts from 1 up to `of`.

    It is no dataclass and no tuple, because Prefect searches those several times per task run.
    """

    __slots__ = ("document_ids", "number", "of")

    def __init__(self, number: int, of: int, document_ids: tuple[str, ...]) -> None:
        self.number = number
        self.of = of
        self.document_ids = document_ids


class RunContext(Record):
    """What a run is to do: ids and switches, never content.

    `models` replace the types' routes, in that order, unless empty. `budget_usd` bounds the run's cost; None: by the
    setting. `use_cache`: whether stored replies may answer.
    """

    run_id: str
    name: str = ""
    rerun: Rerun = Rerun.STALE
    max_attempts: int = 3
    models: tuple[str, ...] = ()
    budget_usd: Decimal | None = None
    use_cache: bool = True


def run_stage(database: Database, context: RunContext, work: StageWork, document_ids: Sequence[str]) -> StageCounts:
    """Bring a stage up to date for a chunk.

    Documents without a usable upstream output wait. Documents with an output under today's fingerprint are skipped.
    The attempts of the others are counted before the work starts, and their outcomes are written in groups.
    Documents whose worker died at each attempt are worked alone, and quarantined if that kills the worker too.
    For a document that another live run has claimed, this run releases its claims and waits; the other run's outcome
    counts for both. Raises `ChunkIncomplete`, after everything is stored, if failures worth a retry now remain.
    """
    writer = _OutcomeWriter(database, context.run_id, work.stage)
    contested: set[str] = set()
    unchanged, waiting, has_waited = 0, 0, False
    pending: Collection[str] = document_ids
    while True:
        worked = _work_round(database, context, work, sorted(pending), contested, writer)
        unchanged += worked.unchanged
        waiting += worked.waiting
        contested |= worked.claimed
        pending = worked.claimed | worked.claimed_before
        if not pending:
            break
        if not has_waited:
            log.info("stage %s waits for documents that another run has claimed: %d", work.stage, len(pending))
            with database.write() as connection:
                claims.release_leftovers(database, connection, context.run_id, document_ids)
            has_waited = True
        wait_for_others(context.run_id)
    if writer.retry_now:
        raise ChunkIncomplete(work.stage, writer.retry_now)
    return StageCounts(done=writer.done, failed=writer.failed, unchanged=unchanged, waiting=waiting)


def wait_for_others(run_id: str) -> None:
    """Pause before the next check for another run's claims. Raises `RunInterrupted` after `stop_run`."""
    raise_if_stopped(run_id)
    time.sleep(CHECK_EVERY_S)
    raise_if_stopped(run_id)


@dataclass(frozen=True, slots=True)
class _Round:
    """The documents that another live run has claimed, at this stage and at earlier ones; and counts."""

    claimed: frozenset[str]
    claimed_before: frozenset[str]
    unchanged: int
    waiting: int


def _work_round(
    database: Database,
    context: RunContext,
    work: StageWork,
    document_ids: Sequence[str],
    contested: Collection[str],
    writer: "_OutcomeWriter",
) -> _Round:
    """Work the documents that need work and that no other live run has claimed."""
    state = stage_outputs.load_chunk(database, work.stage, document_ids)
    fingerprints = {document.document_id: work.fingerprint(document) for document in state.ready}
    todo = state.to_do(fingerprints, context.rerun, context.run_id, context.max_attempts, contested)
    stage_outputs.make_current(database, work.stage, state, fingerprints, todo)
    claimed, claimed_before = claims.claimed_elsewhere(database, context.run_id, state, fingerprints)
    unchanged, waiting = len(state.ready) - len(todo), state.waiting - len(claimed_before)
    progress.report(context.run_id, work.stage, unchanged + waiting)

    left = {document.document_id for document in todo}

    def begin(documents: Sequence[Document], solo: bool) -> list[Document]:
        wanted = {id_: fingerprints[id_] for document in documents if (id_ := document.document_id) not in claimed}
        begun = stage_outputs.begin_attempts(database, work.stage, context.run_id, wanted, solo=solo, seen=state.rows)
        left.difference_update(begun)
        return [document for document in documents if document.document_id in begun]

    if todo.exhausted:
        failure = Quarantined(context.max_attempts).failure(work.stage)
        quarantined = begin(todo.exhausted, solo=False)
        left |= writer.take((Outcome(document.document_id, failure=failure) for document in quarantined), fingerprints)
    groups = [(todo.fresh, False)] if todo.fresh else []
    for documents, solo in groups + [((document,), True) for document in todo.killed_their_worker]:
        begun = begin(documents, solo)
        if not begun:
            continue
        try:
            left |= writer.take(work.work(stage_outputs.load_inputs(database, begun, work.reads)), fingerprints)
        except (KeyboardInterrupt, SystemExit, RunInterrupted):
            ids = [document.document_id for document in begun]
            claims.release_attempts(database, work.stage, context.run_id, ids, solo=solo)
            raise
    return _Round(frozenset(left), claimed_before, unchanged, waiting)


class _OutcomeWriter:
    """Writes outcomes in groups, so that a crash loses only seconds of work, and counts them."""

    def __init__(self, database: Database, run_id: str, stage: Stage) -> None:
        self.done = self.failed = self.retry_now = 0
        self._database, self._run_id, self._stage = database, run_id, stage

    def take(self, outcomes: Iterable[Outcome], fingerprints: Mapping[str, str]) -> set[str]:
        """Write every outcome, also those before an exception. Returns the documents that this run may not write."""
        dropped: set[str] = set()
        pending: list[Outcome] = []
        pending_bytes, flushed_at = 0, time.monotonic()
        try:
            for outcome in outcomes:
                pending.append(outcome)
                if outcome.defect is not None:
                    log.error(DEFECT, self._stage, outcome.document_id, exc_info=outcome.defect)
                raise_if_stopped(self._run_id)
                pending_bytes += len(outcome.payload or b"")
                if pending_bytes > FLUSH_EVERY_BYTES or time.monotonic() - flushed_at > FLUSH_EVERY_S:
                    dropped |= self._flush(pending, fingerprints)
                    pending, pending_bytes, flushed_at = [], 0, time.monotonic()
        finally:
            dropped |= self._flush(pending, fingerprints)
        return dropped

    def _flush(self, outcomes: list[Outcome], fingerprints: Mapping[str, str]) -> set[str]:
        kept = stage_outputs.write_outcomes(self._database, self._stage, self._run_id, outcomes, fingerprints)
        progress.report(self._run_id, self._stage, len(kept))
        for outcome in outcomes:
            if outcome.document_id in kept:
                self.done += outcome.payload is not None
                self.failed += outcome.payload is None
                self.retry_now += outcome.failure is not None and outcome.failure.retry is Retry.NOW
        return {outcome.document_id for outcome in outcomes} - kept
