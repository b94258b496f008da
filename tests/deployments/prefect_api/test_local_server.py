"""A local Prefect server that does not start; one that does is in tests/flows."""

import sys
from pathlib import Path

import pytest

from blocks.errors import LocalServerFailed
from deployments.prefect_api import local_server


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
