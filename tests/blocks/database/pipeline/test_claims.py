"""Claims: what two workers may claim of the same documents, and what a release gives back."""

import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from blocks.database import tables
from blocks.database.engine import Database, now
from blocks.database.pipeline import claims, runs, stage_outputs
from blocks.database.pipeline.claims import NO_WORKER, Claimant, Worker
from blocks.database.pipeline.leases import hold_lease
from blocks.records import Outcome, Rerun, Retry, Stage
from tests.database_fixtures import add_documents, dead_worker, lease_of, worker
from tests.doubles.scripted_stages import USUAL, failing, id_of

PAYLOAD = USUAL[Stage.EXTRACT].model_dump_json().encode()


def begin(
    database: Database,
    run_id: str,
    *names: str,
    stage: Stage = Stage.EXTRACT,
    fingerprint: str = "f",
    solo: bool = False,
    seen: claims.SeenRows | None = None,
) -> set[str]:
    """Claim documents; returns the names of those that the run got."""
    prints = {id_of(name): fingerprint for name in names}
    begun = stage_outputs.begin_attempts(database, stage, dead_worker(database, run_id), prints, solo=solo, seen=seen)
    return {name for name in names if id_of(name) in begun}


def end(database: Database, run_id: str, name: str) -> None:
    outcome = [Outcome(id_of(name), PAYLOAD)]
    stage_outputs.write_outcomes(database, Stage.EXTRACT, worker(run_id), outcome, {id_of(name): "f"})


def row(database: Database, name: str, stage: Stage = Stage.EXTRACT, fingerprint: str = "f") -> tuple[Any, ...]:
    """State, worker, attempts and attempts alone."""
    its = tables.stage_outputs.c
    query = select(its.state, its.worker_id, its.attempts, its.solo_attempts).where(
        its.document_id == id_of(name), its.stage == stage.value, its.fingerprint == fingerprint
    )
    with database.read() as connection:
        return tuple(connection.execute(query).one())


def release_leftovers(database: Database, run_id: str, *names: str) -> None:
    with database.write() as connection:
        claims.release_leftovers(database, connection, worker(run_id), [id_of(name) for name in names])


def claimed_elsewhere(database: Database, run_id: str, stage: Stage, *names: str) -> set[str]:
    ids = [id_of(name) for name in names]
    state = stage_outputs.load_chunk(database, stage, ids)
    claimed = claims.claimed_elsewhere(database, worker(run_id), state, dict.fromkeys(ids, "f"))
    return {name for name in names if id_of(name) in claimed}


def claimed_in_chains(database: Database, run_id: str, *names: str) -> set[str]:
    with database.read() as connection:
        chains = stage_outputs.load_chains(connection, [id_of(name) for name in names])
        claimed = claims.claimed_in_chains(connection, worker(run_id), chains)
    return {name for name in names if id_of(name) in claimed}


def claimants(database: Database, run_id: str, *names: str) -> tuple[Claimant, ...]:
    return claims.claimants(database, worker(run_id), [id_of(name) for name in names])


def test_a_live_run_keeps_its_claim_and_a_dead_one_loses_it(database: Database) -> None:
    add_documents(database, "a", "b")
    with lease_of(database, "run-1"):
        assert begin(database, "run-1", "a") == {"a"}
        assert begin(database, "run-2", "a", "b") == {"b"}
        assert row(database, "a") == ("started", "run-1", 1, 0)
    assert begin(database, "run-3", "a") == {"a"}
    assert row(database, "a") == ("started", "run-3", 2, 0), "its attempt counts"


def test_a_live_runs_ended_row_is_no_claim(database: Database) -> None:
    add_documents(database, "a")
    with lease_of(database, "run-1"):
        begin(database, "run-1", "a")
        end(database, "run-1", "a")
        assert begin(database, "run-2", "a") == {"a"}


def test_a_claim_is_of_a_stage_and_a_fingerprint(database: Database) -> None:
    add_documents(database, "a")
    with lease_of(database, "run-1"):
        begin(database, "run-1", "a")
        assert begin(database, "run-2", "a", fingerprint="other") == {"a"}
        assert begin(database, "run-2", "a", stage=Stage.CLASSIFY) == {"a"}
        assert begin(database, "run-2", "a") == set()


