"""`winnow labels`, as a person uses it: two items decided, a file imported, all listed, exported and forgotten."""

import json
from pathlib import Path

import pytest

from blocks.database.engine import Database, close_database
from blocks.database.review.decide import decide
from blocks.review.records import Action, Correction, Decision, Door
from tests.database_fixtures import add_documents
from tests.review_items import ANN, BOB, TYPES, open_item
from tests.winnow_command import Done, winnow

TRUTH = (
    "\ufeffuri;field;value\r\nc;total;RM 9,50\r\nc;date;3 May 2018\r\nc;address;\r\nnope.pdf;total;1\r\nc;totl;1\r\n"
)


@pytest.fixture
def url(sqlite_database: Database) -> str:
    add_documents(sqlite_database, *"abc")
    first, second, _ = (open_item(sqlite_database, name) for name in "abc")
    given = {"version": 1, "door": Door.PAGE}
    corrections = {"total": Correction(value="8")}
    decide(
        sqlite_database,
        Decision(review_id=first, action=Action.CORRECT, by="ann", corrections=corrections, **given),
        ANN,
        TYPES,
    )
    decide(sqlite_database, Decision(review_id=second, action=Action.ACCEPT, by="bob", **given), BOB, TYPES)
    address = sqlite_database.url.get_secret_value()
    close_database(sqlite_database)
    return address


def labels(folder: Path, url: str, *arguments: str) -> Done:
    return winnow("labels", *arguments, cwd=folder, WINNOW_DATABASE_URL=url)


def listed(folder: Path, url: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(labels(folder, url, "list", "--format", "json").stdout)
    return found


def test_decisions_and_a_file_are_labels_that_go_out_and_come_back(tmp_path: Path, url: str) -> None:
    (tmp_path / "truth.csv").write_text(TRUTH, newline="")
    assert len(listed(tmp_path, url)) == 4
    dry = labels(tmp_path, url, "import", "truth.csv", "--dry-run")
    assert (dry.returncode, dry.stderr) == (1, "nothing was imported, because of --dry-run\n")
    assert dry.stdout.endswith("truth.csv: 5 rows: 3 would be imported, 0 known, 2 wrong\n")
    strict = labels(tmp_path, url, "import", "truth.csv", "--strict")
    assert (strict.returncode, len(listed(tmp_path, url))) == (1, 4)
    done = labels(tmp_path, url, "import", "truth.csv", "--drawn", "random:10%", "--by", "eve")
    assert done.stdout.splitlines()[1:] == [
        "5     nope.pdf  total  no document was seen at nope.pdf; winnow run reads it first                    ",
        "6     c         totl   there is no field 'totl'; the type has: company, date, total, currency, address",
        "truth.csv: 5 rows: 3 imported, 0 known, 2 wrong",
    ]
    assert done.stderr == "import 1; to take it back: winnow labels forget --import 1 --yes\n"
    again = labels(tmp_path, url, "import", "truth.csv", "--drawn", "random:10%", "--by", "eve")
    assert "0 imported, 3 known, 2 wrong" in again.stdout
    rows = listed(tmp_path, url)
    assert [(row["field"], row["value"], row["drawn_with"]) for row in rows if row["labelled_by"] == "eve"] == [
        ("address", None, "0.1"),
        ("date", "2018-05-03", "0.1"),
        ("total", "9.50", "0.1"),
    ]
    for name in ("out.csv", "out.jsonl"):
        assert labels(tmp_path, url, "export", name).stderr == f"{name}: 7 labels\n"
        known = json.loads(labels(tmp_path, url, "import", name, "--json").stdout)
        assert (known["rows"], known["imported"], known["known"], known["refused"]) == (7, 0, 7, [])
    stats = labels(tmp_path, url, "stats").stdout
    assert "documents: 3, of which chance picked 1\n" in stats
    assert "labels by person: eve 3, ann 2, bob 2\n" in stats
    assert "nothing was forgotten" in labels(tmp_path, url, "forget", "--labelled-by", "bob").stderr
    gone = labels(tmp_path, url, "forget", "--labelled-by", "bob", "--yes", "--by", "sue")
    assert gone.stdout == "forgotten: 2 labels of 1 document: 0 imported, 2 of decisions, which stand\n"
    assert labels(tmp_path, url, "forget", "--document", "/in/c", "--yes").returncode == 0
    assert {row["labelled_by"] for row in listed(tmp_path, url)} == {"ann"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("import no.csv", "no.csv cannot be read: No such file or directory"),
        ("import f.csv", "f.csv is no file of labels: its first line has no column uri (or document_id) and no field"),
        ("import f.csv --drawn some", "'some' does not say how the documents were picked"),
        ("forget", "name labels, or one of --document, --labelled-by and --import"),
        ("forget i1 --import 1", "name labels, or one of"),
        ("forget i9", "there is no label i9; winnow labels list shows the labels with their ids"),
        ("forget --import 9", "no labels are of import 9; no import has labels"),
        ("export /nope/out.csv", "/nope/out.csv cannot be written"),
    ],
)
def test_what_cannot_be_done_is_an_error_of_one_line(arguments: str, message: str, tmp_path: Path, url: str) -> None:
    (tmp_path / "f.csv").write_text("file,company\na,b\n")
    done = labels(tmp_path, url, *arguments.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_without_labels_the_list_says_how_to_make_some(tmp_path: Path, sqlite_database: Database) -> None:
    address = sqlite_database.url.get_secret_value()
    close_database(sqlite_database)
    for command in ("list", "stats"):
        done = labels(tmp_path, address, command)
        assert (done.returncode, done.stdout) == (0, "")
        assert "winnow labels import FILE" in done.stderr
