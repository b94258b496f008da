"""The flows of upkeep where the machine of the worker has a mistake: they end in one line that says what to do."""

import json
from pathlib import Path

import pytest

from blocks.database.engine import Database
from tests.prefect_fixtures import in_prefect
from tests.winnow_command import Workplace

pytestmark = pytest.mark.prefect

UPKEEP = """
import json
from flows.{flow} import {flow}
state = {flow}(return_state=True)
print(json.dumps([state.name, state.message]))
"""


@pytest.mark.parametrize("flow", ["escalate_reviews", "apply_decisions", "learn"])
def test_upkeep_ends_in_one_line_where_a_type_has_a_mistake(
    flow: str, workplace: Workplace, sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "types" / "receipt").mkdir(parents=True)
    (tmp_path / "types" / "receipt" / "type.yaml").write_text("title: Receipt\nfeilds: {}\n")
    monkeypatch.setenv("WINNOW_DATABASE_URL", sqlite_database.url.get_secret_value())
    monkeypatch.setenv("WINNOW_DOCUMENT_TYPES_DIR", str(tmp_path / "types"))
    name, message = json.loads(in_prefect(UPKEEP.format(flow=flow), workplace.server))
    assert name == "Failed"
    assert "feilds" in message
    assert "encountered an exception" not in message, "that is Prefect's word for a defect"


@pytest.mark.parametrize("flow", ["close_dead_runs", "poll_inboxes", "report"])
def test_upkeep_ends_in_one_line_where_the_database_is_no_database(
    flow: str, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.db").write_text("no database " * 1_000)
    monkeypatch.setenv("WINNOW_DATABASE_URL", f"sqlite:///{tmp_path / 'notes.db'}")
    name, message = json.loads(in_prefect(UPKEEP.format(flow=flow), workplace.server))
    assert name == "Failed"
    assert "notes.db" in message
    assert "encountered an exception" not in message
