"""A run is prepared once, by whoever starts it first."""

from pathlib import Path

import pytest

from blocks import settings as settings_module
from blocks.database.engine import Database
from blocks.errors import DocumentTypeUnknown
from blocks.settings import configure
from tasks.runs import prepare
from tasks.runs.prepare import handed_over, load_types, prepare_run, prepared_run


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch, sqlite_database: Database, tmp_path: Path) -> list[tuple[str, ...]]:
    """The models of each check of the routes, over a type of its own and a database of its own."""
    (tmp_path / "types" / "note").mkdir(parents=True)
    (tmp_path / "types" / "note" / "type.yaml").write_text("name: note\ntitle: Note\nfields: {a: {type: text}}\n")
    monkeypatch.setattr(settings_module, "_current", None)
    configure(database_url=sqlite_database.url, document_types_dir=tmp_path / "types")
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(prepare, "check_routes", lambda _types, _state, _keys, models: made.append(models))
    monkeypatch.setattr(prepare, "put_blocks", lambda _registry: None)
    return made


def test_a_flow_takes_the_run_that_the_command_prepared(checks: list[tuple[str, ...]]) -> None:
    prepared = prepare_run(load_types("note"), ("m",), with_blocks=False)
    with handed_over(prepared):
        assert prepared_run("note", ("m",)) is prepared
    assert checks == [("m",)], "the routes are checked once"


def test_a_flow_of_a_worker_prepares_its_run(checks: list[tuple[str, ...]]) -> None:
    prepared = prepared_run(None, ())
    assert list(prepared.types) == ["note"]
    assert checks == [()]
    assert prepared_run(None, ()) is not prepared, "nothing is kept between runs"


def test_an_unknown_type_is_found_before_the_database_is_opened(checks: list[tuple[str, ...]]) -> None:
    with pytest.raises(DocumentTypeUnknown, match="lettre"):
        prepared_run("lettre", ())
    assert checks == []
