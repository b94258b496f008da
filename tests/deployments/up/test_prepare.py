"""What a deploy keeps, and how one ends that does not: the Prefect server is a double, and so is its command."""

import subprocess
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.up.prepare import DeployTooSlow, deploy
from tasks.flow_run.pages import PAGE


class Server:
    """A server with more deployments than it gives at once. The last one's schedule is switched off."""

    def __init__(self) -> None:
        self.active: dict[UUID, bool] = {uuid4(): True for _ in range(PAGE)}
        self.last = uuid4()
        self.active[self.last] = False

    def read_deployments(self, *, limit: int = PAGE, offset: int = 0) -> list[Any]:
        return [
            SimpleNamespace(
                id=id_,
                work_pool_name="winnow",
                schedules=[SimpleNamespace(id=id_, schedule="every hour", active=active)],
            )
            for id_, active in list(self.active.items())[offset : offset + limit]
        ]

    def update_deployment_schedule(self, deployment_id: UUID, _schedule_id: UUID, *, active: bool) -> None:
        self.active[deployment_id] = active


def test_a_schedule_that_was_switched_off_stays_so_behind_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()

    def deployed(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        server.active = dict.fromkeys(server.active, True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", deployed)
    assert deploy(cast(SyncPrefectClient, server), {}) == PAGE + 1
    assert [id_ for id_, active in server.active.items() if not active] == [server.last]


def test_a_deploy_that_does_not_end_is_an_error_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(DeployTooSlow, match="did not end within 300 s"):
        deploy(cast(SyncPrefectClient, Server()), {})
