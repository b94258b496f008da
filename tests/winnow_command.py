"""Runs the real `winnow` command in a folder and a home of its own, against the session's local Prefect server."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployments.prefect_api.local_server import LocalServer

BIN = Path(sys.executable).parent


@dataclass
class Workplace:
    """A user's working folder. `environment` is all that the command sees beside PATH and HOME."""

    folder: Path
    server: LocalServer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        state = str(self.folder.parent / "unused")
        kept = {name: os.environ[name] for name in ("XDG_STATE_HOME", "TESSDATA_PREFIX") if name in os.environ}
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "COLUMNS": "200",
            "XDG_STATE_HOME": state,
            **kept,
            **self.environment,
        }

    def winnow(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; its exit code must be `expect`."""
        done = subprocess.run(
            [str(BIN / "winnow"), *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        """The rows that a listing command prints as JSON."""
        return list(json.loads(self.winnow(*arguments, "--format", "json").stdout))

    def run(self, *arguments: str, expect: int = 0) -> dict[str, object]:
        """`winnow run --json` with what it printed."""
        return dict(json.loads(self.winnow("run", *arguments, "--json", expect=expect).stdout))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command in the background; killed with all its processes when the block ends."""
        process = subprocess.Popen(
            [str(BIN / "winnow"), *arguments],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - it sets a signal handler and nothing else
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def prefect(self, *arguments: str) -> str:
        """Run the `prefect` command; returns what it printed."""
        done = subprocess.run(
            [str(BIN / "prefect"), *arguments],
            cwd=self.folder,
            env=self.variables | {"PREFECT_API_URL": self.server.url},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, *items: object, **fields: object) -> object:
        """What the Prefect API answers to a POST of a list or an object, or to a GET where there is no body."""
        body = items or fields
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(
            f"{self.server.url}/{path}", data=data, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())


def _hear_ctrl_c() -> None:
    """A shell starts what runs in its background, such as this suite, with SIGINT ignored; children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("the condition did not come true in time")
        time.sleep(0.1)


@pytest.fixture
def workplace(tmp_path: Path, local_server: LocalServer) -> Workplace:
    """An empty working folder of a user without a configured Prefect API."""
    folder = tmp_path / "user"
    folder.mkdir()
    return Workplace(folder, local_server)
