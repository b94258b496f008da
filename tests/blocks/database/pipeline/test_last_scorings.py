from blocks.database.engine import Database
from blocks.database.pipeline import stage_outputs
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.last_scorings import DatabaseLastScorings
from blocks.records import Failure, Outcome, Rerun, Retry, Scoring, Stage
from tests.database_fixtures import dead_worker, worker
from tests.doubles.scripted_stages import failing, found, id_of

WAITS: Failure = failing(Stage.SCORE, Retry.NEXT_RUN)


def keep(database: Database, fingerprint: str, model: str, failure: Failure | None = None, name: str = "a") -> None:
    """A scoring of a document, written and validated by a run of its own."""
    payload = Scoring(document_type="letter", model=model).model_dump_json().encode()
    write(database, Stage.SCORE, fingerprint, payload, failure, name)
    write(database, Stage.VALIDATE, fingerprint, b"{}", None, name)


def write(
    database: Database, stage: Stage, fingerprint: str, payload: bytes, failure: Failure | None, name: str = "a"
) -> None:
    batch = [found(name)]
    run_id = f"run-{fingerprint}-{name}"
    record_batch(database, run_id, batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=9)
    prints = {id_of(name): fingerprint}
    stage_outputs.begin_attempts(database, stage, dead_worker(database, run_id), prints)
    stage_outputs.write_outcomes(database, stage, worker(run_id), [Outcome(id_of(name), payload, failure)], prints)


def last(database: Database, *names: str) -> dict[str, str]:
    loaded = DatabaseLastScorings(database).load([id_of(name) for name in names])
    return {id_: Scoring.model_validate_json(payload).model for id_, payload in loaded.items()}


def test_only_what_a_model_said_and_the_run_kept_may_stand_in(database: Database) -> None:
    keep(database, "f1", "local@3")
    keep(database, "f2", "none", name="b")
    keep(database, "f3", "clever@1", WAITS, name="c")
    assert last(database, "a", "b", "c") == {}
    keep(database, "f4", "local@3 + clever@1")
    assert last(database, "a", "b") == {id_of("a"): "local@3 + clever@1"}
    keep(database, "f5", "local@3")
    assert last(database, "a") == {id_of("a"): "local@3 + clever@1"}, "what local says later does not hide it"


def test_a_scoring_that_names_no_model_does_not_stand_in(database: Database) -> None:
    write(database, Stage.SCORE, "f1", b"{}", None)
    write(database, Stage.VALIDATE, "f1", b"{}", None)
    assert last(database, "a") == {}


def test_what_was_never_validated_does_not_stand_in(database: Database) -> None:
    payload = Scoring(document_type="letter", model="clever@1").model_dump_json().encode()
    keep(database, "f1", "clever@0")
    write(database, Stage.SCORE, "f2", payload, None)
    assert last(database, "a") == {id_of("a"): "clever@0"}
    write(database, Stage.VALIDATE, "f2", b"", failing(Stage.VALIDATE, Retry.NEVER))
    assert last(database, "a") == {id_of("a"): "clever@0"}
    write(database, Stage.VALIDATE, "f2", b"{}", None)
    assert last(database, "a") == {id_of("a"): "clever@1"}
