"""The automations of deployments/automations/ on a real Prefect server: what fires each, and what it then does."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import RRuleSchedule
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.events.schemas.events import Event
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from deployments.automations.apply import Definition, NotifyBlockMissing, apply, changes, definitions
from deployments.prefect_api.local_server import LocalServer
from tasks.schedules import task
from tasks.schedules.task import report_silent_schedules, silent_schedules
from tests.doubles.webhook import Webhook, running_webhook
from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import prefect_api
from tests.winnow_command import Workplace, wait_until

ROOT = Path(__file__).parent.parent.parent
BLOCK = "custom-webhook/operators"
SIGNALS = ("failure-share", "review-share", "spend", "latency", "reviews-due", "circuit-open", "promise-closed")

pytestmark = pytest.mark.prefect


@pytest.fixture(scope="module")
def operators(local_server: LocalServer) -> Iterator[Webhook]:
    """Where the notices arrive: a webhook behind the block that WINNOW_NOTIFY_BLOCKS would name."""
    with running_webhook() as hook, prefect_api(local_server):
        block = CustomWebhookNotificationBlock(
            name="operators", url=hook.url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save("operators", overwrite=True)
        yield hook
        Block.delete(BLOCK)


@pytest.fixture(scope="module")
def client(local_server: LocalServer, operators: Webhook) -> Iterator[SyncPrefectClient]:
    """A client of the server, on which the automations are applied with their waits cut to seconds."""
    assert operators.url
    with SyncPrefectClient(local_server.url) as client:
        assert sorted(apply(client, [BLOCK])) == [definition.name for definition in definitions()]
        yield client
        for automation in client.read_automations():
            if automation.name.startswith("winnow-"):
                client.delete_automation(automation.id)


def test_each_file_has_its_place_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert [one.name for one in definitions() if f"### {one.name}\n" not in runbook] == []


def test_a_misspelt_key_of_a_file_is_found() -> None:
    sound = definitions()[0].model_dump()
    with pytest.raises(ValidationError, match="wihtin_s"):
        Definition.model_validate(sound | {"trigger": sound["trigger"] | {"wihtin_s": 5}})


def test_applied_again_nothing_changes_and_what_a_person_switched_off_stays_off(client: SyncPrefectClient) -> None:
    assert list(changes(client, [BLOCK])) == []
    [failed] = client.read_automations_by_name("winnow-failed-runs")
    client.pause_automation(failed.id)
    client.update_automation(failed.id, changed(failed, description="by hand", enabled=False))
    assert apply(client, [BLOCK]) == ["winnow-failed-runs"]
    assert [found.enabled for found in client.read_automations_by_name("winnow-failed-runs")] == [False]
    client.resume_automation(failed.id)
    with pytest.raises(NotifyBlockMissing, match="slack-webhook/nobody"):
        apply(client, ["slack-webhook/nobody"])


class Runs:
    """Flow runs of a deployment with our tags, whose states the tests set as workers would."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.started: list[str] = []
        flow = self._make("flows/", name="process-documents")
        self.deployment = self._make(
            "deployments/",
            name="automations",
            flow_id=flow["id"],
            tags=["winnow", "documents"],
            enforce_parameter_schema=False,
        )

    def _make(self, path: str, **fields: object) -> dict[str, Any]:
        return cast("dict[str, Any]", self.workplace.ask(path, **fields))

    def start(self, name: str, state: dict[str, str] | None = None) -> str:
        path = f"deployments/{self.deployment['id']}/create_flow_run"
        self.started.append(str(self._make(path, name=name, state=state or {"type": "PENDING"})["id"]))
        return self.started[-1]

    def enter(self, run_id: str, state: str, message: str = "") -> None:
        self._make(f"flow_runs/{run_id}/set_state", state={"type": state, "message": message}, force=True)

    def crash(self, run_id: str, message: str) -> None:
        self.enter(run_id, "RUNNING")
        self.enter(run_id, "CRASHED", message)

    def state(self, run_id: str) -> str:
        return str(self._make(f"flow_runs/{run_id}")["state"]["name"])

    def messages(self, run_id: str) -> list[str | None]:
        """The messages of all states that the run was in, the earliest first."""
        states = cast("list[dict[str, Any]]", self.workplace.ask(f"flow_run_states/?flow_run_id={run_id}"))
        return [state["message"] for state in states]


