"""What a Prefect server needs before work can begin: the pool, the deployments, the automations."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from blocks.errors import RunError
from blocks.secret_url import SecretUrl
from blocks.settings import PROJECT_DIR, child_environment
from blocks.yaml.lines import YamlFile
from blocks.yaml.values import mapping, sequence
from deployments.up.services import POOL
from tasks.flow_run.pages import all_pages

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

DEPLOY_WITHIN_S = 300
RIVALS = 5
"""How often another machine may be faster at making a thing: there are two block types, a pool and its lanes."""
LANES = {"urgent": 1, "normal": 2, "bulk": 3}
"""Work queues of the pool with their priorities; the queue `default`, for all but inboxes, keeps the one it gets."""

Result = TypeVar("Result")


class DeployFailed(RunError):
    """`prefect deploy --all` did not make the deployments."""

    def __init__(self, output: str) -> None:
        lines = [line for line in output.splitlines() if line.strip()]
        super().__init__(f"prefect deploy --all failed: {lines[-1].strip() if lines else 'it printed nothing'}")


class DeployTooSlow(RunError):
    """`prefect deploy --all` did not end."""

    def __init__(self) -> None:
        super().__init__(f"prefect deploy --all did not end within {DEPLOY_WITHIN_S} s; is the Prefect server busy?")


def make_pool(client: "SyncPrefectClient") -> bool:
    """Make the process work pool and the lanes of inboxes, as far as they are missing, and register our blocks.

    False where there was a pool: one made by hand, or by a call that was cut off, may lack lanes. Another machine that
    starts just now may make the same: what it made first is looked for once more.
    """
    from prefect.exceptions import ObjectAlreadyExists

    for _ in range(RIVALS):
        try:
            return _make_pool(client)
        except ObjectAlreadyExists:
            continue
    return _make_pool(client)


def _make_pool(client: "SyncPrefectClient") -> bool:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from blocks.database.block import WinnowDatabase
    from blocks.inbox.block import Inbox

    # A block takes no client: it asks the server of the settings, and Prefect starts one where there is none.
    with temporary_settings({PREFECT_API_URL: str(client.api_url).rstrip("/")}):
        for block in (WinnowDatabase, Inbox):
            block.register_type_and_schema()

    is_new = False
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        is_new = True
    there = {queue.name for queue in all_pages(client.read_work_queues, work_pool_name=POOL)}
    for lane, priority in LANES.items():
        if lane not in there:
            client.create_work_queue(name=lane, work_pool_name=POOL, priority=priority)
    return is_new


def deploy(client: "SyncPrefectClient", environment: Mapping[str, str]) -> int:
    """Deploy all that prefect.yaml names; returns how many deployments there are.

    A schedule that a person switched on or off stays so, and a deployment that a person paused stays paused: Prefect
    would set them back to what the file says. Raises `DeployFailed` and `DeployTooSlow`.
    """
    existing = all_pages(client.read_deployments)
    before = {
        (str(deployment.id), str(schedule.schedule)): schedule.active
        for deployment in existing
        for schedule in deployment.schedules
    }
    paused = {deployment.id for deployment in existing if deployment.paused}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            cwd=PROJECT_DIR,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEPLOY_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise DeployTooSlow from None
    if done.returncode:
        raise DeployFailed(done.stdout + done.stderr)
    deployed = all_pages(client.read_deployments)
    for deployment in deployed:
        if deployment.id in paused and not deployment.paused:
            client.pause_deployment(deployment.id)
        for schedule in deployment.schedules:
            was_active = before.get((str(deployment.id), str(schedule.schedule)))
            if was_active is not None and was_active != schedule.active:
                client.update_deployment_schedule(deployment.id, schedule.id, active=was_active)
    return sum(deployment.work_pool_name == POOL for deployment in deployed)


def deploy_all(client: "SyncPrefectClient") -> int:
    """Deploy to the server of the client, from a process without `winnow up`'s environment. Raises as `deploy`."""
    make_pool(client)
    return deploy(client, child_environment({"PREFECT_API_URL": str(client.api_url)}, keeps_settings=True))


def with_client(url: SecretUrl, act: "Callable[[SyncPrefectClient], Result]") -> "Result":
    """What an act with a client of the server at `url` gives."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(url.get_secret_value()) as client:
        return act(client)


def deployments_of_file() -> list[tuple[str, str]]:
    """The flows and the names of the deployments in prefect.yaml; a flow is named as its function, with hyphens."""
    content = mapping(YamlFile((PROJECT_DIR / "prefect.yaml").read_text()).value())
    found = [mapping(entry) for entry in sequence(content.get("deployments"))]
    return [(str(one["entrypoint"]).rpartition(":")[2].replace("_", "-"), str(one["name"])) for one in found]
