"""prefect.yaml deployed to a real server, with a real worker: what a deployment promises in docs/deployment.md."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError

import pytest

from blocks.database.block import BLOCK_NAME, WinnowDatabase
from blocks.secret_url import SecretUrl
from deployments.cli.doctor_deployments import examine_server
from deployments.cli.finding import Finding
from deployments.prefect_api.local_server import LocalServer, service_errors
from deployments.up.prepare import deployments_of_file
from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import prefect_api
from tests.winnow_command import BIN, Workplace, wait_until

ROOT = Path(__file__).parent.parent.parent
SCHEDULED, AD_HOC = "process-documents/scheduled", "backfill/ad-hoc"
DEPLOYMENTS = tuple(f"{flow}/{name}" for flow, name in deployments_of_file())
IMPATIENT_WORKER = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_WORKER_HEARTBEAT_SECONDS": "2"}
AGAIN = {"type": "SCHEDULED", "name": "AwaitingRetry"}
"""The state that Retry in the Prefect UI gives a run that has ended."""
ENDED = ("Completed", "Failed", "Crashed", "Cancelled")

pytestmark = pytest.mark.prefect

Run = dict[str, Any]


class Project:
    """A checkout whose deployments, deployed as docs/deployment.md says, read three receipts into `worker.db`."""

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.workplace = Workplace(folder, server)
        self.folder = folder
        for name in ("flows", "tasks", "blocks", "deployments", "data"):
            (folder / name).symlink_to(ROOT / name)
        self.sources = receipts(folder / "in", 3)
        shipped = (ROOT / "prefect.yaml").read_text()
        assert "[data/samples]" in shipped
        (folder / "prefect.yaml").write_text(shipped.replace("[data/samples]", f'["{self.sources}"]'))
        self.use_database("worker.db")
        self.workplace.ask("work_pools/", name="winnow", type="process")
        self.workplace.prefect("--no-prompt", "deploy", "--all")

    def use_database(self, name: str) -> None:
        """Save the block `winnow-database` as a form in the UI would; the next runs of workers use it."""
        save_block(self.workplace, f"sqlite:///{self.folder / name}")

    def deployment(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.workplace.ask(f"deployments/name/{name}"))

    def start(self, name: str, **parameters: object) -> str:
        """Start a run of a deployment; its id."""
        state = {"type": "SCHEDULED"}
        path = f"deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(cast(Run, self.workplace.ask(path, parameters=parameters, state=state))["id"])

    def pause_upkeep(self) -> None:
        """Pause every schedule but that of `scheduled`: their runs would keep the worker and the server busy."""
        for name in set(DEPLOYMENTS) - {SCHEDULED}:
            deployment = self.deployment(name)
            for schedule in deployment["schedules"]:
                self.workplace.change(f"deployments/{deployment['id']}/schedules/{schedule['id']}", active=False)

    def run(self, run_id: str) -> Run:
        return cast(Run, self.workplace.ask(f"flow_runs/{run_id}"))

    def set_state(self, run_id: str, state: dict[str, str]) -> None:
        answer = cast("dict[str, str]", self.workplace.ask(f"flow_runs/{run_id}/set_state", state=state))
        assert answer["status"] == "ACCEPT", answer

    def retry(self, run_id: str) -> None:
        """Press Retry, as in the Prefect UI, until the run begins once more.

        The worker reports a run's process that ended with an error as crashed, even where the run was retried before
        the process had ended: then it is pressed again. (A worker with `--limit` ends with an error of its own then.)
        """
        runs = self.run(run_id)["run_count"]
        for _ in range(3):
            self.set_state(run_id, AGAIN)
            wait_until(lambda: self.run(run_id)["run_count"] > runs or self.has_crashed(run_id), timeout_s=300)
            if not self.has_crashed(run_id):
                break

    def has_crashed(self, run_id: str) -> bool:
        return str(self.run(run_id)["state"]["type"]) == "CRASHED"

    def wait_for(self, run_id: str, *states: str) -> Run:
        """Wait until the run is in one of the states, by name."""
        wait_until(lambda: self.run(run_id)["state"]["name"] in states, timeout_s=300)
        return self.run(run_id)

    def log(self, run_id: str) -> list[str]:
        """The messages of the run and its tasks at ERROR and above."""
        found = self.workplace.ask("logs/filter", logs={"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 40}})
        return [str(line["message"]) for line in cast("list[Run]", found)]

    def runs_of(self, flow: str) -> list[Run]:
        found = self.workplace.ask("flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="START_TIME_ASC")
        return [run for run in cast("list[Run]", found) if run["deployment_id"]]

    def doctor(self) -> dict[str, Finding]:
        """What `winnow doctor` finds out about the server and its deployments."""
        return {finding.what: finding for finding in examine_server(SecretUrl(self.workplace.server.url))}

    def query(self, statement: str, database: str = "worker.db") -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / database) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def project(local_server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("project"), local_server)
    yield project
    for name in DEPLOYMENTS:
        project.workplace.delete(f"deployments/{project.deployment(name)['id']}")
    project.workplace.delete("work_pools/winnow")
    with prefect_api(local_server):
        WinnowDatabase.delete(BLOCK_NAME)


@pytest.fixture(scope="module")
def worker(project: Project) -> Iterator[None]:
    """A worker, from the first test that needs it to the last test."""
    with (project.folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [str(BIN / "prefect"), "worker", "start", "--pool", "winnow"],
            cwd=project.folder,
            env=os.environ
            | {
                "PATH": f"{BIN}:/usr/bin:/bin",
                "HOME": str(project.folder),
                "PREFECT_API_URL": project.workplace.server.url,
            }
            | IMPATIENT_WORKER,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        yield
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_resumed_schedule_makes_a_run_that_is_late_until_a_worker_comes(
    project: Project, request: pytest.FixtureRequest
) -> None:
    deployment = project.deployment(SCHEDULED)
    form = deployment["parameter_openapi_schema"]
    assert form["required"] == ["sources"]
    with pytest.raises(HTTPError, match="409"):
        project.start(SCHEDULED, document_type="invoce")
    assert [(s["schedule"]["cron"], s["active"]) for s in deployment["schedules"]] == [("0 5 * * *", False)]
    assert scheduled_times(project) == []
    schedules = project.doctor()["schedules"]
    assert schedules.found.startswith("active: close-dead-runs/every-five-minutes, escalate-reviews/")
    assert schedules.found.endswith("; not active: process-documents/scheduled, backfill/hourly")
    resumed = f"prefect deployment schedule resume {SCHEDULED} {deployment['schedules'][0]['id']};"
    assert str(schedules.remedy).startswith(resumed)

    project.workplace.prefect("deployment", "schedule", "resume", SCHEDULED, deployment["schedules"][0]["id"])
    expected = [next_five_o_clock()]
    wait_until(lambda: scheduled_times(project), timeout_s=300)
    expected.append(next_five_o_clock())  # it may have struck five meanwhile
    assert scheduled_times(project)[0] in expected

    start = schedule_soon(project, deployment["id"])
    [run_id] = [
        run["id"]
        for run in project.runs_of("process-documents")
        if datetime.fromisoformat(run["expected_start_time"]) == start
    ]
    project.wait_for(run_id, "Late")
    findings = project.doctor()
    assert findings["workers"].found == "winnow: none is online"
    assert findings["workers"].remedy == "prefect worker start --pool winnow"
    assert findings["late runs"].found.startswith("1 should have begun, the first at ")
    assert findings["schedules"].found.startswith(f"active: {SCHEDULED}, ")
    assert findings["schedules"].found.endswith("; not active: backfill/hourly")

    project.pause_upkeep()
    request.getfixturevalue("worker")
    run = project.wait_for(run_id, *ENDED)
    assert run["state"]["message"] == "3 documents: 3 in review"
    assert {"source:in", "type:receipt"} <= set(run["tags"])
    assert project.query("select count(*) from results where is_current") == [(3,)]
    findings = project.doctor()
    assert findings["workers"].found.startswith("winnow: 1 online")
    missed = {what for what, finding in findings.items() if finding.remedy}
    assert missed == {"schedules", "dead runs", "automations"}  # schedules were paused above; no automation was applied

    backfill = project.wait_for(project.start(AD_HOC, selection={"document_type": "receipt"}, rerun="all"), *ENDED)
    assert backfill["state"]["message"] == "3 documents: 3 in review"
    assert sorted(backfill["tags"]) == ["documents", f"run:{backfill['id'][:8]}", "type:receipt", "winnow"]


@pytest.mark.usefixtures("worker")
def test_a_second_run_waits_for_its_slot_and_a_cancel_frees_it(project: Project) -> None:
    with silent_server() as url:
        first = project.start(SCHEDULED, sources=[f"{url}/invoice.pdf"])
        project.wait_for(first, "Running")
        second = project.start(SCHEDULED)
        project.wait_for(second, "AwaitingConcurrencySlot")
        project.set_state(first, {"type": "CANCELLING", "name": "Cancelling"})
        assert project.wait_for(first, *ENDED)["state"]["name"] == "Cancelled"
    assert project.wait_for(second, *ENDED)["state"]["name"] == "Completed"
    assert [line for line in project.log(first) if "Traceback" in line] == []


@pytest.mark.usefixtures("worker")
def test_a_failed_run_has_one_line_starts_an_automation_and_is_retried_in_its_own_database_only(
    project: Project,
) -> None:
    automation_id = backfill_failures(project)
    wrong = project.start(AD_HOC, models=["gpt-x"])
    folder = project.folder / "later"
    run_id = project.start(SCHEDULED, sources=[str(folder)])
    message = f"{folder} does not exist; give a file, a folder, a glob or a URL that fsspec reads"
    failed = project.wait_for(run_id, *ENDED)
    assert (failed["state"]["name"], failed["state"]["message"]) == ("Failed", message)
    assert project.query(f"select state, message from runs where run_id = '{run_id}'") == [("Failed", message)]

    def started() -> list[Run]:
        return [run for run in project.runs_of("backfill") if (run["created_by"] or {}).get("id") == automation_id]

    wait_until(started, timeout_s=300)
    assert project.wait_for(started()[0]["id"], *ENDED)["state"]["name"] == "Completed"
    project.workplace.delete(f"automations/{automation_id}")

    project.use_database("other.db")
    project.retry(run_id)
    refused = project.wait_for(run_id, *ENDED)
    assert "this run began in another database than sqlite:////" in refused["state"]["message"]
    assert project.query("select * from runs", "other.db") == []

    project.use_database("worker.db")
    receipts(folder, 1)
    project.retry(run_id)
    completed = project.wait_for(run_id, *ENDED)
    assert completed["state"]["message"].startswith("1 document: ")
    assert completed["name"] == failed["name"] == refused["name"]
    for each, says in ((run_id, message), (wrong, "there is no model 'gpt-x'")):
        project.wait_for(each, *ENDED)
        errors = project.log(each)
        assert any(says in line for line in errors)
        assert [line for line in errors if "Traceback" in line or "\n" in line] == []


def test_no_service_of_the_server_has_failed(project: Project) -> None:
    """The server goes on when one of its services fails: only its log shows the failure."""
    assert project.folder.exists()
    assert service_errors() == []


def backfill_failures(project: Project) -> str:
    """The automation of docs/deployment.md that tries failures again where a run fails; its id."""
    scheduled, ad_hoc = (project.deployment(name)["id"] for name in (SCHEDULED, AD_HOC))
    related = {"prefect.resource.id": f"prefect.deployment.{scheduled}", "prefect.resource.role": "deployment"}
    trigger = {"type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Failed"], "match_related": related}
    action = {
        "type": "run-deployment",
        "source": "selected",
        "deployment_id": ad_hoc,
        "parameters": {"rerun": "failed"},
    }
    made = project.workplace.ask(
        "automations/", name="retry-failures", trigger=trigger | {"threshold": 1, "within": 0}, actions=[action]
    )
    return str(cast(Run, made)["id"])


def scheduled_times(project: Project) -> list[datetime]:
    """When runs of the scheduled deployment are to start, the earliest first."""
    runs = project.runs_of("process-documents")
    times = (datetime.fromisoformat(run["expected_start_time"]) for run in runs if run["state_type"] == "SCHEDULED")
    return sorted(times)


def schedule_soon(project: Project, deployment_id: str) -> datetime:
    """Have a run planned for soon; gives its time. A busy scheduler may miss it: it plans the future only."""
    for seconds in (10, 60):
        start = datetime.now(UTC) + timedelta(seconds=seconds)
        soon = {"interval": 86400, "anchor_date": start.isoformat()}
        project.workplace.ask(f"deployments/{deployment_id}/schedules", {"schedule": soon, "active": True})
        while datetime.now(UTC) < start + timedelta(seconds=5):
            if start in scheduled_times(project):
                return start
            time.sleep(0.2)
    pytest.fail("the scheduler planned no run")


def next_five_o_clock() -> datetime:
    """The cron's next time, in UTC."""
    now = datetime.now(UTC)
    today = now.replace(hour=5, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


@contextmanager
def silent_server() -> Iterator[str]:
    """A web server that takes requests and does not answer until the block ends."""
    ended = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ended.wait(600)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def save_block(workplace: Workplace, url: str) -> None:
    """Register the block's type, and save a block of it."""
    with prefect_api(workplace.server):
        WinnowDatabase.register_type_and_schema()
        WinnowDatabase.model_validate({"url": url}).save(BLOCK_NAME, overwrite=True)
