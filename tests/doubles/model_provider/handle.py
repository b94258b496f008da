"""The double as tests hold it: started, told, asked for its books, killed and started again."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]


class ModelProviderDouble:
    """A running double. Books are lost when it is killed, except those in the journal."""

    def __init__(self, journal: Path | None = None) -> None:
        self._journal = journal
        self._script: Mapping[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's address, without a path: an OpenAI client's base URL is this and /v1."""
        return f"http://127.0.0.1:{self.port}"

    def script(self, **told: Any) -> None:
        """Follow this script (the fields of `script.Script`) from now on, with new books."""
        self._script = told
        self._call("POST", "script", told)

    def reset(self) -> None:
        """New books, the same script from its beginning."""
        self._call("POST", "reset")

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Every request since the script was told (the fields of `books.Entry`)."""
        entries: list[dict[str, Any]] = self._call("GET", f"log?since={since}")
        return entries

    def bill(self) -> dict[str, Decimal]:
        """What each model has cost, exactly."""
        return {model: Decimal(cost) for model, cost in self._call("GET", "bill")["models"].items()}

    def total_usd(self) -> Decimal:
        """What all models have cost, exactly."""
        return sum(self.bill().values(), Decimal(0))

    def state(self) -> dict[str, int]:
        """Requests in all (`requests`), under way (`in_flight`), and at most so at once (`high_water`)."""
        state: dict[str, int] = self._call("GET", "state")
        return state

    def kill(self) -> None:
        """Kill the process at once: every connection is reset."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._close_pipe()

    def restart(self) -> None:
        """Start again at the same address, with the same script and new books."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._start()
        if self._script:
            self.script(**self._script)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close_pipe()

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.doubles.model_provider", "--port", str(self.port)]
        if self._journal is not None:
            command += ["--journal", str(self._journal)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"the double did not start: {line!r}")
        self.port = int(line)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _call(self, method: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            content = None if body is None else json.dumps(body, default=str)
            connection.request(method, f"/control/{what}", content)
            reply = connection.getresponse()
            said = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise ValueError(said["error"])
        return said
