"""A defect in any stage, or in a provider, costs one document; the run's log in Prefect has its stack."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import in_prefect
from tests.winnow_command import Workplace, wait_until

pytestmark = pytest.mark.prefect

SCRIPT = """
import json
from flows.process_documents import process_documents
from tasks.classify.judge import TypeJudge
from tasks.discover import discover
from tasks.extract.extract import Extractor
from tasks.score.stage import ScoreStage
from tasks.store import store
from tasks.validate.stage import ValidateStage

def plant(owner, name, stage, shop):
    whole = getattr(owner, name)
    def planted(*arguments, **named):
        if f"SHOP {{shop}} " in repr(arguments):
            raise ZeroDivisionError(f"planted in {{stage}}")
        return whole(*arguments, **named)
    setattr(owner, name, planted)

plant(discover, "media_type_of", "discover", 0)
plant(Extractor, "extract", "extract", 1)
plant(TypeJudge, "judge", "classify", 2)
plant(ScoreStage, "_read", "score", 3)
plant(ValidateStage, "_judge", "validate", 4)
plant(store, "_verdict", "store", 5)
state = process_documents(({folder!r},), return_state=True)
print(json.dumps([state.name, str(state.state_details.flow_run_id)]))
"""

STAGES = ("discover", "extract", "classify", "score", "validate", "store")


def test_a_defect_in_each_stage_is_named_alike_in_the_failure_the_log_and_the_list(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = receipts(workplace.folder / "in", len(STAGES) + 7)
    database: Path = workplace.folder / "winnow.db"
    monkeypatch.setenv("WINNOW_DATABASE_URL", f"sqlite:///{database}")
    state, run_id = json.loads(in_prefect(SCRIPT.format(folder=str(folder)), workplace.server))
    assert state == "CompletedWithErrors"

    of_database = ("--database", f"sqlite:///{database}")
    listed = {str(row["stage"]): row for row in workplace.rows("failures", *of_database)}
    assert {stage: (row["kind"], Path(str(row["uri"])).name) for stage, row in listed.items()} == {
        stage: ("internal", f"{at:03}.txt") for at, stage in enumerate(STAGES)
    }
    assert len(workplace.rows("results", *of_database)) == 7

    def errors() -> list[dict[str, Any]]:
        found = workplace.ask("logs/filter", logs={"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 40}})
        return cast("list[dict[str, Any]]", found)

    wait_until(lambda: len(errors()) >= len(STAGES), timeout_s=60)
    by_stage = {stage: line for line in errors() for stage in STAGES if f"defect in stage {stage}:" in line["message"]}
    assert len(by_stage) == len(errors()) == len(STAGES)
    for stage, line in by_stage.items():
        for part in (str(listed[stage]["document_id"]), "Traceback", "in planted", f"planted in {stage}"):
            assert part in line["message"]
        assert (line["level"], line["task_run_id"] is not None) == (40, True)
    artifacts = workplace.ask("artifacts/filter", flow_runs={"id": {"any_": [run_id]}})
    [table] = [found["data"] for found in cast("list[dict[str, Any]]", artifacts) if found["key"] == "winnow-failures"]
    assert {row["stage"]: row["id"] for row in json.loads(table)} == {
        stage: row["document_id"] for stage, row in listed.items()
    }
