"""Two runs over the same documents at once, on both databases; and a run that somebody stops."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select, text

from blocks.database.engine import Database
from blocks.database.pipeline import documents, runs, stage_outputs
from blocks.database.pipeline import live_runs as live_runs_module
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.live_runs import hold_run, live_runs
from blocks.database.tables import run_documents
from blocks.database.tables import stage_outputs as outputs
from blocks.errors import RunInterrupted
from blocks.records import OUTPUT_STAGES, Rerun, Stage
from tasks.runs import chunk
from tasks.runs.chunk import RunContext, run_stage, stop_run
from tasks.store.store import store_chunk
from tests.doubles.scripted_stages import ScriptedStage, found, id_of

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
    monkeypatch.setattr(chunk, "LOOK_EVERY_S", 0.02)
    worked: list[str] = []
    both = Barrier(2)

    def run(run_id: str) -> None:
        with hold_run(database, run_id):
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
    with hold_run(database, "one"):
        assert live_runs(database, ["one", "two"]) == {"one"}
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "one", begin) == set(begin)
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "two", begin) == set()
    assert live_runs(database, ["one"]) == set()
    assert stage_outputs.begin_attempts(database, Stage.EXTRACT, "two", begin) == set(begin)


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
    monkeypatch.setattr(live_runs_module, "LOOK_EVERY_S", 0.05)
    end = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    with hold_run(postgres_database, "one"):
        with postgres_database.write() as connection:
            connection.execute(end)
        until = time.monotonic() + 10
        time.sleep(0.1)
        while not live_runs(postgres_database, ["one"]) and time.monotonic() < until:
            time.sleep(0.05)
        assert live_runs(postgres_database, ["one"]) == {"one"}
    assert live_runs(postgres_database, ["one"]) == set()
