"""What `winnow up` runs: the Prefect server, a worker and the review page, each with its health check."""

import http.client
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.settings import PROJECT_DIR
from deployments.prefect_api import local_server as prefect_server
from deployments.up.supervisor import Service

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOL = "winnow"
HEARTBEAT_S = 30
"""The shortest that Prefect takes. The automation winnow-dead-runs-closed needs the heartbeats of flow runs."""
CHECK_VARIABLE = "winnow_health"
_COMMAND = (sys.executable, "-c", "from deployments.cli.main import main; main()")


@dataclass(frozen=True)
class Worker:
    """A worker's name and how many flow runs it works on at once."""

    name: str
    limit: int


def server(port: int, environment: Mapping[str, str], client: "SyncPrefectClient", log_file: Path) -> Service:
    """The Prefect server. It is healthy if it takes a write: a locked or full disk lets it answer, and nothing more."""
    command = prefect_server.command(port)
    note = prefect_server.adopted(port, log_file)
    return Service("prefect", command, environment, prefect_server.home(), lambda: takes_write(client), 180.0, note)


def worker(
    worker: Worker, environment: Mapping[str, str], client: "SyncPrefectClient", folder: Path = PROJECT_DIR
) -> Service:
    """A worker of the pool. It is healthy if the server has heard of it lately."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    command += ["--name", worker.name, "--limit", str(worker.limit)]
    own = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}
    return Service("worker", command, {**environment, **own}, folder, lambda: is_online(client, worker.name))


def review_page(host: str, port: int, url: str, environment: Mapping[str, str]) -> Service:
    """The review page, which listens at host and port; this machine reaches it at `url`."""
    command = [*_COMMAND, "review", "serve", "--host", host, "--port", str(port)]
    return Service("review", command, environment, Path.cwd(), lambda: answers(f"{url}/health"))


def takes_write(client: "SyncPrefectClient") -> bool:
    """Whether the server stores a value."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    value = {"name": CHECK_VARIABLE, "value": "written by winnow up", "tags": ["winnow"]}
    try:
        try:
            client.request("PATCH", "/variables/name/{name}", path_params={"name": CHECK_VARIABLE}, json=value)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 404:
                return False
            client.request("POST", "/variables/", json=value)
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return False
    return True


def is_online(client: "SyncPrefectClient", name: str) -> bool:
    """Whether the worker's last heartbeat has reached the server."""
    import httpx
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        workers = client.read_workers_for_work_pool(POOL)
    except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound):
        return False
    return any(worker.name == name and worker.status.value == "ONLINE" for worker in workers)


def answers(url: str) -> bool:
    """Whether a page answers at the address."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (OSError, http.client.HTTPException):  # such as a reply that is no HTTP
        return False
