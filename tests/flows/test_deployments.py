"""prefect.yaml deployed to a real server: schedules make runs, and a real worker runs them."""

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.prefect_api.local_server import log_file
from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import prefect_api
from tests.winnow_command import Workplace, wait_until

ROOT = Path(__file__).parent.parent.parent
SERVICE_ERROR = re.compile(r".*\| (?:ERROR|CRITICAL) +\| (?:docket|prefect\.server\.(?:services|events))\b.*")
"""What the server logs when a service such as the scheduler fails. A locked SQLite on a busy machine is an ERROR of the
API, not of a service."""

pytestmark = pytest.mark.prefect


@pytest.fixture
def project(workplace: Workplace) -> Workplace:
    """A checkout whose deployments, deployed as docs/deployment.md tells, read three receipts into `worker.db`."""
    folder = workplace.folder / "project"
    folder.mkdir()
    for name in ("flows", "tasks", "blocks", "deployments", "data"):
        (folder / name).symlink_to(ROOT / name)
    sources = receipts(workplace.folder / "in", 3)
    shipped = (ROOT / "prefect.yaml").read_text()
    assert "[data/samples]" in shipped
    (folder / "prefect.yaml").write_text(shipped.replace("[data/samples]", f'["{sources}"]'))
    workplace.folder = folder
    save_block(workplace, f"sqlite:///{folder / 'worker.db'}")
    workplace.ask("work_pools/", name="winnow", type="process")
    workplace.prefect("--no-prompt", "deploy", "--all")
    return workplace


def test_a_resumed_schedule_fires_and_a_worker_runs_both_deployments(project: Workplace) -> None:
    name = "process-documents/scheduled"
    deployment = project.ask(f"deployments/name/{name}")
    assert isinstance(deployment, dict)
    form = deployment["parameter_openapi_schema"]
    assert form["required"] == ["sources"]
    assert all(parameter["description"] for parameter in form["properties"].values())
    assert [(s["schedule"]["cron"], s["active"]) for s in deployment["schedules"]] == [("0 5 * * *", False)]
    assert scheduled_times(project) == []

    project.prefect("deployment", "schedule", "resume", name, deployment["schedules"][0]["id"])
    wait_until(lambda: scheduled_times(project))
    assert scheduled_times(project)[0] == next_five_o_clock()

    start = datetime.now(UTC) + timedelta(seconds=10)  # the scheduler plans the future only
    soon = {"interval": 86400, "anchor_date": start.isoformat()}
    project.ask(f"deployments/{deployment['id']}/schedules", {"schedule": soon, "active": True})
    wait_until(lambda: start in scheduled_times(project))
    wait_until(lambda: datetime.now(UTC) > start)
    project.prefect("worker", "start", "--pool", "winnow", "--run-once")
    assert ended_states(project, "process-documents") == ["Completed"]
    with sqlite3.connect(project.folder / "worker.db") as connection:
        assert connection.execute("select count(*) from results where is_current").fetchone() == (3,)

    ad_hoc = project.ask("deployments/name/backfill/ad-hoc")
    assert isinstance(ad_hoc, dict)
    parameters = {"document_type": "receipt", "rerun": "all"}
    project.ask(f"deployments/{ad_hoc['id']}/create_flow_run", parameters=parameters, state={"type": "SCHEDULED"})
    project.prefect("worker", "start", "--pool", "winnow", "--run-once")
    assert ended_states(project, "backfill") == ["Completed"]

    # The server goes on when one of its services fails: only its log shows the failure.
    assert SERVICE_ERROR.findall(log_file().read_text()) == []


def scheduled_times(workplace: Workplace) -> list[datetime]:
    """When runs of the scheduled deployment are to start, the earliest first."""
    runs = flow_runs(workplace, "process-documents")
    times = (datetime.fromisoformat(run["expected_start_time"]) for run in runs if run["state_type"] == "SCHEDULED")
    return sorted(times)


def ended_states(workplace: Workplace, flow: str) -> list[str]:
    """The states of the flow's runs of deployments that have ended."""
    return [run["state"]["name"] for run in flow_runs(workplace, flow) if run["end_time"] is not None]


def flow_runs(workplace: Workplace, flow: str) -> list[dict[str, Any]]:
    """The runs of a flow's deployments, as the API shows them."""
    found = workplace.ask("flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="START_TIME_ASC")
    assert isinstance(found, list)
    return [run for run in found if run["deployment_id"]]


def next_five_o_clock() -> datetime:
    """The cron's next time, in UTC."""
    now = datetime.now(UTC)
    today = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def save_block(workplace: Workplace, url: str) -> None:
    """Register the block's type, and save a block of it as a form in the UI would."""
    from blocks.database.block import WinnowDatabase

    with prefect_api(workplace.server):
        WinnowDatabase.register_type_and_schema()
    types = workplace.ask("block_types/slug/winnow-database")
    schemas = workplace.ask("block_schemas/filter", block_schemas={"block_type_id": {"any_": [types["id"]]}})  # type: ignore[index]
    workplace.ask(
        "block_documents/",
        name="winnow-database",
        block_type_id=types["id"],  # type: ignore[index]
        block_schema_id=schemas[0]["id"],  # type: ignore[index]
        data={"url": url},
    )