@pytest.fixture(scope="module")
def runs(local_server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    runs = Runs(Workplace(tmp_path_factory.mktemp("automations"), local_server))
    yield runs
    for run_id in runs.started:
        runs.workplace.delete(f"flow_runs/{run_id}")
    runs.workplace.delete(f"deployments/{runs.deployment['id']}")


def notice(operators: Webhook, subject: str) -> str:
    """The body of the notice with this subject, once it has come."""
    wait_until(lambda: any(subject in post["subject"] for post in operators.posts), timeout_s=300)
    return next(post["body"] for post in operators.posts if subject in post["subject"])


def test_a_failed_run_is_told_of(
    client: SyncPrefectClient, runs: Runs, operators: Webhook, local_server: LocalServer
) -> None:
    assert client.api_url
    run_id = runs.start("of invoices")
    runs.enter(run_id, "RUNNING")
    runs.enter(run_id, "FAILED", "3 documents: 3 failed")
    body = notice(operators, "of invoices has failed")
    assert body.startswith("3 documents: 3 failed")
    assert f"{local_server.ui_url}/runs/flow-run/{run_id}" in body
    assert body.endswith("What to do: docs/operations.md, winnow-failed-runs")


def test_upkeep_that_fails_each_minute_is_told_of_once(
    client: SyncPrefectClient, runs: Runs, operators: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.api_url
    upkeep = runs._make(
        "deployments/", name="minutely", flow_id=runs.deployment["flow_id"], tags=["winnow", "upkeep", "review"]
    )
    monkeypatch.setattr(runs, "deployment", upkeep)
    for minute in range(3):
        run_id = runs.start(f"of minute {minute}")
        runs.enter(run_id, "RUNNING")
        runs.enter(run_id, "FAILED", "the database stayed away")
    assert notice(operators, "process-documents/minutely fails").startswith("the database stayed away")
    monkeypatch.undo()
    run_id = runs.start("of the minute after")  # its notice comes behind theirs
    runs.enter(run_id, "RUNNING")
    runs.enter(run_id, "FAILED", "3 documents: 3 failed")
    notice(operators, "of the minute after has failed")
    assert [post["subject"] for post in operators.posts if "minute" in post["subject"]] == [
        "Winnow: process-documents/minutely fails",
        "Winnow: of the minute after has failed",
    ]
    runs.workplace.delete(f"deployments/{upkeep['id']}")


def test_a_crashed_run_is_taken_up_twice_and_then_told_of(
    client: SyncPrefectClient, runs: Runs, operators: Webhook
) -> None:
    assert client.api_url
    run_id = runs.start("of receipts")
    for _ in range(2):
        runs.crash(run_id, "no heartbeat since 05:00")
        wait_until(lambda: runs.state(run_id) == "AwaitingRetry", timeout_s=300)
    runs.crash(run_id, "no heartbeat since 05:10")
    assert notice(operators, "of receipts keeps crashing").startswith("no heartbeat since 05:10")
    assert runs.state(run_id) == "Crashed"


def test_a_run_without_a_heartbeat_is_closed_and_taken_up(client: SyncPrefectClient, runs: Runs) -> None:
    hurry(client, "winnow-dead-runs-closed")
    run_id = runs.start("of mails")
    runs.enter(run_id, "RUNNING")
    tag = {"prefect.resource.id": "prefect.tag.winnow", "prefect.resource.role": "tag"}
    emit("prefect.flow-run.heartbeat", f"prefect.flow-run.{run_id}", related=[tag])
    wait_until(lambda: runs.state(run_id) == "AwaitingRetry", timeout_s=300)
    assert "closed by the automation winnow-dead-runs-closed, no heartbeat for fifteen minutes" in runs.messages(run_id)


def test_schedules_that_do_not_fire_are_told_of(client: SyncPrefectClient, runs: Runs, operators: Webhook) -> None:
    hurry(client, "winnow-silent-schedule")
    runs.start("of the morning", {"type": "SCHEDULED"})
    body = notice(operators, "process-documents/automations is late")
    assert body.startswith("A run should have begun, and no worker took it")
    assert notice(operators, "schedules do not fire").startswith("No run of close-dead-runs has ended")


def test_an_active_schedule_that_makes_no_runs_is_told_of(
    client: SyncPrefectClient, runs: Runs, operators: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "process-documents/automations"
    ended = RRuleSchedule(rrule="DTSTART:20190101T000000\nRRULE:FREQ=DAILY;UNTIL=20200101T000000")
    client.create_deployment_schedules(
        UUID(runs.deployment["id"]), [DeploymentScheduleCreate(schedule=ended, active=True)]
    )
    assert name not in silent_schedules(client), "its scheduler has not looked at it yet"
    monkeypatch.setattr(task, "SETTLED", timedelta(0))
    assert name in silent_schedules(client)
    report_silent_schedules()
    assert notice(operators, f"{name} is not scheduled").startswith(f"{name} has an active schedule, and no run")


def test_what_is_not_as_usual_at_the_end_of_a_run_is_told_of_once(
    client: SyncPrefectClient, operators: Webhook
) -> None:
    assert client.api_url
    for name in (*SIGNALS, *SIGNALS):
        emit(f"winnow.run.{name}", f"winnow.test.{name}", payload={"subject": f"test {name}", "message": f"see {name}"})
    for name in SIGNALS:
        assert notice(operators, f"Winnow: test {name}").startswith(f"see {name}\n")
    time.sleep(2)
    assert sorted(post["subject"] for post in operators.posts if "test" in post["subject"]) == sorted(
        f"Winnow: test {name}" for name in SIGNALS
    )


def test_a_run_tells_of_reviews_past_due_and_the_command_lists_what_the_server_has(
    client: SyncPrefectClient, runs: Runs, operators: Webhook
) -> None:
    assert client.api_url
    runs.workplace.environment["WINNOW_NOTIFY_BLOCKS"] = BLOCK
    runs.workplace.run(str(receipts(runs.workplace.folder / "in", 1)))
    with sqlite3.connect(runs.workplace.folder / ".winnow" / "winnow.db") as connection:
        connection.execute("update review set due_at = '2026-01-05 09:00:00.000000'")
    runs.workplace.run("in")
    assert notice(operators, "1 review item is past due").startswith("1 review item is past due: winnow review list")
    listed = runs.workplace.command("automations", "list").stdout
    assert "winnow-late-runs: as here. A run should have begun" in listed
    assert runs.workplace.command("automations", "apply").stdout.count("made or changed: winnow-") == 1


def hurry(client: SyncPrefectClient, name: str) -> None:
    """Cut the wait of an automation to the shortest that Prefect takes."""
    [found] = client.read_automations_by_name(name)
    trigger = found.trigger.model_copy(update={"within": timedelta(seconds=10)})
    client.update_automation(found.id, changed(found, trigger=trigger))


def changed(automation: Automation, **fields: object) -> AutomationCore:
    return AutomationCore.model_validate(automation.model_dump(exclude={"id", "owner_resource"}) | fields)


def emit(event: str, resource: str, **more: Any) -> None:
    """Send an event to the server, and wait until it has it."""
    with SyncPrefectClient(PREFECT_API_URL.value()) as client:
        sent = Event.model_validate(
            {
                "event": event,
                "resource": {"prefect.resource.id": resource},
                "id": uuid4(),
                "occurred": datetime.now(UTC),
            }
            | more
        )
        client.request("POST", "/events", json=[sent.model_dump(mode="json")]).raise_for_status()