def test_a_run_may_claim_again_what_it_has_claimed(database: Database) -> None:
    add_documents(database, "a")
    with lease_of(database, "run-1"):
        assert begin(database, "run-1", "a") == begin(database, "run-1", "a", solo=True) == {"a"}
    assert row(database, "a") == ("started", "run-1", 2, 1)


def test_a_row_that_another_run_wrote_since_it_was_seen_is_not_claimed(database: Database) -> None:
    """Run 2 decided what to do, then run 1 did it: run 2 must look again."""
    add_documents(database, "a", "b", "c")
    begin(database, "run-0", "b", "c")
    seen = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of(name) for name in "abc"]).rows
    begin(database, "run-1", "a", "b")
    end(database, "run-1", "a")
    assert begin(database, "run-2", "a", "b", "c", seen=seen) == {"c"}
    assert begin(database, "run-2", "a", "b") == {"a", "b"}, "not asked to compare"


def test_stopped_work_counts_no_attempt(database: Database) -> None:
    add_documents(database, "a", "b")
    begin(database, "run-1", "a", "b")
    begin(database, "run-1", "a", "b")
    claims.release_attempts(database, Stage.EXTRACT, worker("run-1"), [id_of("a")], solo=False)
    assert row(database, "a") == ("started", NO_WORKER, 1, 0)
    assert row(database, "b") == ("started", "run-1", 2, 0), "another document keeps its attempt"


def test_stopped_work_alone_counts_no_attempt_alone(database: Database) -> None:
    """Else a document would be quarantined too early."""
    add_documents(database, "a")
    for solo in (False, True, True):
        begin(database, "run-1", "a", solo=solo)
    claims.release_attempts(database, Stage.EXTRACT, worker("run-1"), [id_of("a")], solo=True)
    assert row(database, "a") == ("started", NO_WORKER, 2, 1)


def test_a_stop_releases_only_what_the_run_has_begun_at_the_stage(database: Database) -> None:
    add_documents(database, "ended", "other-run", "a")
    begin(database, "run-1", "ended", "a")
    end(database, "run-1", "ended")
    begin(database, "run-2", "other-run")
    begin(database, "run-1", "a", stage=Stage.CLASSIFY)
    ids = [id_of(name) for name in ("ended", "other-run", "a")]
    claims.release_attempts(database, Stage.CLASSIFY, worker("run-1"), ids, solo=False)
    claims.release_attempts(database, Stage.EXTRACT, worker("run-1"), ids[:2], solo=False)
    assert row(database, "ended") == ("done", "run-1", 1, 0)
    assert row(database, "other-run") == ("started", "run-2", 1, 0)
    assert row(database, "a") == ("started", "run-1", 1, 0)
    assert row(database, "a", Stage.CLASSIFY) == ("started", NO_WORKER, 0, 0)


def test_leftovers_are_released_at_every_stage_and_their_attempts_count(database: Database) -> None:
    add_documents(database, "a", "b")
    with lease_of(database, "run-1"):
        begin(database, "run-1", "a", "b")
        begin(database, "run-1", "a", stage=Stage.CLASSIFY)
        release_leftovers(database, "run-1", "a")
        assert row(database, "a") == row(database, "a", Stage.CLASSIFY) == ("started", NO_WORKER, 1, 0)
        assert row(database, "b") == ("started", "run-1", 1, 0)
        assert begin(database, "run-2", "a", "b") == {"a"}
    assert row(database, "a") == ("started", "run-2", 2, 0)


def test_a_run_releases_nothing_of_others_and_nothing_that_ended(database: Database) -> None:
    add_documents(database, "a", "b")
    begin(database, "run-1", "a")
    begin(database, "run-2", "b")
    end(database, "run-2", "b")
    release_leftovers(database, "run-2", "a", "b")
    assert row(database, "a") == ("started", "run-1", 1, 0)
    assert row(database, "b") == ("done", "run-2", 1, 0)


def test_documents_that_another_live_worker_has_claimed_are_named_at_this_stage_and_earlier(
    database: Database,
) -> None:
    add_documents(database, "here", "own", "dead", "done", "before", "free")
    begin(database, "run-dead", "dead")
    with lease_of(database, "run-1"), lease_of(database, "run-2"):
        begin(database, "run-1", "here", "done")
        end(database, "run-1", "done")
        begin(database, "run-2", "own")
        names = ("here", "own", "dead", "done", "free")
        assert claimed_elsewhere(database, "run-2", Stage.EXTRACT, *names) == {"here"}
        begin(database, "run-1", "before")
        assert claimed_elsewhere(database, "run-2", Stage.CLASSIFY, *names, "before") == {"here", "before"}
    assert claimed_elsewhere(database, "run-2", Stage.CLASSIFY, "here", "before") == set()


