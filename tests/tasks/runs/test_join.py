"""A second worker joins a run: it works chunks under the run's terms, and ends when the run does."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline import run_chunks, runs
from blocks.errors import RunInterrupted
from blocks.records import Stage
from tasks.runs import join as module
from tasks.runs import pipeline
from tasks.runs.chunk import RunContext, raise_if_stopped
from tasks.runs.errors import OtherConfiguration, RunIsOver, RunNotFound
from tasks.runs.join import join_run
from tasks.runs.pipeline import process_chunks, work_chunks
from tests.doubles.scripted_stages import ScriptedStage
from tests.tasks.runs.test_pipeline import NAMES, opened, scripted, unfinished
from tests.winnow_command import wait_until

WAIT_S = 60.0


@pytest.fixture(autouse=True)
def quick(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "connect", lambda settings: database)
    monkeypatch.setattr(module, "CHECK_END_EVERY_S", 0.02)
    monkeypatch.setattr(pipeline, "CHECK_CLAIMS_EVERY_S", 0.02)
    monkeypatch.setattr(pipeline, "COUNT_OTHERS_EVERY_S", 0.02)


def joined(before: Callable[[str], None]) -> "Future[RunContext]":
    """A worker that joins the run of `opened` in a thread; gives what it was asked."""

    def work() -> RunContext:
        with join_run("run", scripted(before)) as run:
            work_chunks(run)
            return run.context

    pool = ThreadPoolExecutor(1)
    future = pool.submit(copy_context().run, work)
    pool.shutdown(wait=False)
    return future


def test_two_workers_share_the_chunks_and_the_terms_of_a_run(database: Database) -> None:
    has_joined = threading.Event()
    scored: list[str] = []

    def score_here(name: str) -> None:
        assert has_joined.wait(WAIT_S), "the other worker works at the same time"
        scored.append(name)

    def score_there(name: str) -> None:
        has_joined.set()
        scored.append(name)

    with opened(database, scripted(score_here), budget_usd=Decimal("0.25")) as run:
        other = joined(score_there)  # before there are chunks
        process_chunks(run)
        runs.finish_run(database, "run", "Completed", "")
    assert other.result(WAIT_S).budget_usd == Decimal("0.25")
    assert sorted(scored) == sorted(NAMES), "each document once"
    assert unfinished(database) == 0
    shares = run_chunks.shares_of(database, "run")
    assert sum(share.documents for share in shares) == len(NAMES)
    assert len(shares) == 2
    with pytest.raises(RunIsOver, match="no chunk of it is left"):
        joined(score_there).result(WAIT_S)


def test_a_worker_stops_when_the_run_has_ended(database: Database) -> None:
    is_scoring, is_over = threading.Event(), threading.Event()

    def score(_name: str) -> None:
        is_scoring.set()
        assert is_over.wait(WAIT_S)

    with opened(database, scripted()):
        run_chunks.publish_chunks(database, "run")
        other = joined(score)
        assert is_scoring.wait(WAIT_S)
        runs.finish_run(database, "run", "Cancelled", "stopped before the end")
        wait_until(lambda: is_stopped("run"), WAIT_S)
        is_over.set()
        with pytest.raises(RunInterrupted):
            other.result(WAIT_S)
    assert unfinished(database) > 0


def test_a_worker_that_waits_for_chunks_ends_when_the_process_that_discovers_them_has_died(database: Database) -> None:
    with opened(database, scripted()):
        waiting = joined(lambda _: pytest.fail("there is nothing to work"))
    with pytest.raises(RunIsOver, match="has ended as Crashed"):  # the block left the run open, without a process
        waiting.result(WAIT_S)


@dataclass
class LoadingStage(ScriptedStage):
    """A stage whose libraries are loaded when the test says so; `asked` has each question whether they are."""

    is_loaded: threading.Event = field(default_factory=threading.Event)
    asked: list[bool] = field(default_factory=list)

    def warm_up(self) -> Callable[[], bool]:
        def is_loaded() -> bool:
            self.asked.append(self.is_loaded.is_set())
            return self.asked[-1]

        return is_loaded


def loading(stage: LoadingStage) -> "Future[None]":
    """A worker that joins the run of `opened` in a thread, whose validate is this stage."""
    stages = scripted()
    stages[Stage.VALIDATE] = replace(stages[Stage.VALIDATE], open=lambda _run: stage)

    def work() -> None:
        with join_run("run", stages) as run:
            work_chunks(run)

    pool = ThreadPoolExecutor(1)
    future = pool.submit(copy_context().run, work)
    pool.shutdown(wait=False)
    return future


def test_a_worker_claims_no_chunk_before_its_libraries_are_loaded(database: Database) -> None:
    stage = LoadingStage(Stage.VALIDATE, NAMES)
    with opened(database, scripted()) as run:
        run_chunks.publish_chunks(database, "run")
        other = loading(stage)
        wait_until(lambda: len(stage.asked) > 3, WAIT_S)
        assert unfinished(database) == len(NAMES)
        assert run_chunks.chunks_left(database, run.context.worker).free
        assert claimed(database) == []
        stage.is_loaded.set()
        other.result(WAIT_S)
    assert sorted(stage.worked) == sorted(NAMES)


def test_a_worker_whose_libraries_still_load_ends_when_others_have_done_all_chunks(database: Database) -> None:
    stage = LoadingStage(Stage.VALIDATE, NAMES)
    with opened(database, scripted()) as run:
        run_chunks.publish_chunks(database, "run")
        other = loading(stage)
        wait_until(lambda: len(stage.asked) > 3, WAIT_S)
        process_chunks(run)
        other.result(WAIT_S)
    assert stage.worked == []


def claimed(database: Database) -> list[str]:
    """Who has claimed a chunk."""
    with database.read() as connection:
        claimants = connection.execute(select(tables.run_chunks.c.worker_id)).scalars()
        return [worker_id for worker_id in claimants if worker_id]


def is_stopped(run_id: str) -> bool:
    try:
        raise_if_stopped(run_id)
    except RunInterrupted:
        return True
    return False


def test_a_worker_with_another_database_or_other_stages_works_nothing(database: Database) -> None:
    with pytest.raises(RunNotFound, match="has no run run that can be joined"):
        joined(lambda _: None).result(WAIT_S)
    stages = scripted()
    with opened(database, stages):
        run_chunks.publish_chunks(database, "run")
        stages.pop(next(iter(stages)))
        with pytest.raises(OtherConfiguration, match="another version of Winnow"), join_run("run", stages):
            pytest.fail("it may not work")
    assert run_chunks.shares_of(database, "run") == ()
