"""Two runs over the same documents at once, on both databases; and a run that somebody stops."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
from sqlalchemy import select, text

from blocks.database.engine import Database
from blocks.database.pipeline import documents, runs, stage_outputs
from blocks.database.pipeline import run_locks as run_locks_module
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.run_locks import hold_run_lock, live_runs
from blocks.database.tables import run_documents
from blocks.database.tables import stage_outputs as outputs
from blocks.errors import ChunkIncomplete, RunInterrupted
from blocks.records import OUTPUT_STAGES, Document, Outcome, Rerun, Retry, Stage
from tasks.runs import chunk
from tasks.runs.chunk import RunContext, StageCounts, run_stage, stop_run
from tasks.runs.frame import failed
from tasks.store.store import store_chunk
from tests.doubles.scripted_stages import USUAL, Answer, ScriptedStage, failing, found, id_of
from tests.winnow_command import wait_until

NAMES = "abcdef"


def plan(database: Database, run_id: str, rerun: Rerun = Rerun.STALE) -> tuple[str, ...]:
    runs.start_run(database, run_id, run_id, settings={}, types={}, source="{}")
    batch = [found(name) for name in NAMES]
    record_batch(database, run_id, batch, given_type=None, rerun=rerun, pipeline_digest="p", chunk_size=100)
    return documents.chunk_document_ids(database, run_id, 1)


@pytest.mark.parametrize("rerun", [Rerun.STALE, Rerun.ALL])
def test_two_runs_at_once_share_the_work_and_agree(
    database: Database, rerun: Rerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "CHECK_EVERY_S", 0.02)
    worked: list[str] = []
    both = Barrier(2)

    def run(run_id: str) -> None:
        with hold_run_lock(database, run_id):
            ids = plan(database, run_id, rerun)
            both.wait()
            for stage in OUTPUT_STAGES:
                part = ScriptedStage(stage, NAMES, before=lambda _: time.sleep(0.01))
                run_stage(database, RunContext(run_id=run_id, rerun=rerun), part, ids)
                worked.extend(part.worked if stage is Stage.SCORE else ())
            store_chunk(database, run_id, ids, "p")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ("one", "two")))
    with database.read() as connection:
        outcomes = connection.execute(select(run_documents.c.run_id, run_documents.c.outcome)).all()
    assert {outcome for _, outcome in outcomes} == {"accepted"}
    assert len(outcomes) == 2 * len(NAMES)
    if rerun is Rerun.STALE:
        assert sorted(worked) == sorted(NAMES)


def test_rows_of_a_live_run_are_left_alone_and_those_of_a_dead_one_taken_over(database: Database) -> None:
    plan(database, "one")
    begin = {id_of("a"): "f"}
    with hold_run_lock(database, "one"):
        assert live_runs(database, ["one", "two"]) == {"one"}
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "one", begin) == set(begin)
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "two", begin) == set()
    assert live_runs(database, ["one"]) == set()
    assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "two", begin) == set(begin)


def test_a_wait_for_another_run_is_logged_once(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan(sqlite_database, "one")
    ids = plan(sqlite_database, "two")
    part = ScriptedStage(Stage.EXTRACT, NAMES)
    claim = {id_of("a"): part.fingerprint(_document(sqlite_database, id_of("a")))}
    waits: list[str] = []
    with ExitStack() as other_run:
        other_run.enter_context(hold_run_lock(sqlite_database, "one"))
        stage_outputs.begin_attempts(sqlite_database, Stage.EXTRACT, "one", claim)

        def wait(run_id: str) -> None:
            waits.append(run_id)
            if len(waits) == 3:
                other_run.close()

        monkeypatch.setattr(chunk, "wait_for_others", wait)
        with caplog.at_level(logging.INFO, logger=chunk.__name__):
            counts = run_stage(sqlite_database, RunContext(run_id="two"), part, ids)
    assert counts.done == 6
    assert waits == ["two"] * 3
    assert caplog.messages == ["stage extract waits for documents that another run has claimed: 1"]


def test_a_run_that_is_stopped_gives_its_attempts_back(database: Database) -> None:
    ids = plan(database, "stopped")
    part = ScriptedStage(Stage.EXTRACT, NAMES, before=lambda name: stop_run("stopped") if name == "b" else None)
    with pytest.raises(RunInterrupted):
        run_stage(database, RunContext(run_id="stopped"), part, ids)
    query = select(outputs.c.attempts).where(outputs.c.state == "started")
    with database.read() as connection:
        attempts = connection.execute(query).scalars().all()
    assert set(attempts) == {0}


def test_a_run_whose_session_is_lost_takes_another(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_locks_module, "CHECK_EVERY_S", 0.05)
    end = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    with hold_run_lock(postgres_database, "one"):
        with postgres_database.write() as connection:
            connection.execute(end)
        until = time.monotonic() + 10
        time.sleep(0.1)
        while not live_runs(postgres_database, ["one"]) and time.monotonic() < until:
            time.sleep(0.05)
        assert live_runs(postgres_database, ["one"]) == {"one"}
    # PostgreSQL gives up a lock when the session's server process has ended, a moment later.
    wait_until(lambda: live_runs(postgres_database, ["one"]) == set())


def attempts(database: Database) -> set[int]:
    query = select(outputs.c.attempts).where(outputs.c.state == "started")
    with database.read() as connection:
        return set(connection.execute(query).scalars())


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_gives_the_attempts_back_and_keeps_what_is_finished(
    sqlite_database: Database, interruption: type[BaseException]
) -> None:
    ids = plan(sqlite_database, "run")
    interrupted = sorted(NAMES, key=id_of)[2]

    def interrupt(name: str) -> None:
        if name == interrupted:
            raise interruption

    first, later = (ScriptedStage(Stage.EXTRACT, NAMES, before=before) for before in (interrupt, lambda _: None))
    with pytest.raises(interruption):
        run_stage(sqlite_database, RunContext(run_id="run"), first, ids)
    assert attempts(sqlite_database) == {0}
    counts = run_stage(sqlite_database, RunContext(run_id="run"), later, ids)
    assert sorted(later.worked) == sorted(set(NAMES) - set(first.worked))
    assert counts == StageCounts(done=6 - len(first.worked), unchanged=len(first.worked))
    assert first.worked, "something was finished before the interruption"


def test_a_stage_that_crashes_as_a_whole_keeps_its_attempts_counted(sqlite_database: Database) -> None:
    def crash(_name: str) -> None:
        raise MemoryError

    ids = plan(sqlite_database, "run")
    with pytest.raises(MemoryError):
        run_stage(sqlite_database, RunContext(run_id="run"), ScriptedStage(Stage.EXTRACT, NAMES, before=crash), ids)
    assert attempts(sqlite_database) == {1}


@pytest.mark.parametrize("retry", list(Retry))
def test_only_failures_worth_a_retry_now_make_the_chunk_be_tried_again(sqlite_database: Database, retry: Retry) -> None:
    ids = plan(sqlite_database, "run")
    answers: dict[str, Answer] = {name: failing(Stage.EXTRACT, retry) for name in "ab"}
    part = ScriptedStage(Stage.EXTRACT, NAMES, answers)
    if retry is Retry.NOW:
        with pytest.raises(ChunkIncomplete, match="2 documents"):
            run_stage(sqlite_database, RunContext(run_id="run"), part, ids)
    else:
        counts = run_stage(sqlite_database, RunContext(run_id="run"), part, ids)
        assert counts == StageCounts(done=4, failed=2)
    with sqlite_database.read() as connection:
        states = connection.execute(select(outputs.c.state)).scalars().all()
    assert sorted(states) == ["done"] * 4 + ["failed"] * 2, "all that is finished is stored before the chunk fails"


def test_a_provisional_output_counts_as_done_and_waiting_documents_are_counted(sqlite_database: Database) -> None:
    ids = plan(sqlite_database, "run")
    answers: dict[str, Answer] = {
        "a": failing(Stage.EXTRACT, Retry.NEVER),
        "b": (USUAL[Stage.EXTRACT], failing(Stage.EXTRACT, Retry.NEXT_RUN)),
    }
    counts = run_stage(sqlite_database, RunContext(run_id="run"), ScriptedStage(Stage.EXTRACT, NAMES, answers), ids)
    assert counts == StageCounts(done=5, failed=1)
    counts = run_stage(sqlite_database, RunContext(run_id="run"), ScriptedStage(Stage.CLASSIFY, NAMES), ids)
    assert counts == StageCounts(done=5, waiting=1)
    counts = run_stage(sqlite_database, RunContext(run_id="run"), ScriptedStage(Stage.CLASSIFY, NAMES), ids)
    assert counts == StageCounts(unchanged=5, waiting=1)


def test_a_document_that_kills_the_worker_time_and_again_is_worked_alone_and_then_quarantined(
    sqlite_database: Database,
) -> None:
    ids = plan(sqlite_database, "run")
    context = RunContext(run_id="run", max_attempts=2)
    begin = {id_: ScriptedStage(Stage.EXTRACT, NAMES).fingerprint(_document(sqlite_database, id_)) for id_ in ids}

    def die(solo: bool) -> None:
        stage_outputs.begin_attempts(sqlite_database, Stage.EXTRACT, "run", {id_of("a"): begin[id_of("a")]}, solo=solo)

    die(solo=False)
    die(solo=False)
    groups: list[int] = []

    class Grouped(ScriptedStage):
        def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
            groups.append(len(documents))
            return super().work(documents)

    def kill(name: str) -> None:
        if name == "a":
            raise MemoryError

    dying = Grouped(Stage.EXTRACT, NAMES, before=kill)
    for _ in range(2):
        with pytest.raises(MemoryError):
            run_stage(sqlite_database, context, dying, ids)
    assert groups == [5, 1, 1], "the suspect is worked alone, after the others"
    counts = run_stage(sqlite_database, context, Grouped(Stage.EXTRACT, NAMES), ids)
    assert counts == StageCounts(failed=1, unchanged=5)
    with sqlite_database.read() as connection:
        kinds = connection.execute(select(outputs.c.failure_kind).where(outputs.c.state == "failed")).scalars().all()
    assert kinds == ["quarantined"]


def _document(database: Database, document_id: str) -> Document:
    state = stage_outputs.load_chunk(database, Stage.EXTRACT, [document_id])
    return state.ready[0]


def test_a_defect_is_logged_once_with_its_stack_the_document_and_the_stage(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ids = plan(sqlite_database, "run")

    class Defective(ScriptedStage):
        def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
            for document in documents:
                try:
                    raise ZeroDivisionError(f"planted in {document.uri}")
                except ZeroDivisionError as error:
                    yield failed(self.stage, document, error)

    with caplog.at_level(logging.ERROR):
        counts = run_stage(sqlite_database, RunContext(run_id="run"), Defective(Stage.EXTRACT, NAMES), ids)
    assert counts == StageCounts(failed=6)
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert len(caplog.records) == 6
    for document_id, record in zip(sorted(ids), sorted(caplog.records, key=lambda r: r.getMessage()), strict=True):
        assert record.getMessage().startswith(f"defect in stage extract: document {document_id} failed;")
        assert record.exc_info
        assert record.exc_info[2] is not None
