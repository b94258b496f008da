"""What `winnow types check` says of models of routes and of worked examples."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blocks import settings
from blocks.database.engine import Database
from deployments.cli.main import app

TYPE = """\
title: Note
fields:
  day: {type: date, required: true}
  total: {type: money}
route:
  - {model: local, accept: {confidence: 0.8}}
  - {model: nobody}
"""
TEXT = "Note of 2026-03-14. Total 9.00 EUR"
REPLY = {
    "fields": {
        "day": {"value": "2026-03-14", "evidence": [{"page": 1, "quote": "2026-03-14"}], "confidence": 0.95},
        "total": None,
    }
}


def check(folder: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(settings, "_current", None)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("WINNOW_DATABASE_URL", database)
    return CliRunner().invoke(app, ["types", "check", str(folder)])


@pytest.fixture
def note_type(tmp_path: Path) -> Path:
    folder = tmp_path / "types" / "note"
    (folder / "examples").mkdir(parents=True)
    (folder / "type.yaml").write_text(TYPE)
    return folder


def test_a_route_s_model_that_the_registry_lacks_is_named_with_its_line(
    note_type: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = check(note_type, sqlite_database.url.get_secret_value(), monkeypatch)
    assert checked.exit_code == 1
    assert f"{note_type}/type.yaml:7: there is no model 'nobody'" in checked.stderr
    (note_type / "type.yaml").write_text(TYPE.replace("nobody", "gpt-4.1"))
    assert check(note_type, sqlite_database.url.get_secret_value(), monkeypatch).exit_code == 0


def test_a_database_that_cannot_be_reached_is_noted_and_the_rest_is_checked(
    note_type: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = check(note_type, "postgresql+psycopg://nobody@127.0.0.1:9/none", monkeypatch)
    assert checked.exit_code == 0
    assert "the models of routes are not checked" in checked.stderr


def test_without_a_database_nobody_knows_which_models_there_will_be(
    note_type: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = check(note_type, f"sqlite:///{tmp_path / 'none.db'}", monkeypatch)
    assert checked.exit_code == 0
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (REPLY, ""),
        ({"fields": {"day": REPLY["fields"]["day"]}}, ""),
        ({"day": "2026-03-14"}, "is not one that a model may give"),
        (json.loads(json.dumps(REPLY).replace('"quote": "2026-03-14"', '"quote": "14 March"')), "quotes '14 March'"),
    ],
)
def test_a_worked_example_is_held_to_what_a_model_may_reply(
    reply: object, says: str, note_type: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note_type / "type.yaml").write_text(TYPE.replace("  - {model: nobody}\n", ""))
    rows = ({"text": "Another note"}, {"text": TEXT, "reply": reply})
    (note_type / "examples" / "worked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    checked = check(note_type, sqlite_database.url.get_secret_value(), monkeypatch)
    assert checked.exit_code == bool(says), checked.stderr
    assert says in checked.stderr
    assert not says or "worked.jsonl:2: " in checked.stderr


@pytest.mark.parametrize(
    ("more", "is_noted"),
    [
        ("sensitive: true\nmemory: {examples: 3}\n", True),
        ("sensitive: true\nmemory: {examples: 3, share_sensitive: true}\n", False),
        ("sensitive: true\nmemory: {refresh: new}\n", False),
    ],
)
def test_a_sensitive_type_is_told_that_its_examples_are_not_shown(
    more: str, is_noted: bool, note_type: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note_type / "type.yaml").write_text(TYPE.replace("nobody", "local") + more)
    checked = check(note_type, sqlite_database.url.get_secret_value(), monkeypatch)
    assert checked.exit_code == 0
    assert ("the type is sensitive" in checked.stderr) is is_noted


def test_examples_of_a_type_that_asks_no_model_are_noted(
    note_type: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note_type / "type.yaml").write_text(TYPE.replace("nobody", "local") + "memory: {examples: 3}\n")
    checked = check(note_type, sqlite_database.url.get_secret_value(), monkeypatch)
    assert "type.yaml:8: note: models are shown no decided document: no step" in checked.stderr
