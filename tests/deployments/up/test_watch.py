"""A file that arrives in an inbox starts two polls, one after the other, on a real Prefect server."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient

from blocks.inbox.block import Inbox
from deployments.up.watch import POLL, local_folders, watch_inboxes
from tests.prefect_fixtures import prefect_api
from tests.winnow_command import Workplace, wait_until

pytestmark = pytest.mark.prefect


@pytest.fixture
def inbox(workplace: Workplace, tmp_path: Path) -> Iterator[Path]:
    """A folder that is an inbox of the server, beside one that is an object store."""
    folder = tmp_path / "post"
    folder.mkdir()
    with prefect_api(workplace.server):
        Inbox(url=str(folder)).save("watched", overwrite=True)
        Inbox(url="memory://post").save("store", overwrite=True)
        yield folder
        for name in ("watched", "store"):
            Inbox.delete(name)


@pytest.fixture
def deployment(workplace: Workplace) -> Iterator[str]:
    flow_name, _, name = POLL.partition("/")
    flow = workplace.ask("flows/", name=flow_name)["id"]
    made = str(workplace.ask("deployments/", name=name, flow_id=flow)["id"])
    yield made
    workplace.delete(f"deployments/{made}")


def polls(workplace: Workplace, deployment: str) -> list[dict[str, Any]]:
    found = workplace.ask("flow_runs/filter", deployments={"id": {"any_": [deployment]}})
    return sorted(found, key=lambda run: str(run["created"]))


def end(workplace: Workplace, run: dict[str, Any], state: str) -> None:
    workplace.ask(f"flow_runs/{run['id']}/set_state", state={"type": state}, force=True)


@pytest.mark.parametrize("odd", ["", "\xff"], ids=["a name", "a name that is not UTF-8"])
def test_a_file_that_arrives_starts_two_polls_and_one_that_was_cancelled_again(
    workplace: Workplace, inbox: Path, deployment: str, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.up.watch.LOOK_AGAIN_MS", 1_000)
    monkeypatch.setattr("deployments.up.watch.QUIET_MS", 200)
    with SyncPrefectClient(workplace.server.url) as client:
        assert local_folders(client) == {inbox}
    stop = threading.Event()
    thread = threading.Thread(target=watch_inboxes, args=(workplace.server.url, stop))
    thread.start()
    arriving = iter(range(100_000))

    def begun(number: int) -> bool:
        if not polls(workplace, deployment):  # the thread may not watch yet
            name = f"{next(arriving)}{odd}.txt"
            Path(os.fsdecode(bytes(inbox) + b"/" + name.encode("latin-1"))).write_text("whole")
        return len(polls(workplace, deployment)) >= number

    try:
        for number, state in ((1, "COMPLETED"), (2, "CANCELLED"), (3, "COMPLETED")):
            wait_until(lambda number=number: begun(number), timeout_s=120)  # type: ignore[misc]
            assert len(polls(workplace, deployment)) == number, "one after the other"
            end(workplace, polls(workplace, deployment)[-1], state)
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
