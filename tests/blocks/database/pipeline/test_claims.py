"""Claims: what two runs may claim of the same documents, and what a release gives back."""

from typing import Any

import pytest
from sqlalchemy import select

from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline import claims, stage_outputs
from blocks.database.pipeline.claims import NO_RUN
from blocks.database.pipeline.run_locks import hold_run_lock
from blocks.records import Outcome, Rerun, Retry, Stage
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import USUAL, failing, id_of
from tests.winnow_command import wait_until

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
    begun = stage_outputs.begin_attempts(database, stage, run_id, prints, solo=solo, seen=seen)
    return {name for name in names if id_of(name) in begun}


def end(database: Database, run_id: str, name: str) -> None:
    outcome = [Outcome(id_of(name), PAYLOAD)]
    stage_outputs.write_outcomes(database, Stage.EXTRACT, run_id, outcome, {id_of(name): "f"})


def row(database: Database, name: str, stage: Stage = Stage.EXTRACT, fingerprint: str = "f") -> tuple[Any, ...]:
    """State, run, attempts and attempts alone."""
    its = tables.stage_outputs.c
    query = select(its.state, its.run_id, its.attempts, its.solo_attempts).where(
        its.document_id == id_of(name), its.stage == stage.value, its.fingerprint == fingerprint
    )
    with database.read() as connection:
        return tuple(connection.execute(query).one())


def release_leftovers(database: Database, run_id: str, *names: str) -> None:
    with database.write() as connection:
        claims.release_leftovers(database, connection, run_id, [id_of(name) for name in names])


def claimed_elsewhere(database: Database, run_id: str, stage: Stage, *names: str) -> tuple[set[str], set[str]]:
    ids = [id_of(name) for name in names]
    state = stage_outputs.load_chunk(database, stage, ids)
    here, before = claims.claimed_elsewhere(database, run_id, state, dict.fromkeys(ids, "f"))
    by_id = {id_of(name): name for name in names}
    return {by_id[id_] for id_ in here}, {by_id[id_] for id_ in before}


def any_claimed(database: Database, run_id: str, *names: str) -> bool:
    with database.read() as connection:
        chains = stage_outputs.load_chains(connection, [id_of(name) for name in names])
        return claims.any_claimed_elsewhere(database, connection, run_id, chains)


def test_a_live_run_keeps_its_claim_and_a_dead_one_loses_it(database: Database) -> None:
    add_documents(database, "a", "b")
    with hold_run_lock(database, "run-1"):
        assert begin(database, "run-1", "a") == {"a"}
        assert begin(database, "run-2", "a", "b") == {"b"}
        assert row(database, "a") == ("started", "run-1", 1, 0)
    # Run 1 is dead. PostgreSQL gives up a lock when the session's server process has ended, a moment later.
    wait_until(lambda: begin(database, "run-3", "a") == {"a"})
    assert row(database, "a") == ("started", "run-3", 2, 0), "its attempt counts"


def test_a_live_runs_ended_row_is_no_claim(database: Database) -> None:
    add_documents(database, "a")
    with hold_run_lock(database, "run-1"):
        begin(database, "run-1", "a")
        end(database, "run-1", "a")
        assert begin(database, "run-2", "a") == {"a"}


def test_a_claim_is_of_a_stage_and_a_fingerprint(database: Database) -> None:
    add_documents(database, "a")
    with hold_run_lock(database, "run-1"):
        begin(database, "run-1", "a")
        assert begin(database, "run-2", "a", fingerprint="other") == {"a"}
        assert begin(database, "run-2", "a", stage=Stage.CLASSIFY) == {"a"}
        assert begin(database, "run-2", "a") == set()


def test_a_run_may_claim_again_what_it_has_claimed(database: Database) -> None:
    add_documents(database, "a")
    with hold_run_lock(database, "run-1"):
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
    claims.release_attempts(database, Stage.EXTRACT, "run-1", [id_of("a")], solo=False)
    assert row(database, "a") == ("started", NO_RUN, 1, 0)
    assert row(database, "b") == ("started", "run-1", 2, 0), "another document keeps its attempt"