def test_a_claim_under_another_fingerprint_is_not_in_the_way(database: Database) -> None:
    add_documents(database, "a")
    with lease_of(database, "run-1"):
        begin(database, "run-1", "a", fingerprint="other")
        assert claimed_elsewhere(database, "run-2", Stage.EXTRACT, "a") == set()


def test_storing_sees_a_claim_at_any_stage(database: Database) -> None:
    add_documents(database, "a", "b")
    with lease_of(database, "run-1"):
        begin(database, "run-1", "a", stage=Stage.SCORE)
        assert claimed_in_chains(database, "run-2", "a", "b") == {"a"}
        assert claimed_in_chains(database, "run-1", "a", "b") == set(), "a worker does not wait for itself"
    assert claimed_in_chains(database, "run-2", "a") == set(), "run 1 is dead"


def test_a_second_worker_of_the_same_run_respects_the_claims_of_the_first(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = Worker("run", "worker-1"), Worker("run", "worker-2")
    prints = {id_of("a"): "f", id_of("b"): "f"}
    with hold_lease(database, "run", worker_id="worker-1"), hold_lease(database, "run", worker_id="worker-2"):
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, first, {id_of("a"): "f"}) == {id_of("a")}
        assert stage_outputs.begin_attempts(database, Stage.EXTRACT, second, prints) == {id_of("b")}
        outcomes = [Outcome(id_, PAYLOAD) for id_ in prints]
        assert stage_outputs.write_outcomes(database, Stage.EXTRACT, second, outcomes, prints) == {id_of("b"): 1}
        assert row(database, "a") == ("started", "worker-1", 1, 0)


def test_a_worker_that_goes_on_after_its_claim_was_taken_over_overwrites_nothing(database: Database) -> None:
    """It was stopped past its lease. Its token is no longer in the row, whoever ended the row since."""
    add_documents(database, "a")
    begin(database, "run-1", "a")
    assert begin(database, "run-2", "a") == {"a"}
    for _ in ("while the other works", "after it has ended"):
        late = [Outcome(id_of("a"), b"late")]
        assert stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-1"), late, {id_of("a"): "f"}) == {}
        end(database, "run-2", "a")
    state = stage_outputs.load_chunk(database, Stage.CLASSIFY, [id_of("a")])
    (loaded,) = stage_outputs.load_inputs(database, state.ready, (Stage.EXTRACT,))
    assert loaded.inputs == {Stage.EXTRACT: PAYLOAD}


def test_who_waits_learns_for_which_run_and_since_when(database: Database) -> None:
    add_documents(database, "a", "b", "dead", "own")
    runs.start_run(database, "run-1", "invoices", settings={}, types={}, source="{}")
    begin(database, "run-dead", "dead")
    begun_at = now()
    with lease_of(database, "run-1"), lease_of(database, "run-2"):
        begin(database, "run-1", "a", "b")
        begin(database, "run-2", "own")
        (other,) = claimants(database, "run-2", "a", "b", "dead", "own")
        assert (other.run_id, other.run_name, other.pid) == ("run-1", "invoices", os.getpid())
        assert other.document_ids == {id_of("a"), id_of("b")}
        assert abs(other.since - begun_at) < timedelta(minutes=1)
        end(database, "run-1", "a")
        assert claimants(database, "run-2", "a") == ()


@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.NOW])
def test_an_attempt_that_another_run_ended_begins_the_count_anew(database: Database, retry: Retry) -> None:
    add_documents(database, "a")
    for _ in range(2):
        begin(database, "run-1", "a", solo=True)
    failed = [Outcome(id_of("a"), None, failing(Stage.EXTRACT, retry))]
    stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-1"), failed, {id_of("a"): "f"})
    assert row(database, "a") == ("failed", "run-1", 2, 2)
    begin(database, "run-2", "a")
    assert row(database, "a") == ("started", "run-2", 1, 0)
    state = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a")])
    assert state.to_do({id_of("a"): "f"}, Rerun.STALE, "run-2", 3).fresh == state.ready
