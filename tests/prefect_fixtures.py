"""A real Prefect server in a process of its own, one per test session, with a home of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from deployments.prefect_api import local_server as prefect_server
from deployments.prefect_api.local_server import LocalServer

IMPATIENT_SERVER = {
    "SERVICES_SCHEDULER_LOOP_SECONDS": "2",  # 60 by default
    "SERVICES_SCHEDULER_MIN_RUNS": "1",  # 3; each planned run costs the server two writes and an event
    "SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT2M",  # an hour
    "SERVICES_LATE_RUNS_LOOP_SECONDS": "2",  # 5
    "SERVICES_LATE_RUNS_AFTER_SECONDS": "5",  # 15
    "DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",  # 30
}
"""Settings of the server that let tests wait for seconds where users wait for a minute."""


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The per-user state folder that commands under test see; whatever server they start in it is stopped."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        for name, value in IMPATIENT_SERVER.items():
            patch.setenv(f"PREFECT_SERVER_{name}", value)
        patch.setattr(prefect_server, "START_WITHIN_S", 300.0)
        yield state
        prefect_server.stop()


@pytest.fixture(scope="session")
def local_server(prefect_home: Path) -> LocalServer:
    """The server that `winnow run` starts and keeps."""
    assert prefect_home.exists()
    return prefect_server.ensure()


@contextmanager
def prefect_api(server: LocalServer) -> Iterator[None]:
    """Let Prefect in this process ask this server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.url}):
        yield


def files_under(*folders: Path) -> dict[str, bytes]:
    """The contents of all files in the folders. Those that a server deletes meanwhile are left out."""
    found = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                with suppress(FileNotFoundError):
                    if path.is_file():
                        found[str(path)] = path.read_bytes()
    return found


def in_prefect(script: str, server: LocalServer) -> str:
    """Run Python in a process that asks this server; gives the last line that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PREFECT_API_URL": server.url, "PREFECT_LOGGING_LEVEL": "CRITICAL"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]
