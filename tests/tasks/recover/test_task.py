"""Dead runs on a Prefect server that has many runs, and on which somebody deletes one: a double."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from sqlalchemy import update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.tables import runs
from tasks.flow_run.pages import PAGE
from tasks.recover import task


class Server:
    """A server that takes these runs for running."""

    def __init__(self, run_ids: list[UUID]) -> None:
        self.run_ids = run_ids
        self.joined: dict[UUID, UUID] = {}
        self.deleted: UUID | None = None
        self.closed: list[UUID] = []

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read_flow_runs(self, *, limit: int = PAGE, offset: int = 0, **_: object) -> list[Any]:
        runs = [SimpleNamespace(id=id_, parameters={}) for id_ in self.run_ids]
        runs += [SimpleNamespace(id=id_, parameters={"run_id": str(of)}) for id_, of in self.joined.items()]
        return runs[offset : offset + limit]

    def set_flow_run_state(self, id_: UUID, _state: State[Any]) -> None:
        if id_ == self.deleted:
            raise ObjectNotFound(Exception("gone"))
        self.closed.append(id_)


def test_every_ended_run_is_closed_in_prefect_behind_the_first_page_and_beside_a_deleted_one(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([uuid4() for _ in range(PAGE + 2)])
    for id_ in server.run_ids[-2:]:
        start_run(sqlite_database, str(id_), "a run", settings={}, types={}, source="")
        finish_run(sqlite_database, str(id_), "Crashed", "the run is dead")
    monkeypatch.setattr(task, "get_client", lambda **_: server)
    task.close_dead_runs(sqlite_database)
    assert sorted(server.closed) == sorted(server.run_ids[-2:])
    for deleted in server.run_ids[-2:]:
        server.deleted = deleted
        server.closed.clear()
        task.close_dead_runs(sqlite_database)
        assert server.closed == [id_ for id_ in server.run_ids[-2:] if id_ != deleted]


def test_a_run_that_joined_a_dead_one_has_a_lease_to_tell_prefect_its_own_end(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, joined = uuid4(), uuid4()
    server = Server([dead])
    server.joined = {joined: dead}
    start_run(sqlite_database, str(dead), "a run", settings={}, types={}, source="")
    monkeypatch.setattr(task, "get_client", lambda **_: server)
    assert task.close_dead_runs(sqlite_database) == 1
    assert server.closed == [dead]
    with sqlite_database.write() as connection:
        long_ago = database_time(connection) - timedelta(seconds=sqlite_database.lease_s + 1)
        connection.execute(update(runs).values(finished_at=long_ago))
    task.close_dead_runs(sqlite_database)
    assert server.closed == [dead, dead, joined]
