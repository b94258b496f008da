"""Two runs over the same documents at once, on both databases; and a run that somebody stops."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.errors import LeaseLost
from blocks.database.pipeline import documents, runs, stage_outputs
from blocks.database.pipeline.dead_runs import close_dead_runs
from blocks.database.pipeline.documents import record_batch
from blocks.database.tables import run_documents
from blocks.database.tables import stage_outputs as outputs
from blocks.errors import ChunkIncomplete, DiskFull, RunInterrupted
from blocks.records import OUTPUT_STAGES, Document, Outcome, Rerun, Retry, RunCounts, Stage
from tasks.runs.chunk import RunContext, StageCounts, run_stage, stop_run
from tasks.runs.frame import failed
from tasks.store.store import store_chunk
from tests.database_fixtures import dead_worker, lease_of, worker
from tests.doubles.scripted_stages import USUAL, Answer, ScriptedStage, failing, found, id_of

NAMES = "abcdef"


def plan(database: Database, run_id: str, rerun: Rerun = Rerun.STALE) -> tuple[str, ...]:
    runs.start_run(database, run_id, run_id, settings={}, types={}, source="{}")
    dead_worker(database, run_id)
    batch = [found(name) for name in NAMES]
    record_batch(database, run_id, batch, given_type=None, rerun=rerun, pipeline_digest="p", chunk_size=100)
    return documents.chunk_document_ids(database, run_id, 1)


@pytest.mark.parametrize("rerun", [Rerun.STALE, Rerun.ALL])
def test_two_runs_at_once_share_the_work_and_agree(database: Database, rerun: Rerun) -> None:
    worked: list[str] = []
    both = Barrier(2)

    def run(run_id: str) -> None:
        with lease_of(database, run_id):
            left = plan(database, run_id, rerun)
            both.wait()
            is_contested = False
            while left:
                left = through_stages(run_id, left, is_contested)
                is_contested = True

    def through_stages(run_id: str, ids: tuple[str, ...], is_contested: bool) -> tuple[str, ...]:
        claimed: set[str] = set()
        for stage in OUTPUT_STAGES:
            part = ScriptedStage(stage, NAMES, before=lambda _: time.sleep(0.01))
            context = RunContext(run_id=run_id, rerun=rerun)
            counts = run_stage(database, context, part, ids, is_contested=is_contested)
            worked.extend(part.worked if stage is Stage.SCORE else ())
            claimed |= set(counts.claimed)
            ids = tuple(id_ for id_ in ids if id_ not in claimed)
        claimed |= set(store_chunk(database, worker(run_id), ids, "p", {}).claimed)
        return tuple(claimed)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ("one", "two")))
    with database.read() as connection:
        outcomes = connection.execute(select(run_documents.c.run_id, run_documents.c.outcome)).all()
    assert {outcome for _, outcome in outcomes} == {"accepted"}
    assert len(outcomes) == 2 * len(NAMES)
    if rerun is Rerun.STALE:
        assert sorted(worked) == sorted(NAMES)


def test_free_documents_are_worked_and_claimed_ones_are_left_to_their_worker(database: Database) -> None:
    """Without waiting. A dead worker's claims are free."""
    ids = plan(database, "mine")
    prints = {id_: ScriptedStage(Stage.EXTRACT, NAMES).fingerprint(_document(database, id_)) for id_ in ids}

    def claim(run_id: str, *names: str) -> None:
        own = {id_of(name): prints[id_of(name)] for name in names}
        stage_outputs.begin_attempts(database, Stage.EXTRACT, dead_worker(database, run_id), own)

    with lease_of(database, "alive"):
        claim("alive", "a", "b")
        claim("dead", "c")
        part = ScriptedStage(Stage.EXTRACT, NAMES)
        counts = run_stage(database, RunContext(run_id="mine"), part, ids)
        assert (sorted(part.worked), counts.done) == (list("cdef"), 4)
        assert set(counts.claimed) == {id_of("a"), id_of("b")}
        later = run_stage(database, RunContext(run_id="mine"), ScriptedStage(Stage.CLASSIFY, NAMES), ids)
        assert (later.done, later.waiting, set(later.claimed)) == (4, 0, {id_of("a"), id_of("b")})
    part = ScriptedStage(Stage.EXTRACT, NAMES)
    counts = run_stage(database, RunContext(run_id="mine"), part, ids)
    assert (sorted(part.worked), counts.unchanged, counts.claimed) == (list("ab"), 4, ()), "the other is dead"


