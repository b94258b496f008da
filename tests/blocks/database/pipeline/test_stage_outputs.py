from collections.abc import Mapping
from dataclasses import replace

import pytest

from blocks.database.engine import Database
from blocks.database.pipeline import stage_outputs
from blocks.database.pipeline.chunk_state import Todo
from blocks.database.pipeline.documents import record_batch
from blocks.errors import Quarantined
from blocks.records import Classification, Failure, Outcome, Rerun, Retry, Stage
from tests.database_fixtures import dead_worker, worker
from tests.doubles.scripted_stages import USUAL, failing, found, id_of

PAYLOAD = USUAL[Stage.EXTRACT].model_dump_json().encode()


def record(database: Database, *names: str, run_id: str = "run-1") -> list[str]:
    record_batch(
        database,
        run_id,
        [found(name) for name in names],
        given_type=None,
        rerun=Rerun.ALL,
        pipeline_digest="p",
        chunk_size=100,
    )
    return [id_of(name) for name in names]


def begin(database: Database, run_id: str, fingerprint: str = "f", *, name: str = "a", solo: bool = False) -> None:
    stage_outputs.begin_attempts(
        database, Stage.EXTRACT, dead_worker(database, run_id), {id_of(name): fingerprint}, solo=solo
    )


def write(database: Database, run_id: str, *, payload: bytes | None = PAYLOAD, failure: Failure | None = None) -> None:
    outcome = Outcome(id_of("a"), payload, failure)
    stage_outputs.write_outcomes(database, Stage.EXTRACT, worker(run_id), [outcome], {id_of("a"): "f"})


def to_do(database: Database, run_id: str, rerun: Rerun = Rerun.STALE, fingerprint: str = "f") -> str:
    """What is to be done for document a: fresh, suspect, exhausted or nothing."""
    state = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a")])
    todo = state.to_do({id_of("a"): fingerprint}, rerun, run_id, max_attempts=3)
    kinds = {"fresh": todo.fresh, "suspect": todo.killed_their_worker, "exhausted": todo.exhausted}
    return next((kind for kind, documents in kinds.items() if documents), "nothing")


RERUNS = (Rerun.STALE, Rerun.NEVER, Rerun.FAILED, Rerun.ALL)


@pytest.mark.parametrize(
    ("payload", "failure", "same_run", "later_runs"),
    [
        (PAYLOAD, None, "nothing", {Rerun.ALL: "fresh"}),
        (PAYLOAD, failing(Stage.EXTRACT, Retry.NEXT_RUN), "nothing", dict.fromkeys(RERUNS, "fresh")),
        (None, failing(Stage.EXTRACT, Retry.NEXT_RUN), "nothing", dict.fromkeys(RERUNS, "fresh")),
        (None, failing(Stage.EXTRACT, Retry.NEVER), "nothing", {Rerun.FAILED: "fresh", Rerun.ALL: "fresh"}),
        (None, failing(Stage.EXTRACT, Retry.NOW), "fresh", dict.fromkeys(RERUNS, "fresh")),
    ],
    ids=["done", "provisional", "failed till next run", "failed for good", "failed for now"],
)
def test_what_is_taken_up_again(
    database: Database,
    payload: bytes | None,
    failure: Failure | None,
    same_run: str,
    later_runs: Mapping[Rerun, str],
) -> None:
    record(database, "a")
    assert to_do(database, "run-1") == "fresh"
    begin(database, "run-1")
    write(database, "run-1", payload=payload, failure=failure)
    for rerun in RERUNS:
        assert to_do(database, "run-1", rerun) == same_run
        assert to_do(database, "run-2", rerun) == later_runs.get(rerun, "nothing")
        assert to_do(database, "run-2", rerun, fingerprint="other") == "fresh"


