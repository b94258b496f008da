"""`winnow review`: people look, claim and decide by the command."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from blocks.database.engine import Database
from blocks.database.review.users import add_user
from blocks.review.records import Role
from tests.database_fixtures import add_documents
from tests.review_items import open_item
from tests.winnow_command import Done, winnow

TYPE = """\
title: Receipt
description: A receipt of a purchase.
fields:
  company: {type: text}
  total: {type: money, required: true}
  lines: {type: table, columns: {item: {type: text}, price: {type: money}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    types = tmp_path / "types"
    for name in ("receipt", "invoice"):
        (types / name).mkdir(parents=True)
        (types / name / "type.yaml").write_text(f"name: {name}\n{TYPE}")
    return tmp_path


class Command:
    """`winnow review` on a database, with the types of the test."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.url, self.folder = str(database.url.get_secret_value()), folder

    def __call__(self, *arguments: str, expect: int = 0) -> Done:
        environment = {
            "WINNOW_DATABASE_URL": self.url,
            "WINNOW_DOCUMENT_TYPES_DIR": str(self.folder / "types"),
            "LOGNAME": "ann",
        }
        done = winnow("review", *arguments, cwd=self.folder, **environment)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def json(self, *arguments: str) -> dict[str, object]:
        return dict(json.loads(self(*arguments, "--json").stdout))


@pytest.fixture
def review(database: Database, folder: Path) -> Command:
    add_documents(database, "a", "b")
    open_item(database, "a")
    open_item(database, "b")
    return Command(database, folder)


def test_next_shows_values_with_their_evidence_and_takes_the_item(review: Command) -> None:
    done = review("next")
    assert "review item 1, version 1: /in/a" in done.stdout
    assert "total (0.50): 9.00\n      page 1: Total 9.00\n  company (0.90): Café" in done.stdout
    assert "claimed by ann" in done.stdout
    assert review.json("next", "--by", "bob")["review_id"] == 2
    assert "ann has had review item 1" in review("accept", "1", "--by", "bob", expect=2).stderr
    assert json.loads(review("next", "--by", "eve", "--json").stdout) is None
    assert review.json("release", "1") == {"review_id": 1, "is_released": True}
    assert review.json("claim", "1", "--by", "bob")["claimed_by"] == "bob"


def test_a_correction_is_typed_and_is_the_result(review: Command) -> None:
    lines = json.dumps([{"item": "Tea", "price": "2,50"}])
    decided = review.json("correct", "1", "total=1.234,50", "company=", f"lines={lines}")
    assert (decided["event"], decided["action"], decided["version"]) == ("decided", "correct", 1)
    shown = review.json("show", "1")
    assert shown["decided_by"] == "ann"
    again = review.json("correct", "1", "total=1.234,50", "company=", f"lines={lines}")
    assert again["is_repeated"] is True
    for wrong, says in (
        ("total", "write field=value"),
        ("total=many", "total: 'many' is no"),
        ("sum=1", "there is no field 'sum'"),
        ("lines=Tea", "it takes JSON"),
    ):
        assert says in review("correct", "2", wrong, expect=2).stderr, wrong


def test_every_other_decision(review: Command, database: Database) -> None:
    assert "waits for a senior" in review("escalate", "1", "--note", "odd").stdout
    assert "is back in the queue" in review("return", "1").stdout
    assert "there is no document type 'x'" in review("reclassify", "1", "--type", "x", expect=2).stderr
    open_item(database, "a", total="9.50", fingerprint="g")
    replaced = review("accept", "1", "--version", "1", expect=2).stderr
    assert "total is '9.50' and was '9.00'" in replaced
    assert "decided" in review("reclassify", "1", "--type", "invoice").stdout
    assert "--reason" in review("reject", "2", expect=2).stderr
    assert "decided" in review("unreadable", "2").stdout
    assert "was decided by ann" in review("reject", "2", "--reason", "no", expect=2).stderr
    assert "no open review items" in review("list").stderr
    assert "there is no review item 9" in review("show", "9", expect=2).stderr
    assert review.json("verify")["is_valid"] is True
    with database.write() as connection:
        connection.execute(text("UPDATE review_events SET actor = 'eve' WHERE event_id = 4"))
    assert "broken at event 4" in review("verify", expect=1).stderr


def test_roles_are_those_of_the_users_once_there_are_any(review: Command, database: Database) -> None:
    review("escalate", "1")
    add_user(database, "bob", Role.READER, None)
    add_user(database, "sue", Role.SENIOR, None)
    assert "bob has the role reader" in review("accept", "2", "--by", "bob", expect=2).stderr
    assert "ann has the role reviewer" in review("accept", "1", expect=2).stderr
    assert "decided" in review("accept", "1", "--by", "sue").stdout
    assert "decided" in review("accept", "2").stdout
