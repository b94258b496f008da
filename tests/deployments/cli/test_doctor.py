"""What `winnow doctor` finds that no command shows from outside."""

import sqlite3
from pathlib import Path

import httpx
import pytest

from blocks.database import engine
from blocks.database.engine import Database, close_database, open_database
from blocks.settings import Settings
from deployments.cli import doctor
from deployments.cli.doctor import _fix, _refused_write
from deployments.cli.finding import Finding


def test_a_database_that_refuses_a_write_says_why_in_a_line(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/winnow.db")
    assert _refused_write(database) == ""
    with sqlite3.connect(tmp_path / "winnow.db") as connection:
        connection.execute(
            "CREATE TRIGGER closed BEFORE UPDATE ON database_identity BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    why = _refused_write(database)
    close_database(database)
    assert "no room" in why
    assert len(why.splitlines()) == 1


def test_a_refusal_without_words_is_named_by_its_class(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_database: Database) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(engine, "check_write", refuse)
    assert _refused_write(sqlite_database) == "ConnectionResetError"


def test_a_fix_that_the_prefect_server_refuses_does_not_keep_the_next_from_being_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise httpx.ConnectError("planted")

    findings = [Finding("work pool", "none", "", fix=refused), Finding("dead runs", "1", "", fix=lambda: None)]
    monkeypatch.setattr(doctor, "examine", lambda _settings: iter(findings))
    _fix(Settings())
    printed = capsys.readouterr()
    assert "work pool could not be fixed: planted" in printed.err
    assert "fixed: dead runs (1)" in printed.out
