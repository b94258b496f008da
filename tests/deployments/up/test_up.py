"""`winnow up` as a user starts it: a server, a worker and a page of its own, killed, mended and stopped."""

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from review_crowd import free_port

from blocks.inbox.block import Inbox
from deployments.cli.up import ServiceDown
from deployments.prefect_api.local_server import LocalServer
from tests.deployments.up.test_supervisor import lives
from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import prefect_api
from tests.winnow_command import BIN, Done, Workplace, wait_until, winnow

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1_200)]


@dataclass
class Up:
    """The command, in a folder and with a state of its own."""

    folder: Path
    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "state" / "winnow" / "up.log").read_text()

    def winnow(self, *arguments: str) -> Done:
        return winnow(*arguments, cwd=self.folder, **self.environment)

    def value(self, name: str) -> str:
        [line] = [line for line in self.lines if line.startswith(f"  {name}")]
        return line.removeprefix(f"  {name}").strip()

    def workplace(self) -> Workplace:
        port = int(self.value("Prefect").rpartition(":")[2])
        return Workplace(self.folder, LocalServer(0, port, 0.0), self.environment)


def environment(folder: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    process = subprocess.Popen(
        [str(BIN / "winnow"), "up", "--review-port", str(free_port())],
        cwd=folder,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "200"} | environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if line.startswith("Start a run"):
                break
        assert lines[-1].startswith("Start a run"), "\n".join(lines)
        yield Up(folder, process, lines)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(300)


def test_the_first_minute_says_what_is_up_and_where(up: Up) -> None:
    assert len(up.lines) <= 12
    assert up.value("database") == f"sqlite:///{up.folder}/.winnow/winnow.db"
    assert up.value("deployments").endswith("automations")
    with urllib.request.urlopen(up.value("review page"), timeout=120) as page:
        assert page.status == 200
    assert up.winnow("up").returncode == 2
    assert "stop winnow up" in up.winnow("server", "stop").stderr
    command = up.lines[-1].removeprefix("Start a run: ").partition(", or")[0]
    elsewhere = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(up.folder)}
    subprocess.run(command.replace("deployment run", "deployment inspect"), shell=True, check=True, env=elsewhere)
    assert re.search(r"✓ +automations ", up.winnow("doctor").stdout)


def test_a_run_started_in_prefect_is_worked_and_a_killed_worker_comes_back(up: Up) -> None:
    place = up.workplace()
    [worker] = [p for p in psutil.Process(up.process.pid).children() if "worker" in p.cmdline()]
    worker.kill()
    place.prefect(
        "deployment", "run", "process-documents/scheduled", "-p", f'sources=["{receipts(up.folder / "in", 1)}"]'
    )

    def ended() -> list[str]:
        found = place.ask("flow_runs/filter", flows={"name": {"any_": ["process-documents"]}})
        return [run["state"]["message"] for run in found if run["state_type"] == "COMPLETED"]

    wait_until(ended, timeout_s=300)
    assert ended()[0].startswith("1 document: ")
    assert "up | worker ended with code -9; it starts again in" in up.log


