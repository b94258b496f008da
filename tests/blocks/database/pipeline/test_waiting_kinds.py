"""Which documents of a run wait for a model: over the few provisional outputs, never over all outputs."""

from sqlalchemy import insert

from blocks.database.engine import Database, now
from blocks.database.pipeline.runs import waiting_kinds
from blocks.database.tables import stage_outputs
from tests.database_fixtures import add_documents, query_plan


def test_the_provisional_outputs_of_a_run_are_counted_by_kind(database: Database) -> None:
    ids = add_documents(database, "a", "b", "c", run_id="run-1")
    [other] = add_documents(database, "d", run_id="run-2")
    with database.write() as connection:
        connection.execute(insert(stage_outputs), [_output(id_, "provisional") for id_ in (*ids[:2], other)])
        connection.execute(insert(stage_outputs), [_output(ids[2], "done")])
    assert waiting_kinds(database, "run-1") == {"model_unavailable": 2}
    assert waiting_kinds(database, "run-2") == {"model_unavailable": 1}
    assert waiting_kinds(database, "run-3") == {}


def test_sqlite_takes_the_index_of_provisional_outputs(sqlite_database: Database) -> None:
    plan = query_plan(sqlite_database, "stage_outputs", lambda: waiting_kinds(sqlite_database, "run-1"))
    assert plan[0] == "SCAN stage_outputs USING INDEX ix_stage_outputs_provisional"


def _output(document_id: str, state: str) -> dict[str, object]:
    return {
        "document_id": document_id,
        "stage": "score",
        "fingerprint": "f",
        "state": state,
        "is_current": True,
        "failure_kind": "model_unavailable" if state == "provisional" else None,
        "attempts": 1,
        "solo_attempts": 0,
        "run_id": "run-1",
        "updated_at": now(),
    }