def test_stopped_work_alone_counts_no_attempt_alone(database: Database) -> None:
    """Else a document would be quarantined too early."""
    add_documents(database, "a")
    for solo in (False, True, True):
        begin(database, "run-1", "a", solo=solo)
    claims.release_attempts(database, Stage.EXTRACT, "run-1", [id_of("a")], solo=True)
    assert row(database, "a") == ("started", NO_RUN, 2, 1)


def test_a_stop_releases_only_what_the_run_has_begun_at_the_stage(database: Database) -> None:
    add_documents(database, "ended", "other-run", "a")
    begin(database, "run-1", "ended", "a")
    end(database, "run-1", "ended")
    begin(database, "run-2", "other-run")
    begin(database, "run-1", "a", stage=Stage.CLASSIFY)
    ids = [id_of(name) for name in ("ended", "other-run", "a")]
    claims.release_attempts(database, Stage.CLASSIFY, "run-1", ids, solo=False)
    claims.release_attempts(database, Stage.EXTRACT, "run-1", ids[:2], solo=False)
    assert row(database, "ended") == ("done", "run-1", 1, 0)
    assert row(database, "other-run") == ("started", "run-2", 1, 0)
    assert row(database, "a") == ("started", "run-1", 1, 0)
    assert row(database, "a", Stage.CLASSIFY) == ("started", NO_RUN, 0, 0)


def test_leftovers_are_released_at_every_stage_and_their_attempts_count(database: Database) -> None:
    add_documents(database, "a", "b")
    with hold_run_lock(database, "run-1"):
        begin(database, "run-1", "a", "b")
        begin(database, "run-1", "a", stage=Stage.CLASSIFY)
        release_leftovers(database, "run-1", "a")
        assert row(database, "a") == row(database, "a", Stage.CLASSIFY) == ("started", NO_RUN, 1, 0)
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


def test_documents_that_another_live_run_works_are_named_by_where_it_stands(database: Database) -> None:
    add_documents(database, "here", "own", "dead", "done", "before", "free")
    begin(database, "run-dead", "dead")
    with hold_run_lock(database, "run-1"), hold_run_lock(database, "run-2"):
        begin(database, "run-1", "here", "done")
        end(database, "run-1", "done")
        begin(database, "run-2", "own")
        names = ("here", "own", "dead", "done", "free")
        assert claimed_elsewhere(database, "run-2", Stage.EXTRACT, *names) == ({"here"}, set())
        begin(database, "run-1", "before")
        expected = (set[str](), {"here", "before"})
        assert claimed_elsewhere(database, "run-2", Stage.CLASSIFY, *names, "before") == expected
    assert claimed_elsewhere(database, "run-2", Stage.CLASSIFY, "here", "before") == (set(), set())


def test_a_claim_under_another_fingerprint_is_not_in_the_way(database: Database) -> None:
    add_documents(database, "a")
    with hold_run_lock(database, "run-1"):
        begin(database, "run-1", "a", fingerprint="other")
        assert claimed_elsewhere(database, "run-2", Stage.EXTRACT, "a") == (set(), set())


def test_storing_sees_a_claim_at_any_stage(database: Database) -> None:
    add_documents(database, "a", "b")
    with hold_run_lock(database, "run-1"):
        begin(database, "run-1", "a", stage=Stage.SCORE)
        assert any_claimed(database, "run-2", "a", "b")
        assert not any_claimed(database, "run-1", "a", "b"), "a run does not wait for itself"
        assert not any_claimed(database, "run-2", "b")
    assert not any_claimed(database, "run-2", "a"), "run 1 is dead"


@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.NOW])
def test_an_attempt_that_another_run_ended_begins_the_count_anew(database: Database, retry: Retry) -> None:
    add_documents(database, "a")
    for _ in range(2):
        begin(database, "run-1", "a", solo=True)
    failed = [Outcome(id_of("a"), None, failing(Stage.EXTRACT, retry))]
    stage_outputs.write_outcomes(database, Stage.EXTRACT, "run-1", failed, {id_of("a"): "f"})
    assert row(database, "a") == ("failed", "run-1", 2, 2)
    begin(database, "run-2", "a")
    assert row(database, "a") == ("started", "run-2", 1, 0)
    state = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a")])
    assert state.to_do({id_of("a"): "f"}, Rerun.STALE, "run-2", 3).fresh == state.ready
