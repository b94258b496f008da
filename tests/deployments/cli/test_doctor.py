"""What `winnow doctor` finds that no command shows from outside."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from blocks.database import block, engine
from blocks.database.engine import Database, close_database, database_id, open_database
from blocks.database.pipeline import inbox_tries
from blocks.secret_url import SecretUrl
from blocks.settings import Settings
from deployments.cli import doctor
from deployments.cli.doctor import _failing_inboxes, _fix, _other_database, _refused_write, _review_page
from deployments.cli.finding import Finding
from deployments.prefect_api import local_server
from deployments.up import running as running_module
from deployments.up.running import RunningUp, only_one, running, tell


class HealthPage(BaseHTTPRequestHandler):
    """Says that all is well at /health, and at no other place."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep standard error clean."""


@pytest.fixture
def http_page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), HealthPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


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


@pytest.fixture
def up_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str, str], None]]:
    """A `winnow up` of this user that runs a review page at an address, and has a database."""
    monkeypatch.setattr(local_server, "home", lambda: tmp_path / "state" / "prefect")
    with ExitStack() as stack:

        def tell_of(review_url: str, database: str, id_: str) -> None:
            stack.enter_context(only_one())
            assert running() is None, "it is not up yet"
            tell(RunningUp(review_url, database, id_, "/srv/winnow"))

        yield tell_of


def test_the_page_of_winnow_up_is_looked_at_without_a_setting(
    up_at: Callable[[str, str, str], None], http_page: str
) -> None:
    [unknown] = _review_page(Settings())
    assert unknown.found.startswith("not looked for: winnow up does not run here")
    up_at(http_page, "", "")
    [found] = _review_page(Settings())
    assert (found.found, found.remedy) == (f"{http_page} of winnow up answers", "")
    tell(RunningUp("http://127.0.0.1:9", "", "", ""))
    [silent] = _review_page(Settings())
    assert (silent.found, silent.remedy[:26]) == (
        "http://127.0.0.1:9 of winnow up does not answer",
        "winnow up starts it again ",
    )


def test_another_database_of_winnow_up_is_named(
    up_at: Callable[[str, str, str], None], sqlite_database: Database
) -> None:
    settings = Settings(database_url=sqlite_database.url)
    assert list(_other_database(settings, sqlite_database)) == []
    up_at("", "sqlite:////srv/winnow/.winnow/winnow.db", database_id(sqlite_database))
    assert list(_other_database(settings, sqlite_database)) == []
    tell(RunningUp("", "sqlite:////srv/winnow/.winnow/winnow.db", "another", "/srv/winnow"))
    for opened in (sqlite_database, None):
        [found] = _other_database(settings, opened)
        assert found.found.endswith("runs in /srv/winnow, uses another: sqlite:////srv/winnow/.winnow/winnow.db")
        assert "WINNOW_DATABASE_URL=sqlite:////srv" in found.remedy


def test_a_prefect_block_with_another_address_is_named(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_module, "running", lambda: None)
    settings = Settings(database_url=sqlite_database.url, prefect_api_url=SecretUrl("http://127.0.0.1:9/api"))
    for address, number in ((sqlite_database.url, 0), (None, 0), (SecretUrl("postgresql+psycopg://u:secret@db/w"), 1)):
        monkeypatch.setattr(block, "url_of_block", lambda address=address: address)
        findings = list(_other_database(settings, sqlite_database))
        assert len(findings) == number
        assert "secret" not in str(findings)


def test_an_inbox_whose_files_no_run_could_take_is_named_with_its_next_try(sqlite_database: Database) -> None:
    inbox_tries.count_try(sqlite_database, "post", "block")
    assert list(_failing_inboxes(sqlite_database)) == [], "its first run may be at work"
    inbox_tries.count_failure(sqlite_database, "post")
    [found] = _failing_inboxes(sqlite_database)
    assert found.found.startswith("post: 1 run did not take its files since 20")
    assert found.remedy.startswith("runs with the tag inbox:post say why in the Prefect UI; the next begins after ")
    assert not found.is_fatal


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