def test_what_arrives_in_an_inbox_is_taken_once_in_its_lane(up: Up) -> None:
    place = up.workplace()
    with prefect_api(place.server):
        url, done = str(receipts(up.folder / "post", 2)), up.folder / "done"
        inbox = Inbox(url=url, owner="accounting", lane="urgent", done_folder=str(done))
        inbox.save("post", overwrite=True)

    def poll() -> str:
        run_id = place.ask(f"deployments/{deployment_id}/create_flow_run", state={"type": "SCHEDULED"})["id"]

        def state() -> dict[str, Any]:
            return dict(place.ask(f"flow_runs/{run_id}")["state"])

        wait_until(lambda: state()["type"] in {"COMPLETED", "FAILED", "CANCELLED"}, timeout_s=300)
        return str(state()["message"])

    deployment_id = place.ask("deployments/name/poll-inboxes/every-two-minutes")["id"]
    due = "post: 2 listed, 0 arrived, 2 due"

    def polls() -> list[str]:
        """The messages of all polls, those of the schedule too."""
        found = place.ask("flow_runs/filter", flows={"name": {"any_": ["poll-inboxes"]}})
        return [str(run["state"]["message"]) for run in found]

    wait_until(lambda: due in poll() or any(due in message for message in polls()), timeout_s=300)

    def taken() -> list[dict[str, Any]]:
        found = place.ask("flow_runs/filter", flows={"name": {"any_": ["take-inbox"]}})
        return [run for run in found if run["state_type"] == "COMPLETED"]

    wait_until(taken, timeout_s=300)
    [run] = taken()
    assert run["state"]["message"].startswith("2 documents: ")
    assert {"inbox:post", "owner:accounting"} <= set(run["tags"])
    assert run["name"].startswith("post 20")
    assert run["work_queue_name"] == "urgent"
    assert names(done) == ["000.txt", "001.txt"]
    wait_until(lambda: "post: 0 listed, 0 arrived, 0 due" in poll(), timeout_s=300)

    wait_until(lambda: f"up | watching {url}" in up.log, timeout_s=180)
    asked = len(asked_polls(place))
    (up.folder / "post" / "000.txt").write_text("Another one under the same name. Total 7.00")
    wait_until(lambda: names(done) == ["000 (2).txt", "000.txt", "001.txt"], timeout_s=400)
    assert len(asked_polls(place)) > asked, "it did not wait for the schedule"
    assert names(up.folder / "post") == []
    assert "done/000 (2).txt" in up.winnow("show", str(done / "000 (2).txt")).stdout


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def asked_polls(place: Workplace) -> list[Any]:
    found = place.ask("flow_runs/filter", flows={"name": {"any_": ["poll-inboxes"]}})
    return [run for run in found if not run["auto_scheduled"]]


def test_doctor_makes_again_what_was_deleted_and_a_switched_on_schedule_stays_on(up: Up) -> None:
    place = up.workplace()
    deployment = place.ask("deployments/name/process-documents/scheduled")
    schedule = deployment["schedules"][0]["id"]
    place.prefect("deployment", "schedule", "resume", "process-documents/scheduled", schedule)
    place.prefect("automation", "delete", "winnow-late-runs")
    place.prefect("--no-prompt", "deployment", "delete", "escalate-reviews/every-five-minutes")
    said = up.winnow("doctor").stdout
    assert "missing: escalate-reviews/every-five-minutes" in said
    fixed = up.winnow("doctor", "--fix").stdout
    assert "fixed: deployments (missing: escalate-reviews/every-five-minutes)" in fixed
    assert "fixed: automations (missing or changed: winnow-late-runs)" in fixed
    assert re.search(r"✓ +automations ", fixed)
    again = place.ask("deployments/name/process-documents/scheduled")
    assert [schedule["active"] for schedule in again["schedules"]] == [True]


def test_sigterm_leaves_no_process(up: Up) -> None:
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) >= 3
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(300) == 0
    wait_until(lambda: not [process for process in family if lives(process)])
    assert up.process.stdout is not None
    assert up.process.stdout.read().splitlines()[-2:] == ["stopping …", "stopped"]


def test_a_service_that_ends_at_once_says_why(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    log.write_text(
        "2026-11-29 22:18:08,419 prefect | Traceback (most recent call last):\n"
        '2026-11-29 22:18:08,419 prefect | sqlalchemy.exc.DBAPIError: extension "pg_trgm" is not available\n'
        "2026-11-29 22:18:08,420 prefect | Server stopped!\n"
    )
    why = 'sqlalchemy.exc.DBAPIError: extension "pg_trgm" is not available'
    assert str(ServiceDown("the Prefect server", log)) == f"the Prefect server did not start ({why}); see {log}"
    log.write_text("2026-11-29 22:18:08,420 prefect | Server stopped!\n")
    assert str(ServiceDown("the Prefect server", log)) == f"the Prefect server did not start; see {log}"