def test_storing_leaves_claimed_documents_out_and_a_closed_lease_writes_nothing(database: Database) -> None:
    ids = plan(database, "mine")
    for stage in OUTPUT_STAGES:
        run_stage(database, RunContext(run_id="mine"), ScriptedStage(stage, NAMES), ids)
    close_dead_runs(database)
    with pytest.raises(LeaseLost):
        store_chunk(database, worker("mine"), ids, "p", {})
    with pytest.raises(LeaseLost):
        run_stage(
            database, RunContext(run_id="mine", rerun=Rerun.ALL), ScriptedStage(Stage.SCORE, NAMES, version="2"), ids
        )
    assert runs.run_counts(database, "mine") == (RunCounts(), len(NAMES))
    with lease_of(database, "mine"), lease_of(database, "alive"):
        again = {id_of("a"): "another configuration"}
        stage_outputs.begin_attempts(database, Stage.SCORE, dead_worker(database, "alive"), again)
        counts = store_chunk(database, worker("mine"), ids, "p", {})
        assert (counts.done, counts.claimed) == (5, (id_of("a"),))


def test_a_run_that_is_stopped_gives_its_attempts_back(database: Database) -> None:
    ids = plan(database, "stopped")
    part = ScriptedStage(Stage.EXTRACT, NAMES, before=lambda name: stop_run("stopped") if name == "b" else None)
    with pytest.raises(RunInterrupted):
        run_stage(database, RunContext(run_id="stopped"), part, ids)
    query = select(outputs.c.attempts).where(outputs.c.state == "started")
    with database.read() as connection:
        attempts = connection.execute(query).scalars().all()
    assert set(attempts) == {0}


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
        stage_outputs.begin_attempts(
            sqlite_database, Stage.EXTRACT, worker("run"), {id_of("a"): begin[id_of("a")]}, solo=solo
        )

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


def test_where_no_document_can_kill_its_worker_deaths_change_nothing(sqlite_database: Database) -> None:
    """Neither the speed, nor what becomes of the documents."""
    ids = plan(sqlite_database, "run")
    groups: list[int] = []

    class Killed(ScriptedStage):
        def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
            groups.append(len(documents))
            yield from super().work(documents)

    def kill(_name: str) -> None:
        raise MemoryError

    dying = Killed(Stage.EXTRACT, NAMES, before=kill, can_kill_worker=False)
    for _ in range(10):
        with pytest.raises(MemoryError):
            run_stage(sqlite_database, RunContext(run_id="run"), dying, ids)
    surviving = Killed(Stage.EXTRACT, NAMES, can_kill_worker=False)
    counts = run_stage(sqlite_database, RunContext(run_id="run"), surviving, ids)
    assert (counts, groups) == (StageCounts(done=6), [6] * 11)


def test_a_stage_gets_ready_before_attempts_are_counted(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that is killed while libraries load was not killed by a document."""
    ids = plan(sqlite_database, "run")

    class Slow(ScriptedStage):
        def get_ready(self, documents: Sequence[Document]) -> None:
            assert len(documents) == len(NAMES)
            assert attempts(sqlite_database) == set()
            raise ZeroDivisionError("the work meets the same error")

    with caplog.at_level(logging.WARNING):
        counts = run_stage(sqlite_database, RunContext(run_id="run"), Slow(Stage.EXTRACT, NAMES), ids)
    assert counts == StageCounts(done=6)
    (warning,) = caplog.records
    assert warning.getMessage().startswith("stage extract did not get ready")
    assert warning.exc_info


def test_what_concerns_the_run_ends_it_before_its_documents(sqlite_database: Database) -> None:
    ids = plan(sqlite_database, "run")

    class Away(ScriptedStage):
        def get_ready(self, documents: Sequence[Document]) -> None:
            raise DiskFull("/tmp/kept", "no space left")

    with pytest.raises(DiskFull):
        run_stage(sqlite_database, RunContext(run_id="run"), Away(Stage.EXTRACT, NAMES), ids)
    assert attempts(sqlite_database) == set()


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
