"""A defect in a stage costs one document, and the run's log in Prefect has its stack."""

import sqlite3
from pathlib import Path

import pytest

from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import in_prefect
from tests.winnow_command import Workplace, wait_until

pytestmark = pytest.mark.prefect

SCRIPT = """
from flows.process_documents import process_documents
from tasks.classify.judge import TypeJudge

judge = TypeJudge.judge

def planted_defect(self, texts):
    if any("SHOP 1 " in text for text in texts):
        raise ZeroDivisionError("planted")
    return judge(self, texts)

TypeJudge.judge = planted_defect
state = process_documents(({folder!r},), return_state=True)
print(state.name, state.state_details.flow_run_id)
"""


def test_the_runs_log_shows_the_stack_the_document_and_the_stage(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = receipts(workplace.folder / "in", 3)
    database: Path = workplace.folder / "winnow.db"
    monkeypatch.setenv("WINNOW_DATABASE_URL", f"sqlite:///{database}")
    state, run_id = in_prefect(SCRIPT.format(folder=str(folder)), workplace.server).split()
    assert state == "CompletedWithErrors"
    with sqlite3.connect(database) as connection:
        failures = connection.execute("select document_id, stage, kind from failures").fetchall()
        results = connection.execute("select count(*) from results where is_current").fetchone()
    [(document_id, stage, kind)] = failures
    assert (stage, kind, results) == ("classify", "internal", (2,))

    def errors() -> list[dict[str, object]]:
        found = workplace.ask("logs/filter", logs={"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 40}})
        assert isinstance(found, list)
        return found

    wait_until(errors, timeout_s=30)
    [logged] = errors()
    message = str(logged["message"])
    for part in (document_id, "classify", "Traceback", "in planted_defect", "planted"):
        assert part in message
    assert logged["level"] == 40
    assert logged["task_run_id"] is not None
