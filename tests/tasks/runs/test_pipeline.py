"""Chunks through the stages: free documents first, claimed ones are waited for, an error of the run ends it at once."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from blocks import progress
from blocks.database.engine import Database
from blocks.database.pipeline import documents, stage_outputs
from blocks.database.pipeline.documents import record_batch
from blocks.document_types.schema import DocumentType
from blocks.errors import DiskFull
from blocks.gateway.registry.registry import RegistryState
from blocks.records import OUTPUT_STAGES, Batch, Rerun, Stage
from blocks.settings import load_settings
from tasks.runs import pipeline as module
from tasks.runs.chunk import Chunk, RunContext, StageCounts, StageWork, run_stage
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import PipelineStage, Run, open_run
from tasks.store.store import store_chunk
from tests.database_fixtures import dead_worker, lease_of
from tests.doubles.scripted_stages import ScriptedStage, found, id_of

NAMES = "abcdefgh"
TYPES: dict[str, DocumentType] = {}


@dataclass(frozen=True)
class Ended:
    """The final state of a task run."""

    value: object

    def result(self, *, raise_on_failure: bool) -> object:
        assert not raise_on_failure
        return self.value


def task(work: Callable[[Run, Chunk], StageCounts]) -> Callable[..., Ended]:
    def run_task(run: Run, chunk: Chunk, *, return_state: bool) -> Ended:
        assert return_state
        try:
            return Ended(work(run, chunk))
        except Exception as error:  # noqa: BLE001 - as Prefect does
            return Ended(error)

    return run_task


def scripted(before: Callable[[str], None] = lambda _: None) -> dict[Stage, PipelineStage]:
    """Every stage; `before` is called with each document that is scored."""

    def stage(name: Stage) -> PipelineStage:
        def work(run: Run, chunk: Chunk) -> StageCounts:
            part = run.works[name]
            return run_stage(run.database, run.context, part, chunk.document_ids, is_contested=chunk.is_contested)

        def opened(_run: Run) -> StageWork:
            return ScriptedStage(name, NAMES, before=before if name is Stage.SCORE else lambda _: None)

        return PipelineStage(task(work), opened)

    def store(run: Run, chunk: Chunk) -> StageCounts:
        return store_chunk(run.database, run.context.worker, chunk.document_ids, "p", {})

    return {name: stage(name) for name in OUTPUT_STAGES} | {Stage.STORE: PipelineStage(task(store), version="1")}


@contextmanager
def opened(
    database: Database, stages: dict[Stage, PipelineStage], chunk_size: int = 2, **asked: object
) -> Iterator[Run]:
    settings = load_settings().model_copy(update={"chunks_in_flight": 1})
    prepared = PreparedRun(settings, TYPES, database, RegistryState(()), ())
    context = RunContext.model_validate({"run_id": "run", **asked})
    with handed_over(prepared), open_run(context, Batch(sources=("in",)), stages) as run:
        batch = [found(name) for name in NAMES]
        record_batch(
            database, "run", batch, given_type=None, rerun=Rerun.STALE, pipeline_digest="p", chunk_size=chunk_size
        )
        yield run


def claim(database: Database, *names: str) -> None:
    """Documents are claimed by the worker `other` at extract."""
    fingerprint = ScriptedStage(Stage.EXTRACT, NAMES).fingerprint
    ready = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of(name) for name in names]).ready
    prints = {document.document_id: fingerprint(document) for document in ready}
    assert stage_outputs.begin_attempts(database, Stage.EXTRACT, dead_worker(database, "other"), prints) == set(prints)


def unfinished(database: Database, run_id: str = "run") -> int:
    from blocks.database.pipeline.runs import run_counts

    return run_counts(database, run_id)[1]


def test_free_documents_come_first_and_claimed_ones_when_their_worker_is_dead(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CHECK_CLAIMS_EVERY_S", 0.02)
    scored: list[str] = []
    waits: list[progress.WaitingForRun] = []
    other = lease_of(database, "other")
    other.__enter__()

    def listen(event: progress.Event) -> None:
        if isinstance(event, progress.WaitingForRun):
            assert unfinished(database) == 2, "all free documents are stored"
            waits.append(event)
            threading.Thread(target=lambda: other.__exit__(None, None, None)).start()

    unsubscribe = progress.subscribe(listen)
    try:
        with opened(database, scripted(scored.append)) as run, caplog.at_level(logging.WARNING):
            first, *_, last = documents.chunk_document_ids(database, "run", 1) + tuple(sorted(map(id_of, NAMES)))
            claimed = [name for name in NAMES if id_of(name) in {first, last}]
            claim(database, *claimed)
            process_chunks(run)
    finally:
        unsubscribe()
    assert unfinished(database) == 0
    assert sorted(scored) == sorted(NAMES)
    assert set(scored[-len(claimed) :]) == set(claimed)
    [event] = waits
    assert event.other.startswith("run  (other) of process ")
    assert "which has claimed them since 20" in event.other
    assert f"2 documents wait for {event.other}" in [record.getMessage() for record in caplog.records]


def test_an_error_of_the_run_ends_it_at_once(sqlite_database: Database) -> None:
    scored: list[str] = []

    def fill(name: str) -> None:
        scored.append(name)
        raise DiskFull("the database", "no space left")

    def run_to_its_end() -> None:
        with opened(sqlite_database, scripted(fill)) as run:
            process_chunks(run)

    with pytest.raises(DiskFull):
        run_to_its_end()
    assert len(scored) == 1, "no other chunk is tried"


def test_a_run_whose_lease_was_closed_ends_and_writes_nothing_more(sqlite_database: Database) -> None:
    from blocks.database.errors import LeaseLost
    from blocks.database.tables import workers

    quick = replace(sqlite_database, lease_s=0.2)

    def close_lease(_name: str) -> None:
        with quick.write() as connection:
            connection.execute(workers.delete())
        threading.Event().wait(0.5)

    def run_to_its_end() -> None:
        with opened(quick, scripted(close_lease), chunk_size=8) as run:
            process_chunks(run)

    with pytest.raises(LeaseLost):
        run_to_its_end()
    assert unfinished(quick) == len(NAMES)
