"""A chunk before a stage: which documents are ready, and which of them need work."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from blocks.records import Document, Rerun, Retry

STARTED, DONE, PROVISIONAL, FAILED = "started", "done", "provisional", "failed"
USABLE = (DONE, PROVISIONAL)
ENDED = (*USABLE, FAILED)


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A row of `stage_outputs` without its payload."""

    fingerprint: str
    state: str
    is_current: bool
    run_id: str
    retry: str | None
    attempts: int
    solo_attempts: int
    worker_id: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A document's current row in one stage, as storing needs it."""

    fingerprint: str
    state: str
    failure_kind: str | None
    failure_message: str | None
    retry: str | None
    attempts: int
    run_id: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class Todo:
    """What a stage has to work: `fresh` together, `killed_their_worker` each alone. `exhausted` are quarantined.

    Only alone does a document show whether it killed the worker, or another document of its group did.
    """

    fresh: tuple[Document, ...] = ()
    killed_their_worker: tuple[Document, ...] = ()
    exhausted: tuple[Document, ...] = ()

    def __len__(self) -> int:
        return len(self.fresh) + len(self.killed_their_worker) + len(self.exhausted)

    def __iter__(self) -> Iterator[Document]:
        yield from self.fresh
        yield from self.killed_their_worker
        yield from self.exhausted


@dataclass(frozen=True, slots=True)
class ChunkState:
    """A chunk before a stage: `ready` documents have every upstream output, `waiting` counts the others."""

    ready: tuple[Document, ...]
    waiting: int
    rows: Mapping[str, Mapping[str, OutputRow]]
    """The stage's own rows, by document id and fingerprint."""
    begun_before: Mapping[str, str] = field(default_factory=dict)
    """Waiting documents that an earlier stage has begun and not ended: {document id: worker id}."""

    def to_do(
        self,
        fingerprints: Mapping[str, str],
        rerun: Rerun,
        run_id: str,
        max_attempts: int,
        contested: Collection[str] = (),
        *,
        can_kill_worker: bool = True,
    ) -> Todo:
        """The documents to work under today's fingerprints and `rerun`.

        A document whose worker died `max_attempts` times is worked alone, and quarantined after as many deaths alone;
        never in a stage where no document can have caused the death.
        This run left `contested` documents to another run at first, and uses what that run wrote.
        """
        fresh: list[Document] = []
        killed_their_worker: list[Document] = []
        exhausted: list[Document] = []
        for document in self.ready:
            row = self.rows.get(document.document_id, {}).get(fingerprints[document.document_id])
            if row is None:
                fresh.append(document)
                continue
            if document.document_id in contested and row.state in ENDED and row.run_id != run_id:
                if row.retry == Retry.NOW and row.attempts < max_attempts:
                    fresh.append(document)
                continue
            replayed = rerun in {Rerun.FAILED, Rerun.ALL} and row.run_id != run_id
            if (row.state in {FAILED, STARTED} and replayed) or (row.state == STARTED and not can_kill_worker):
                fresh.append(document)
            elif row.state == STARTED and row.attempts >= max_attempts:
                (killed_their_worker if row.solo_attempts < max_attempts else exhausted).append(document)
            elif _is_due(row, rerun, run_id, max_attempts):
                fresh.append(document)
        return Todo(tuple(fresh), tuple(killed_their_worker), tuple(exhausted))


def _is_due(row: OutputRow, rerun: Rerun, run_id: str, max_attempts: int) -> bool:
    is_later_run = row.run_id != run_id
    if row.state == DONE:
        return rerun is Rerun.ALL and is_later_run
    if row.state == PROVISIONAL:
        return is_later_run
    if row.state == STARTED or row.retry == Retry.NOW:
        return row.attempts < max_attempts
    return row.retry == Retry.NEXT_RUN and is_later_run
