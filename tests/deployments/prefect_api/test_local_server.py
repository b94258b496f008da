"""A local Prefect server that does not start, or whose port is taken; tests/flows has those that do."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployments.prefect_api import local_server
from deployments.prefect_api.local_server import LocalServerFailed


def test_a_server_that_does_not_start_is_reported_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    monkeypatch.setattr(local_server, "home", lambda: tmp_path)
    with pytest.raises(LocalServerFailed) as raised:
        local_server.ensure()
    log = tmp_path / "server.log"
    assert str(raised.value) == f"the local Prefect server did not start (it ended with code 3); see {log}"
    assert log.exists()


class _OtherServer(BaseHTTPRequestHandler):
    """A server of somebody else that also answers `/api/health`."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


@pytest.mark.prefect
def test_a_port_that_another_server_takes_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = local_server._free_port
    with ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        taken = other.server_address[1]
        assert local_server.answers(f"http://127.0.0.1:{taken}/api")
        # The usual port was free when it was looked at.
        monkeypatch.setattr(local_server, "_free_port", lambda *ports: taken if len(ports) > 1 else free_port(*ports))
        monkeypatch.setattr(local_server, "home", lambda: tmp_path)
        try:
            server = local_server.ensure()
            assert server.port != taken
            assert server.is_healthy
        finally:
            assert local_server.stop()
            other.shutdown()
