"""prefect.yaml deployed to a real server, and run by a real worker."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.flows.test_process_documents import receipts
from tests.winnow_command import Workplace

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.prefect


def test_a_worker_runs_both_deployments_on_the_database_of_the_block(workplace: Workplace) -> None:
    project = workplace.folder / "project"
    project.mkdir()
    for name in ("flows", "tasks", "blocks", "deployments", "data"):
        (project / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "prefect.yaml", project)
    workplace.folder = project
    database = workplace.folder / "worker.db"
    in_folder = receipts(workplace.folder / "in", 3)

    workplace.prefect("block", "register", "--module", "blocks.database.block")
    save_block(workplace, f"sqlite:///{database}")
    workplace.prefect("work-pool", "create", "winnow", "--type", "process", "--overwrite")
    workplace.prefect("--no-prompt", "deploy", "--all")
    scheduled = workplace.ask("deployments/name/process-documents/scheduled")
    assert isinstance(scheduled, dict)
    assert [(s["schedule"]["cron"], s["active"]) for s in scheduled["schedules"]] == [("0 5 * * *", False)]
    form = scheduled["parameter_openapi_schema"]
    assert form["required"] == ["sources"]
    assert all(parameter["description"] for parameter in form["properties"].values())

    workplace.prefect("deployment", "run", "process-documents/scheduled", "-p", f'sources=["{in_folder}"]')
    workplace.prefect("worker", "start", "--pool", "winnow", "--run-once")
    states = flow_run_states(workplace, "process-documents")
    assert states[-1:] == ["Completed"], states
    with sqlite3.connect(database) as connection:
        assert connection.execute("select count(*) from results where is_current").fetchone() == (3,)

    workplace.prefect("deployment", "run", "backfill/ad-hoc", "-p", "document_type=receipt", "-p", "rerun=all")
    workplace.prefect("worker", "start", "--pool", "winnow", "--run-once")
    assert flow_run_states(workplace, "backfill")[-1:] == ["Completed"]


def save_block(workplace: Workplace, url: str) -> None:
    """Save the block as a form in the UI would."""
    types = workplace.ask("block_types/slug/winnow-database")
    schemas = workplace.ask("block_schemas/filter", block_schemas={"block_type_id": {"any_": [types["id"]]}})  # type: ignore[index]
    workplace.ask(
        "block_documents/",
        name="winnow-database",
        block_type_id=types["id"],  # type: ignore[index]
        block_schema_id=schemas[0]["id"],  # type: ignore[index]
        data={"url": url},
    )


def flow_run_states(workplace: Workplace, flow: str) -> list[str]:
    found = workplace.ask("flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="START_TIME_ASC")
    assert isinstance(found, list)
    return [run["state"]["name"] for run in found if run["deployment_id"]]