def test_a_failure_worth_a_retry_now_is_tried_so_often_and_again_when_asked_for(database: Database) -> None:
    record(database, "a")
    for _ in range(3):
        assert to_do(database, "run-1") == "fresh"
        begin(database, "run-1")
        write(database, "run-1", payload=None, failure=failing(Stage.EXTRACT, Retry.NOW))
    assert to_do(database, "run-1") == to_do(database, "run-2") == "nothing"
    assert to_do(database, "run-2", Rerun.FAILED) == "fresh"
    begin(database, "run-2")
    write(database, "run-2", payload=None, failure=failing(Stage.EXTRACT, Retry.NOW))
    assert to_do(database, "run-2") == "fresh", "attempts begin anew"


def test_a_document_that_kills_its_workers_is_worked_alone_and_then_quarantined(database: Database) -> None:
    """No outcome is ever written: the worker is gone. Runs change in between, as a person starts them again."""
    record(database, "a")
    for run_id in ("run-1", "run-1", "run-2"):
        assert to_do(database, run_id) == "fresh"
        begin(database, run_id)
    for run_id in ("run-2", "run-3", "run-4"):
        assert to_do(database, run_id) == "suspect"
        begin(database, run_id, solo=True)
    assert to_do(database, "run-5") == "exhausted"
    begin(database, "run-5")
    write(database, "run-5", payload=None, failure=Quarantined(3).failure(Stage.EXTRACT))
    assert to_do(database, "run-6") == "nothing"
    assert to_do(database, "run-6", Rerun.FAILED) == "fresh"
    begin(database, "run-6")
    assert to_do(database, "run-6") == "fresh", "attempts begin anew"


def test_deaths_from_outside_count_nowhere(database: Database) -> None:
    record(database, "a")
    for run_id in ("run-1", "run-1", "run-2", "run-3"):
        prints = {id_of("a"): "f"}
        stage_outputs.begin_attempts(
            database, Stage.EXTRACT, dead_worker(database, run_id), prints, can_kill_worker=False
        )
    rows = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a")]).rows[id_of("a")]
    assert [(row.state, row.attempts, row.run_id) for row in rows.values()] == [("started", 1, "run-3")]
    for _ in range(2):
        write(database, "run-3", payload=None, failure=failing(Stage.EXTRACT, Retry.NOW))
        begin(database, "run-3")
    rows = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a")]).rows[id_of("a")]
    assert [row.attempts for row in rows.values()] == [3], "failures count"


def digests(database: Database, name: str = "a") -> dict[Stage, str]:
    state = stage_outputs.load_chunk(database, Stage.VALIDATE, [id_of(name)])
    return dict(state.ready[0].digests) if state.ready else {}


def test_a_document_waits_until_every_upstream_stage_has_a_usable_output(database: Database) -> None:
    ids = record(database, "a", "b")
    for stage in (Stage.EXTRACT, Stage.CLASSIFY, Stage.SCORE):
        state = stage_outputs.load_chunk(database, Stage.VALIDATE, ids)
        assert (len(state.ready), state.waiting) == (0, 2)
        stage_outputs.begin_attempts(database, stage, dead_worker(database, "run-1"), dict.fromkeys(ids, "f"))
        payload = USUAL[stage].model_dump_json().encode()
        failure = failing(stage, Retry.NEXT_RUN, "ocr_unavailable") if stage is Stage.EXTRACT else None
        outcomes = [Outcome(ids[0], payload, failure)]
        outcomes.append(
            Outcome(ids[1], payload) if stage is not Stage.SCORE else Outcome(ids[1], None, failing(stage, Retry.NEVER))
        )
        stage_outputs.write_outcomes(database, stage, worker("run-1"), outcomes, dict.fromkeys(ids, "f"))
    state = stage_outputs.load_chunk(database, Stage.VALIDATE, ids)
    (ready,) = state.ready
    assert (ready.document_id, ready.uri, state.waiting) == (id_of("a"), "", 1)
    assert ready.document_type == "receipt"
    assert ready.provisional == {Stage.EXTRACT: "ocr_unavailable"}
    assert ready.digests[Stage.EXTRACT] == Outcome(ids[0], PAYLOAD).digest
    (with_inputs,) = stage_outputs.load_inputs(database, [ready], (Stage.EXTRACT,))
    assert with_inputs.inputs == {Stage.EXTRACT: PAYLOAD}


