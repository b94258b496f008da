"""A machine that gives no process costs the listing nothing but what is inside containers, and only until next time."""

import subprocess
from pathlib import Path

import pytest

from blocks.isolation.isolation import Isolation
from blocks.records import Retry
from blocks.settings import Settings
from tasks.discover.discover import discover

MAIL = b"From: a@b.c\nTo: d@e.f\nSubject: s\n\nhello"


def test_a_mail_that_no_process_can_open_is_a_failure_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    (tmp_path / "a.eml").write_bytes(MAIL)
    (tmp_path / "b.txt").write_bytes(b"plain")
    settings = Settings(processes=1)
    isolation = Isolation(settings)
    monkeypatch.setattr(subprocess, "Popen", refused)
    mail, text = discover([str(tmp_path)], settings, isolation=isolation)
    assert mail.failure is not None
    assert (mail.failure.kind, mail.failure.retry) == ("process_unavailable", Retry.NOW)
    assert text.failure is None
