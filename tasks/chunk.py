"""What every stage does around its own work on one chunk: skip what is done, count attempts, write as it goes.

The database decides what is done. A stage says how a document is fingerprinted and how a list of documents is worked;
`run_stage` does the rest in a handful of bulk statements per chunk.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from blocks import progress
from blocks.database import stage_outputs
from blocks.database.engine import Database
from blocks.errors import ChunkIncomplete
from blocks.records import Document, Outcome, Record, Rerun, Retry, Stage

FLUSH_EVERY_S = 2.0
FLUSH_EVERY_BYTES = 8_000_000

log = logging.getLogger(__name__)


class StageWork(Protocol):
    """A stage's own part. `reads` are the upstream stages whose payloads `work` needs."""

    @property
    def stage(self) -> Stage: ...

    @property
    def reads(self) -> tuple[Stage, ...]: ...

    def fingerprint(self, document: Document) -> str:
        """The fingerprint of this stage's output for a document, from its digests alone."""
        ...

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """One outcome per document, in any order, as soon as each is known. Raises only for the whole chunk."""
        ...


class StageCounts(Record):
    """What a chunk task returns, and all that it returns."""

    done: int = 0
    failed: int = 0
    unchanged: int = 0
    waiting: int = 0


class RunContext(Record):
    """What every chunk task of a run is told: ids and switches, never content."""

    run_id: str
    rerun: Rerun = Rerun.STALE
    max_attempts: int = 3


def run_stage(database: Database, context: RunContext, work: StageWork, document_ids: Sequence[str]) -> StageCounts:
    """Bring one stage up to date for one chunk.

    Documents whose upstream has no usable output wait; documents with an output under today's fingerprint are skipped;
    the others' attempts are counted before the work starts, and their outcomes written in groups as they come.
    Raises `ChunkIncomplete` after everything is stored while failures worth a retry now remain.
    """
    state = stage_outputs.load_chunk(database, work.stage, document_ids)
    fingerprints = {document.document_id: work.fingerprint(document) for document in state.ready}
    todo = state.to_do(fingerprints, context.rerun, context.run_id, context.max_attempts)
    unchanged = len(state.ready) - len(todo)
    stage_outputs.make_current(database, work.stage, state, fingerprints, todo)
    progress.report(context.run_id, work.stage, unchanged + state.waiting)
    if not todo:
        return StageCounts(unchanged=unchanged, waiting=state.waiting)

    stage_outputs.begin_attempts(database, work.stage, context.run_id, {d.document_id: fingerprints[d.document_id] for d in todo})
    with_inputs = stage_outputs.load_inputs(database, todo, work.reads)
    done = failed = again = 0
    pending: list[Outcome] = []
    pending_bytes, flushed_at = 0, time.monotonic()

    def flush() -> None:
        nonlocal pending_bytes, flushed_at
        stage_outputs.write_outcomes(database, work.stage, context.run_id, pending, fingerprints)
        progress.report(context.run_id, work.stage, len(pending))
        pending.clear()
        pending_bytes, flushed_at = 0, time.monotonic()

    try:
        for outcome in work.work(with_inputs):
            pending.append(outcome)
            pending_bytes += len(outcome.payload or b"")
            if outcome.payload is not None:
                done += 1
            else:
                failed += 1
            if outcome.failure is not None and outcome.failure.retry is Retry.NOW:
                again += 1
            if pending_bytes > FLUSH_EVERY_BYTES or time.monotonic() - flushed_at > FLUSH_EVERY_S:
                flush()
    finally:
        if pending:
            flush()
    if again:
        raise ChunkIncomplete(work.stage, again)
    return StageCounts(done=done, failed=failed, unchanged=unchanged, waiting=state.waiting)