def test_extract_is_told_of_every_place_where_a_document_was_seen(database: Database) -> None:
    record(database, "a", "b")
    again = replace(found("a"), uri="/copy/a")
    record_batch(database, "run-2", [again], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    ready = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a"), id_of("b")]).ready
    places = {document.document_id: (document.uri, document.other_uris) for document in ready}
    assert places == {id_of("a"): ("/copy/a", ("/in/a",)), id_of("b"): ("/in/b", ())}


def test_going_back_to_an_earlier_configuration_computes_nothing(database: Database) -> None:
    (id_,) = record(database, "a")

    def classified(fingerprint: str, document_type: str | None) -> None:
        state = stage_outputs.load_chunk(database, Stage.CLASSIFY, [id_])
        if document_type is None:
            todo = state.to_do({id_: fingerprint}, Rerun.STALE, "run-2", 3)
            assert not len(todo)
            stage_outputs.make_current(
                database, Stage.CLASSIFY, dead_worker(database, "run-2"), state, {id_: fingerprint}, todo
            )
            return
        payload = Classification(document_type=document_type, confidence=1.0, method="given").model_dump_json().encode()
        stage_outputs.begin_attempts(database, Stage.CLASSIFY, dead_worker(database, "run-1"), {id_: fingerprint})
        stage_outputs.write_outcomes(
            database, Stage.CLASSIFY, worker("run-1"), [Outcome(id_, payload)], {id_: fingerprint}
        )

    begin(database, "run-1")
    write(database, "run-1")
    classified("as-receipt", "receipt")
    classified("as-invoice", "invoice")
    assert stage_outputs.load_chunk(database, Stage.SCORE, [id_]).ready[0].document_type == "invoice"
    classified("as-receipt", None)
    ready = stage_outputs.load_chunk(database, Stage.SCORE, [id_]).ready[0]
    assert ready.document_type == "receipt"
    assert b'"receipt"' in stage_outputs.load_inputs(database, [ready], (Stage.CLASSIFY,))[0].inputs[Stage.CLASSIFY]


def test_what_is_being_computed_anew_does_not_count_as_done(database: Database) -> None:
    """A worker that dies over a new configuration must not leave later stages with the old output."""
    (id_,) = record(database, "a")
    begin(database, "run-1", "old")
    stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-1"), [Outcome(id_, PAYLOAD)], {id_: "old"})
    assert stage_outputs.load_chunk(database, Stage.CLASSIFY, [id_]).waiting == 0
    begin(database, "run-2", "new")
    assert stage_outputs.load_chunk(database, Stage.CLASSIFY, [id_]).waiting == 1


def test_a_worker_that_was_replaced_cannot_overwrite_a_later_run(database: Database) -> None:
    record(database, "a")
    begin(database, "run-1")
    begin(database, "run-2")
    write(database, "run-1", payload=None, failure=failing(Stage.EXTRACT, Retry.NEVER))
    assert to_do(database, "run-2") == "fresh", "run 2's attempt is still open"
    write(database, "run-2")
    write(database, "run-2", payload=None, failure=failing(Stage.EXTRACT, Retry.NEVER))
    assert to_do(database, "run-3") == "nothing", "what is done stays done"


def test_a_chunk_may_be_larger_than_one_statement(sqlite_database: Database) -> None:
    names = [f"document {number}" for number in range(2_000)]
    ids = record(sqlite_database, *names)
    fingerprints = dict.fromkeys(ids, "f")
    stage_outputs.begin_attempts(sqlite_database, Stage.EXTRACT, dead_worker(sqlite_database, "run-1"), fingerprints)
    outcomes = [Outcome(id_, PAYLOAD) for id_ in ids]
    stage_outputs.write_outcomes(sqlite_database, Stage.EXTRACT, worker("run-1"), outcomes, fingerprints)
    state = stage_outputs.load_chunk(sqlite_database, Stage.CLASSIFY, ids)
    assert len(state.ready) == 2_000
    assert len(Todo(fresh=state.ready)) == 2_000


def failure_of(database: Database) -> tuple[str, str | None, str]:
    """State, kind of failure and run of document a's current row."""
    with database.read() as connection:
        link = stage_outputs.load_chains(connection, [id_of("a")])[id_of("a")][Stage.EXTRACT]
    return link.state, link.failure_kind, link.run_id


def test_a_late_failure_does_not_replace_the_failure_that_is_written(database: Database) -> None:
    """The document was written as failed without its worker; then the worker ends after all."""
    record(database, "a")
    begin(database, "run-1")
    write(database, "run-1", payload=None, failure=failing(Stage.EXTRACT, Retry.NEXT_RUN, "timeout"))
    write(database, "run-1", payload=None, failure=failing(Stage.EXTRACT, Retry.NEVER, "corrupt"))
    assert failure_of(database) == ("failed", "timeout", "run-1")
    write(database, "run-1")
    assert failure_of(database) == ("done", None, "run-1"), "a late payload does"
    write(database, "run-1", payload=None, failure=failing(Stage.EXTRACT, Retry.NEVER, "corrupt"))
    assert failure_of(database) == ("done", None, "run-1")


def test_a_quarantine_replaces_nothing_that_ended(database: Database) -> None:
    record(database, "a")
    begin(database, "run-1")
    begin(database, "run-2")
    write(database, "run-2", payload=None, failure=Quarantined(3).failure(Stage.EXTRACT))
    assert failure_of(database) == ("failed", "quarantined", "run-2")
    begin(database, "run-3")
    write(database, "run-3")
    write(database, "run-4", payload=None, failure=Quarantined(3).failure(Stage.EXTRACT))
    assert failure_of(database) == ("done", None, "run-3")


def test_what_is_written_is_named(database: Database) -> None:
    ids = record(database, "a", "b", "c")
    prints = dict.fromkeys(ids, "f")
    stage_outputs.begin_attempts(
        database, Stage.EXTRACT, dead_worker(database, "run-1"), {ids[0]: "f", ids[1]: "other"}
    )
    outcomes = [Outcome(id_, PAYLOAD) for id_ in ids]
    assert stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-1"), outcomes, prints) == {ids[0]: 1}
    assert stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-2"), outcomes, prints) == {}
    assert stage_outputs.write_outcomes(database, Stage.EXTRACT, worker("run-1"), [], prints) == {}


def test_a_document_has_one_current_row_in_a_stage(database: Database) -> None:
    (id_,) = record(database, "a")
    for fingerprint in ("f", "g", "f"):
        begin(database, "run-1", fingerprint)
        state = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_])
        assert [row.fingerprint for row in state.rows[id_].values() if row.is_current] == [fingerprint]
        assert [document.current for document in state.ready] == [fingerprint]


