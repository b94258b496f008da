"""The ledger as people list it: the newest calls, the oldest first, without a sort of all of them."""

from datetime import UTC, datetime

from sqlalchemy import update

from blocks.database.engine import Database
from blocks.database.models.calls import list_calls
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.tables import model_calls
from blocks.ledger import ModelCall, Settlement, new_call_key
from tests.database_fixtures import query_plan


def called(database: Database, run_id: str, *documents: str) -> None:
    for document_id in documents:
        call = ModelCall(document_id=document_id, model="gpt", model_version="1", call_key=new_call_key())
        DatabaseLedger(database).exchange([Settlement(run_id=run_id, call=call)], ())


def documents_of(database: Database, **asked: object) -> list[str]:
    return [row["document_id"] for row in list_calls(database, **asked)]  # type: ignore[arg-type]  # given by name


def test_the_newest_calls_are_listed_the_oldest_first(database: Database) -> None:
    called(database, "run-1", "a", "b")
    called(database, "run-2", "c", "a")
    assert documents_of(database) == ["a", "b", "c", "a"]
    assert documents_of(database, newest=3) == ["b", "c", "a"]
    assert documents_of(database, run_id="run-1", newest=1) == ["b"]
    assert documents_of(database, document_id="a") == ["a", "a"]
    assert "call_id" not in list_calls(database)[0]


def test_calls_that_began_in_another_order_are_listed_by_time(database: Database) -> None:
    called(database, "run-1", "a", "b")
    earlier = datetime(2020, 1, 1, tzinfo=UTC)
    with database.write() as connection:
        connection.execute(update(model_calls).where(model_calls.c.document_id == "b").values(called_at=earlier))
    assert documents_of(database) == ["b", "a"]


def test_sqlite_does_not_sort_the_ledger(sqlite_database: Database) -> None:
    plan = query_plan(sqlite_database, "model_calls", lambda: list_calls(sqlite_database, newest=100))
    assert plan == ["SCAN model_calls"], "by its key, from the end"
    plan = query_plan(sqlite_database, "model_calls", lambda: list_calls(sqlite_database, run_id="run-1", newest=100))
    assert plan[0] == "SEARCH model_calls USING INDEX ix_model_calls_run_id_model (run_id=?)"
