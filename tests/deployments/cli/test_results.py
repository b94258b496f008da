"""`winnow failures`: short ids and messages that can be read, at any width."""

import json

import pytest

from blocks.database.engine import Database, now
from blocks.database.pipeline.failures import FailedDocument, record_failures
from blocks.database.pipeline.runs import start_run
from blocks.records import Failure, Retry, Stage
from blocks.secret_url import SecretUrl
from deployments.cli import output
from deployments.cli.output import OutputFormat
from deployments.cli.results import failures
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of

MESSAGE = (
    "no engine could open this application/pdf: its cross-reference table is damaged; ask the sender for a fresh copy"
)


@pytest.fixture
def url(sqlite_database: Database) -> SecretUrl:
    """A database with a failure of the documents a and b."""
    start_run(sqlite_database, "run-1", "letters", settings={}, types={}, source="/in")
    add_documents(sqlite_database, "a", "b", run_id="run-1")
    failure = Failure(stage=Stage.EXTRACT, kind="corrupt", message=MESSAGE, retry=Retry.NEVER)
    with sqlite_database.write() as connection:
        failed = [FailedDocument(id_of(name), failure) for name in "ab"]
        record_failures(sqlite_database, connection, "run-1", failed, now())
    return sqlite_database.url


def shown(url: SecretUrl, capsys: pytest.CaptureFixture[str], form: OutputFormat, after: str | None = None) -> str:
    failures(run=None, limit=None, after=after, output_format=form, database=url)
    return capsys.readouterr().out


@pytest.mark.parametrize(("width", "most_lines"), [(80, 2 * 10), (120, 2 * 7), (160, 1 + 2 * 3)])
def test_a_message_is_readable_and_the_id_short(
    width: int, most_lines: int, url: SecretUrl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output.stdout(), "width", width)
    out = shown(url, capsys, OutputFormat.TABLE)
    lines = out.splitlines()
    assert len(lines) <= most_lines
    assert max(map(len, lines)) <= width
    assert id_of("a")[:12] in out
    assert id_of("a")[:13] not in out
    assert "no engine could open this application/pdf" in out, "the message's words stand in one line"


def test_programs_get_whole_ids_and_a_page_begins_behind_a_short_one(
    url: SecretUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(shown(url, capsys, OutputFormat.JSON))
    ids = [row["document_id"] for row in rows]
    assert sorted(ids) == sorted([id_of("a"), id_of("b")])
    rest = json.loads(shown(url, capsys, OutputFormat.JSON, after=ids[0][:12]))
    assert [row["document_id"] for row in rest] == ids[1:]