def test_a_stage_waits_for_the_documents_that_a_stage_before_has_begun(database: Database) -> None:
    ids = record(database, "a", "b")
    begin(database, "run-1")
    state = stage_outputs.load_chunk(database, Stage.CLASSIFY, ids)
    assert (state.ready, state.waiting, state.begun_before) == ((), 2, {id_of("a"): "run-1"})
    write(database, "run-1")
    state = stage_outputs.load_chunk(database, Stage.CLASSIFY, ids)
    assert ([document.document_id for document in state.ready], state.waiting) == ([id_of("a")], 1)
    assert state.begun_before == {}


def test_inputs_are_current_payloads_of_the_stages_that_were_asked_for(database: Database) -> None:
    record(database, "a", "b")
    begin(database, "run-1")
    write(database, "run-1")
    documents = stage_outputs.load_chunk(database, Stage.EXTRACT, [id_of("a"), id_of("b")]).ready
    loaded = stage_outputs.load_inputs(database, documents, (Stage.EXTRACT, Stage.CLASSIFY))
    assert {document.document_id: document.inputs for document in loaded} == {
        id_of("a"): {Stage.EXTRACT: PAYLOAD},
        id_of("b"): {},
    }
    assert stage_outputs.load_inputs(database, documents, ()) == list(documents)
    begin(database, "run-2", "new")
    assert stage_outputs.load_inputs(database, documents, (Stage.EXTRACT,))[0].inputs == {}
