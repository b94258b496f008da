"""`winnow trust`: what it prints where nothing, little, and enough is known."""

import json
from pathlib import Path

import pytest

from blocks.database.engine import Database
from tests.tasks.promise.test_trust import SLIP, add_drawn, names
from tests.winnow_command import Done, winnow


@pytest.fixture
def types(tmp_path: Path) -> Path:
    folder = tmp_path / "types" / "slip"
    folder.mkdir(parents=True)
    (folder / "type.yaml").write_text(
        "title: Slip\nfields:\n  total: {type: money, required: true}\n  note: {type: text}\n"
    )
    assert SLIP.name == folder.name
    return folder.parent


def trust(database: Database, types: Path, *arguments: str) -> Done:
    url = database.url.get_secret_value()
    return winnow("trust", *arguments, cwd=types.parent, WINNOW_DATABASE_URL=url, WINNOW_DOCUMENT_TYPES_DIR=str(types))


def test_without_random_labels_it_says_how_to_get_some(sqlite_database: Database, types: Path) -> None:
    assert "no labelled document was drawn by chance" in trust(sqlite_database, types).stdout
    of_type = trust(sqlite_database, types, "--type", "slip").stdout
    assert of_type.startswith("slip: at most 5% of the accepted rows wrong, 95% sure: not proven: no label")


def test_it_says_what_is_proven_and_what_is_missing(sqlite_database: Database, types: Path) -> None:
    add_drawn(sqlite_database, names(40))
    out = trust(sqlite_database, types, "--error", "10%").stdout
    assert "proven from confidence 0." in out
    assert "100.0% of all documents" in out
    assert "labels    40 documents drawn by chance and decided, or past due" in out
    assert max(map(len, out.splitlines())) <= 200
    # 0.99 to the power of 299 is below 0.05, and that of 298 is not
    assert "about 259 more documents to draw and label" in trust(sqlite_database, types, "--error", "1%").stdout
    (found,) = json.loads(trust(sqlite_database, types, "--error", "10%", "--json").stdout)
    assert (found["document_type"], found["rules"]["error"], found["used"]) == ("slip", 0.1, 40)
    (unit,) = found["units"]
    assert unit["threshold"] == unit["offers"][-1]["threshold"]


@pytest.mark.parametrize("wrong", ["x", "0", "100%", "1/0", "nan", "inf"])
def test_a_share_that_is_none_is_refused(wrong: str, sqlite_database: Database, types: Path) -> None:
    done = trust(sqlite_database, types, "--error", wrong)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --error {wrong} ")
