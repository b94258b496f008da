"""A backfill does what its plan says: in shards, within one budget, and only while the ground is as it was."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, update

from blocks.backfill.comparison import ChangedValue, Comparison
from blocks.backfill.errors import GroundMoved, WorkerDiffers, WrongState
from blocks.backfill.plan import Plan
from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.models.budgets import BACKFILL, join_budget, spent_of
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState, Shard
from blocks.database.pipeline.dead_runs import close_dead_runs
from blocks.database.pipeline.documents import chunk_document_ids
from blocks.database.pipeline.runs import finish_run
from blocks.errors import RunInterrupted
from blocks.ledger import Caps, ModelCall, Reservation, Settlement
from blocks.records import Rerun, Retry, Stage
from deployments.cli.backfill_status import show_status
from tasks.backfill import shards as module
from tasks.backfill.shards import backfill_id_of, begin_backfill, take_shard, working_shard
from tasks.backfill.task import run_here
from tasks.runs.chunk import RunContext, raise_if_stopped
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import Run
from tests.database_fixtures import dead_worker, lease_of
from tests.doubles.scripted_stages import failing, id_of
from tests.tasks.backfill.test_plan import NO_MODELS, Bench, bench, write_type
from tests.winnow_command import wait_until

__all__ = ["bench"]  # a fixture


def begin(bench: Bench, plan: Plan, shard_size: int = 2) -> Backfill:
    run = Run(bench.prepared, RunContext(run_id="plan"), bench.pipeline()[0])
    return begin_backfill(run, NO_MODELS, plan, shard_size=shard_size)


def test_values_of_a_sample_are_not_stored_with_the_plan(bench: Bench) -> None:
    bench.versions[Stage.SCORE] = "2"
    value = ChangedValue(uri="/in/a", field="company", before="Ann Quartermain", after=None)
    sample = Comparison(documents=1, same=0, values=(value,), flips=())
    begin(bench, bench.plan().model_copy(update={"sample": sample}))
    with bench.database.read() as connection:
        [stored] = connection.execute(select(tables.backfills.c.plan)).scalars()
    assert "Quartermain" not in str(stored)


def work(bench: Bench, backfill: Backfill, shard: int) -> dict[Stage, int]:
    """Work a shard as its flow does; how many documents each stage worked."""
    with bench.opened(Rerun.STALE) as (run, stages), working_shard(run, backfill, shard):
        take_shard(run, backfill, shard)
        process_chunks(run)
        finish_run(run.database, run.run_id, "Completed", "")
    return {name: len(stage.worked) for name, stage in stages.items() if stage.worked}


def test_shards_do_what_the_plan_says_the_newest_documents_first(bench: Bench) -> None:
    with bench.database.write() as connection:
        of_document = tables.documents.c.document_id == id_of("d")
        tomorrow = now() + timedelta(days=1)
        connection.execute(update(tables.documents).where(of_document).values(first_seen_at=tomorrow))
    bench.decide("a")
    bench.versions[Stage.SCORE] = "2"
    plan = bench.plan()
    backfill = begin(bench, Plan.model_validate_json(plan.model_dump_json()))
    shards = backfills.shards_of(bench.database, backfill.backfill_id)
    assert [(shard.shard, shard.documents, shard.is_done) for shard in shards] == [(1, 2, False), (2, 2, False)]
    worked = work(bench, backfill, 1)
    assert id_of("d") in chunk_document_ids(bench.database, f"run-{bench.runs}", 1)
    assert work(bench, begin(bench, plan), 2) == worked == {Stage.SCORE: 2}, "it goes on"
    assert plan.work_of(Stage.SCORE).certain == 4
    assert all(shard.is_done for shard in backfills.shards_of(bench.database, backfill.backfill_id))
    assert backfills.outcomes_of(bench.database, backfill.backfill_id) == {"skipped": 4}
    backfills.set_state(bench.database, backfill.backfill_id, BackfillState.DONE)
    with pytest.raises(WrongState, match="is done; make a new plan"):
        begin(bench, plan)


@pytest.mark.parametrize(
    ("move", "moved"),
    [
        (lambda bench, _: bench.versions.update({Stage.EXTRACT: "9"}), "settings or version of extract"),
        (lambda bench, folder: setattr(bench, "types", write_type(folder, "sensitive: true\n")), "type receipt"),
        (lambda bench, _: bench.decide("b"), "rows of the selected documents"),
    ],
    ids=["settings", "types", "rows"],
)
def test_nothing_begins_on_ground_that_has_moved(
    bench: Bench, tmp_path: Path, move: Callable[[Bench, Path], None], moved: str
) -> None:
    bench.versions[Stage.SCORE] = "2"
    plan = bench.plan()
    move(bench, tmp_path / "types")
    with pytest.raises(GroundMoved, match=rf"UTC: {moved}( \(planned \w{{8}}, here \w{{8}}\))?; make a new plan"):
        begin(bench, plan)
    assert backfills.state_of(bench.database, plan.plan_id) is None


def test_a_worker_with_other_types_works_no_shard_and_status_says_so(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.versions[Stage.SCORE] = "2"
    planned_types = bench.types
    backfill = begin(bench, bench.plan())
    bench.types = write_type(tmp_path / "types", "sensitive: true\n")
    planned, here = (types["receipt"].version[:8] for types in (planned_types, bench.types))
    differing = rf"the worker on \S+ would .* as planned: type receipt \(planned {planned}, here {here}\); bring its"

    def work_shard(shard: Shard) -> None:
        work(bench, backfill, shard.shard)

    with pytest.raises(WorkerDiffers, match=differing):
        run_here(bench.database, backfill, work_shard)
    stopped = backfills.find_backfill(bench.database, backfill.backfill_id)
    first, second, *_ = backfills.shards_of(bench.database, backfill.backfill_id)
    assert (stopped.state, first.run_state, second.run_id) == (BackfillState.STOPPED, "Failed", None)
    show_status(bench.database, None)
    shown = capsys.readouterr().out
    assert "stopped, " in shown
    assert re.search(f"not ended well: shard 1, Failed: {differing}", shown)
    bench.types = planned_types
    again = begin(bench, backfill.plan)
    assert again.state is BackfillState.RUNNING
    run_here(bench.database, again, work_shard)
    assert backfills.state_of(bench.database, backfill.backfill_id) is BackfillState.DONE


def test_a_cancelled_backfill_stops_its_runs_and_goes_on_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_STATE_EVERY_S", 0.02)
    bench.versions[Stage.SCORE] = "2"
    plan = bench.plan()
    backfill = begin(bench, plan)

    def work_and_cancel() -> None:
        with bench.opened(Rerun.STALE) as (run, _), working_shard(run, backfill, 1):
            take_shard(run, backfill, 1)
            backfills.set_state(bench.database, backfill.backfill_id, BackfillState.CANCELLED)
            wait_until(lambda: is_stopped(run))
            process_chunks(run)

    with pytest.raises(RunInterrupted):
        work_and_cancel()
    with pytest.raises(WrongState, match="is cancelled"):
        work(bench, backfills.find_backfill(bench.database, plan.plan_id[:6]), 1)
    again = begin(bench, plan)
    assert [shard.attempt for shard in backfills.shards_of(bench.database, plan.plan_id)] == [2, 1, 1]
    assert work(bench, again, 1) == {Stage.SCORE: 2}


def is_stopped(run: Run) -> bool:
    try:
        raise_if_stopped(run.run_id)
    except RunInterrupted:
        return True
    return False


def test_a_backfill_whose_process_has_died_has_stopped_and_goes_on(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.versions[Stage.SCORE] = "2"
    plan = bench.plan()
    database, backfill_id = bench.database, backfill_id_of(plan)

    def shown() -> str:
        show_status(database, backfill_id[:12])
        return capsys.readouterr().out

    with lease_of(database, backfill_id):
        begin(bench, plan)
        close_dead_runs(database)
        assert f"backfill {backfill_id}: running" in shown()
    dead_worker(database, backfill_id)
    assert f"backfill {backfill_id}: stopped" in shown(), "before anybody closes it"
    assert "the same winnow backfill run goes on with it" in shown()
    assert backfills.state_of(database, backfill_id) is BackfillState.RUNNING
    close_dead_runs(database)
    assert backfills.state_of(database, backfill_id) is BackfillState.STOPPED
    with lease_of(database, backfill_id):
        again = begin(bench, plan)
        run_here(database, again, lambda shard: print(work(bench, again, shard.shard)))
    assert f"backfill {backfill_id}: done" in shown()
    close_dead_runs(database)
    assert backfills.state_of(database, backfill_id) is BackfillState.DONE


def test_failures_by_kind(bench: Bench) -> None:
    bench.versions[Stage.SCORE] = "2"
    bench.answers[Stage.SCORE] = {name: failing(Stage.SCORE, Retry.NEVER, "too_large") for name in "abc"}
    backfill = begin(bench, bench.plan(), shard_size=9)
    work(bench, backfill, 1)
    assert backfills.failure_kinds_of(bench.database, backfill.backfill_id) == {"too_large": 3}


def test_all_shards_share_one_budget(database: Database) -> None:
    for run_id in ("one", "two"):
        join_budget(database, run_id, "backfill", Decimal("1.00"))
    ledger = DatabaseLedger(database)

    def ask(run_id: str, key: str, usd: str) -> bool:
        call = ModelCall(document_id="d", model="m", model_version="v", call_key=key)
        reserved = Reservation(run_id, call, Decimal(usd), Caps(run_usd=Decimal(1), day_usd=Decimal(9)))
        [admission] = ledger.exchange((), (reserved,))
        assert admission.is_admitted or (admission.scope, admission.cap_usd) == ("backfill", Decimal(1))
        return admission.is_admitted

    assert ask("one", "k1", "0.70")
    assert not ask("two", "k2", "0.40")
    assert ask("two", "k3", "0.30")
    settled = ModelCall(document_id="d", model="m", model_version="v", call_key="k1", cost_usd=Decimal("0.10"))
    ledger.exchange((Settlement("one", settled, Decimal("0.70")),), ())
    assert spent_of(database, BACKFILL, "backfill") == Decimal("0.10")
    assert ask("two", "k4", "0.60")
    assert not ask("one", "k5", "0.01")
    assert ask("alone", "k6", "0.90"), "a run outside of the backfill has a budget of its own"
    ledger.close()
