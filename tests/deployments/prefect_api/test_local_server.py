"""A local Prefect server that does not start, or whose port is taken; tests/flows has those that do."""

import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployments.prefect_api import local_server
from deployments.prefect_api.local_server import HomeUnusable, LocalServer, LocalServerFailed
from deployments.up.running import only_one


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


def test_no_second_server_is_started_while_winnow_up_starts_its_own_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "prefect")
    monkeypatch.setattr(local_server, "START_WITHIN_S", 0.5)
    monkeypatch.setattr(local_server, "_start", lambda: pytest.fail("a second server on the same database"))
    assert not local_server.is_supervised()
    with local_server.supervised():
        assert local_server.is_supervised()
        with pytest.raises(
            LocalServerFailed, match=r"winnow up runs it, and it gave no answer for 0\.5 s\); see .*up\.log"
        ):
            local_server.ensure()
    assert not local_server.is_supervised()


def test_a_command_that_waits_for_winnow_up_starts_a_server_of_its_own_once_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "prefect")
    own = LocalServer(1, 1, 0.0)
    monkeypatch.setattr(local_server, "_start", lambda: own)
    with ExitStack() as up:
        up.enter_context(local_server.supervised())
        # It ends while the command looks for its server.
        monkeypatch.setattr(local_server, "running", up.close)
        assert local_server.ensure() is own


def test_the_folders_of_database_and_log_are_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "winnow" / "prefect")
    local_server.make_home()
    modes = [folder.stat().st_mode & 0o777 for folder in (tmp_path / "winnow", tmp_path / "winnow" / "prefect")]
    assert modes == [0o700, 0o700]


def test_a_folder_that_cannot_be_made_is_an_error_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("no folder")
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "state" / "prefect")
    with pytest.raises(HomeUnusable, match=r"state/prefect .* cannot be written \(File exists\)"):
        local_server.ensure()
    with pytest.raises(HomeUnusable), only_one():
        pytest.fail("winnow up has no place for its log")


def test_a_folder_without_the_right_to_write_is_an_error_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "prefect")
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)  # a test may run as root
    with pytest.raises(HomeUnusable, match=r"cannot be written \(Permission denied\)"):
        local_server.make_home()


class _OtherServer(BaseHTTPRequestHandler):
    """A server of somebody else that also answers `/api/health`."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


def test_another_server_at_the_port_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer) as other,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ours,
    ):
        threading.Thread(target=other.serve_forever, daemon=True).start()
        port = other.server_address[1]
        local_server.adopted(port, tmp_path / "up.log")(ours.pid)
        assert local_server.answers(f"http://127.0.0.1:{port}/api")
        assert local_server.is_taken(port)
        assert not local_server.is_up(), "two users started winnow up at the same port"
        ours.kill()
        other.shutdown()


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


def test_the_server_shows_itself_and_gets_nothing_that_leads_to_another_prefect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {seen}\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(local_server, "home", lambda: tmp_path)
    for name in ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "of another server")
    for name in ("PREFECT_UI_API_URL", "PREFECT_SERVER_UI_API_URL", "PREFECT_HOME", "PREFECT_PROFILE"):
        monkeypatch.setenv(name, "of another server")
    monkeypatch.setenv("PREFECT_SERVER_DOCKET_URL", "redis://another")
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "7")
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS", "9")
    with pytest.raises(LocalServerFailed):
        local_server.ensure()
    given = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    assert "of another server" not in given.values()
    assert "redis://another" not in given.values()
    assert given["PREFECT_SERVER_UI_API_URL"].startswith("http://127.0.0.1:")
    assert given["PREFECT_SERVER_UI_API_URL"].endswith("/api")
    assert given["PREFECT_SERVER_UI_API_URL"] == f"{given['PREFECT_UI_URL']}/api"
    assert given["PREFECT_HOME"] == str(tmp_path)
    assert given["PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS"] == "9"
    assert given["DO_NOT_TRACK"] == "1"
    assert given["PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS"] == "7"


def test_a_process_that_got_the_servers_pid_is_not_taken_for_it_and_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "home", lambda: tmp_path)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (tmp_path / "server.json").write_text(json.dumps({"pid": other.pid, "port": 4200, "began_at": 1.0}))
        assert local_server.running() is None
        assert not local_server.stop()
        assert other.poll() is None
        other.kill()
