"""`winnow erase`, `winnow retain` and `winnow db`: what a person reads, and what is left."""

import json
from pathlib import Path

import pytest

from blocks.database.engine import Database
from blocks.database.pipeline.runs import start_run
from blocks.database.review.history import load_history
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import open_item
from tests.winnow_command import Done, winnow


@pytest.fixture
def url(sqlite_database: Database) -> str:
    """A database with three documents; a and b wait for a person, and each has a company named Café."""
    add_documents(sqlite_database, "a", "b", "c")
    for name in "ab":
        open_item(sqlite_database, name)
    return sqlite_database.url.get_secret_value()


def ran(tmp_path: Path, url: str, *arguments: str) -> Done:
    return winnow(*arguments, cwd=tmp_path, WINNOW_DATABASE_URL=url)


def test_erase_shows_first_and_erases_with_yes(tmp_path: Path, url: str) -> None:
    shown = ran(tmp_path, url, "erase", "--subject", "CAFÉ")
    assert shown.returncode == 0
    assert "documents: 2; rows: 2 of results" in shown.stdout
    assert "nothing was erased; --yes erases all of this" in shown.stderr
    assert json.loads(ran(tmp_path, url, "review", "show", "1", "--json").stdout)["status"] == "open"

    erased = json.loads(ran(tmp_path, url, "erase", "--subject", "café", "--yes", "--by", "ann", "--json").stdout)
    assert erased["documents"] == {id_of("a"): ["result"], id_of("b"): ["result"]}
    assert (erased["erased"], erased["rows"]["review"]) == (2, 2)
    assert "no document is like that" in ran(tmp_path, url, "erase", "--subject", "café").stderr
    assert ran(tmp_path, url, "review", "verify").returncode == 0
    item = json.loads(ran(tmp_path, url, "review", "show", "1", "--json").stdout)
    assert (item["status"], item["fields"]) == ("superseded", [])


def test_an_erased_document_s_history_says_who_erased_it(tmp_path: Path, url: str, sqlite_database: Database) -> None:
    ran(tmp_path, url, "erase", "--document", id_of("a")[:12], "--yes", "--by", "ann")
    last = load_history(sqlite_database, id_of("a"), "ann").entries[-1]
    assert (last.event, last.actor) == ("erased", "ann")
    shown = ran(tmp_path, url, "show", id_of("a")[:12]).stdout
    assert "erased at 20" in shown
    assert "no run has finished it yet" not in shown


def test_a_subject_that_only_a_run_names_is_found_and_gets_a_pseudonym(
    tmp_path: Path, url: str, sqlite_database: Database
) -> None:
    start_run(
        sqlite_database, "run-1", "Jo Muster.pdf", settings={}, types={}, source='{"sources":["/in/Jo Muster.pdf"]}'
    )
    shown = ran(tmp_path, url, "erase", "--subject", "jo muster")
    assert "their name or their message: 1 (run-1)" in " ".join(shown.stdout.split())
    assert "nothing was erased" in shown.stderr
    done = ran(tmp_path, url, "erase", "--subject", "jo muster", "--yes")
    assert "erased: 0; runs with a pseudonym now: 1" in done.stdout
    listed = ran(tmp_path, url, "runs", "--json").stdout
    assert ("Muster" in listed, "/in/erased-" in listed) == (False, True)
    assert "no document is like that" in ran(tmp_path, url, "erase", "--subject", "jo muster").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("erase",), "one of the three"),
        (("erase", "--subject", "café", "--type", "receipt"), "one of the three"),
        (("erase", "--subject", "ab"), "needs 4 letters or digits"),
        (("erase", "--document", "zz"), "no document has an id that begins with 'zz'"),
        (("retain",), "give at least one age"),
    ],
)
def test_wrong_usage_is_one_line_and_erases_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path, url: str
) -> None:
    done = ran(tmp_path, url, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr


def test_retain_says_what_would_go(tmp_path: Path, url: str, sqlite_database: Database) -> None:
    assert ran(tmp_path, url, "retain", "--outputs-days", "0").stdout == "nothing is that old\n"
    open_item(sqlite_database, "a", fingerprint="g")
    shown = ran(tmp_path, url, "retain", "--outputs-days", "0")
    assert "rows: 1 of results" in shown.stdout
    assert "nothing was deleted" in shown.stderr
    done = json.loads(ran(tmp_path, url, "retain", "--outputs-days", "0", "--yes", "--json").stdout)
    assert done == {"rows": {"results": 1}, "deleted": True}


def test_size_adds_up(tmp_path: Path, url: str) -> None:
    sizes = json.loads(ran(tmp_path, url, "db", "size", "--json").stdout)
    assert sizes["documents"] == 3
    assert sizes["bytes"] == sum(table["bytes"] for table in sizes["tables"]) > 0
    assert sizes["bytes_per_document"] == sizes["bytes"] // 3
    assert "bytes for each of 3 documents" in ran(tmp_path, url, "db", "size").stdout
    assert "MB now" in ran(tmp_path, url, "db", "vacuum").stdout
