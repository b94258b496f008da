"""What a pool lacks, what a deploy keeps, how one ends that does not: Prefect's server and command are doubles."""

import subprocess
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL

from blocks.database.block import WinnowDatabase
from blocks.inbox.block import Inbox
from deployments.up import prepare
from deployments.up.prepare import LANES, DeployTooSlow, deploy, make_pool
from tasks.flow_run.pages import PAGE


class Server:
    """A server with more deployments than it gives at once. The last one is paused, and its schedule switched off."""

    def __init__(self) -> None:
        self.active: dict[UUID, bool] = {uuid4(): True for _ in range(PAGE)}
        self.last = uuid4()
        self.active[self.last] = False
        self.paused = {self.last}

    def read_deployments(self, *, limit: int = PAGE, offset: int = 0) -> list[Any]:
        return [
            SimpleNamespace(
                id=id_,
                work_pool_name="winnow",
                paused=id_ in self.paused,
                schedules=[SimpleNamespace(id=id_, schedule="every hour", active=active)],
            )
            for id_, active in list(self.active.items())[offset : offset + limit]
        ]

    def update_deployment_schedule(self, deployment_id: UUID, _schedule_id: UUID, *, active: bool) -> None:
        self.active[deployment_id] = active

    def pause_deployment(self, deployment_id: UUID) -> None:
        self.paused.add(deployment_id)


def test_what_was_switched_off_or_paused_stays_so_behind_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()

    def deployed(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        server.active = dict.fromkeys(server.active, True)
        server.paused = set()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", deployed)
    assert deploy(cast(SyncPrefectClient, server), {}) == PAGE + 1
    assert [id_ for id_, active in server.active.items() if not active] == [server.last]
    assert server.paused == {server.last}


def test_a_deploy_that_does_not_end_is_an_error_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(DeployTooSlow, match="did not end within 300 s"):
        deploy(cast(SyncPrefectClient, Server()), {})


class ServerWithPool:
    """A server with a work pool that was made by hand, and with one lane: making the others was cut off."""

    api_url = "http://127.0.0.1:14200/api/"

    def __init__(self) -> None:
        self.lanes: dict[str, int | None] = {"default": None, "urgent": 9}

    def read_work_pool(self, name: str) -> Any:
        return SimpleNamespace(name=name)

    def read_work_queues(self, *, work_pool_name: str, limit: int, offset: int) -> list[Any]:
        assert work_pool_name == "winnow"
        return [SimpleNamespace(name=name) for name in self.lanes][offset : offset + limit]

    def create_work_queue(self, *, name: str, work_pool_name: str, priority: int) -> None:
        assert work_pool_name == "winnow"
        self.lanes[name] = priority


def test_a_pool_that_is_there_gets_the_lanes_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    for block in (WinnowDatabase, Inbox):
        monkeypatch.setattr(block, "register_type_and_schema", lambda: asked.append(PREFECT_API_URL.value()))
    server = ServerWithPool()
    assert not make_pool(cast(SyncPrefectClient, server)), "the pool is not new"
    assert asked == ["http://127.0.0.1:14200/api"] * 2, "winnow doctor --fix registered blocks at a server of its own"
    assert server.lanes == {"default": None, **LANES, "urgent": 9}, "a priority that a person set stays"


def test_a_machine_that_starts_beside_others_takes_what_they_have_made_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([False, False, True])

    def faster_machine(_client: object) -> bool:
        if not next(made):
            raise ObjectAlreadyExists(http_exc=httpx.HTTPError("planted"))
        return False

    monkeypatch.setattr(prepare, "_make_pool", faster_machine)
    assert not make_pool(cast(SyncPrefectClient, Server()))
