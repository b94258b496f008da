"""The `winnow` command as a user types it, in a folder and a home of its own.

A process of its own for what runs documents, ends processes or hears signals; this process for the rest, where its
libraries are imported already.
"""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from blocks import settings
from blocks.logs import ROOMS
from deployments.cli.main import main
from deployments.prefect_api.local_server import LocalServer

BIN = Path(sys.executable).parent
Done = subprocess.CompletedProcess[str]


def winnow_process(*arguments: str, cwd: Path, **environment: str) -> Done:
    """Run the command in a process of its own; `environment` is all that it sees beside PATH and HOME."""
    return subprocess.run(
        [str(BIN / "winnow"), *arguments],
        cwd=cwd,
        env=_variables(cwd, environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def winnow(*arguments: str, cwd: Path, **environment: str) -> Done:
    """Run the command in this process, with the same environment as `winnow_process`."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        variables = _variables(cwd, environment)
        for name in os.environ.keys() - variables.keys():
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        patch.setattr(settings, "_current", None)
        patch.setattr(settings, "_has_warned", False)
        patch.setattr(sys, "argv", ["winnow", *arguments])
        for logger in map(logging.getLogger, ROOMS):  # a command that logs JSON has handlers until it ends
            patch.setattr(logger, "handlers", list(logger.handlers))
            patch.setattr(logger, "propagate", logger.propagate)
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code
    assert isinstance(code, int), code
    return Done(arguments, code, out.getvalue(), err.getvalue())


def _variables(home: Path, environment: dict[str, str]) -> dict[str, str]:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    own = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "COLUMNS": "200"}
    return measured | own | environment


@dataclass
class Workplace:
    """A user's working folder. `environment` is what the command sees beside PATH, HOME and the session's folders."""

    folder: Path
    server: LocalServer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        names = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "TESSDATA_PREFIX")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return kept | self.environment

    def winnow(self, *arguments: str, expect: int = 0) -> Done:
        """Run the command in a process of its own to its end; its exit code must be `expect`."""
        return _expect(winnow_process(*arguments, cwd=self.folder, **self.variables), expect)

    def command(self, *arguments: str, expect: int = 0) -> Done:
        """As `winnow`, in this process: for commands that run no documents."""
        return _expect(winnow(*arguments, cwd=self.folder, **self.variables), expect)

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        """The rows that a listing command prints as JSON."""
        return list(json.loads(self.command(*arguments, "--format", "json").stdout))

    def run(self, *arguments: str, expect: int = 0) -> dict[str, object]:
        """`winnow run --json` with what it printed."""
        return dict(json.loads(self.winnow("run", *arguments, "--json", expect=expect).stdout))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command in the background; killed with all its processes when the block ends."""
        process = subprocess.Popen(
            [str(BIN / "winnow"), *arguments],
            cwd=self.folder,
            env=_variables(self.folder, self.variables),
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
            env=_variables(self.folder, self.variables) | {"PREFECT_API_URL": self.server.url},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, *items: object, **fields: object) -> Any:
        """What the Prefect API answers to a POST of a list or an object, or to a GET where there is no body."""
        body = items or fields
        return json.loads(self._send(path, "POST" if body else "GET", json.dumps(body).encode() if body else None))

    def change(self, path: str, **fields: object) -> None:
        """Change fields of something by the Prefect API."""
        self._send(path, "PATCH", json.dumps(fields).encode())

    def delete(self, path: str) -> None:
        """Delete something by the Prefect API."""
        self._send(path, "DELETE", None)

    def _send(self, path: str, method: str, data: bytes | None) -> bytes:
        """The reply's body. The server's SQLite is locked at times, for up to a minute: then it is asked again."""
        url, headers = f"{self.server.url}/{path}", {"content-type": "application/json"}
        deadline = time.monotonic() + 150
        while True:
            request = urllib.request.Request(url, data=data, headers=headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    return bytes(reply.read())
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
            except TimeoutError:
                if method != "GET" or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)


def _expect(done: Done, code: int) -> Done:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _hear_ctrl_c() -> None:
    """A shell starts what runs in its background, such as this suite, with SIGINT ignored; children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(condition: Callable[[], object], timeout_s: float = 180.0) -> None:
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
