"""What `winnow doctor` asks a Prefect server: its services, and the pools, workers and schedules of our deployments."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from blocks.secret_url import SecretUrl
from deployments.automations.apply import NotifyBlockMissing, apply, changes, definitions
from deployments.cli.finding import Finding
from deployments.up.prepare import deploy_all, deployments_of_file, make_pool, with_client
from deployments.up.services import POOL, takes_write

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

FLOWS, CLOSING = ("process-documents", "backfill"), "close-dead-runs"
NEEDED_SERVICES = ("scheduler", "late_runs", "foreman", "triggers", "task_run_recorder", "cancellation_cleanup")
"""The server's services without which schedules, states of late runs and workers, automations or cancels fail."""
OVERDUE = timedelta(minutes=1)
"""The server itself marks a run as Late after 15 s, if its service for that works."""


def examine_server(url: SecretUrl, notify_blocks: Sequence[str] = ()) -> Iterator[Finding]:
    """The findings about the server at `url`, which answers. Where nothing is deployed, its services only."""
    import httpx
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        with SyncPrefectClient(url.get_secret_value()) as client:
            yield from _services(client)
            if not takes_write(client):
                yield Finding("Prefect API", "it answers, and takes no writes", "free its disk; its log says more")
            deployed = _deployments(client, FLOWS)
            if not deployed:
                yield Finding("deployments", "none; docs/deployment.md shows how to make them")
                return
            yield from _missing(client, url)
            yield from _pools(client, deployed, url)
            yield _schedules(client)
            yield _automations(client, notify_blocks, url)
            yield from _overdue(client, deployed)
            if not any(s.active for closing in _deployments(client, (CLOSING,)) for s in closing.schedules):
                what = f"no active schedule of {CLOSING} closes them before the next run does"
                yield Finding("dead runs", what, "prefect --no-prompt deploy --all, or resume its schedule")
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        yield Finding(
            "Prefect API", f"it refuses to answer: {type(error).__name__}", "check PREFECT_API_AUTH_STRING or its log"
        )


def _services(client: "SyncPrefectClient") -> Iterator[Finding]:
    from prefect import __version__

    served = client.api_version()
    if served.split(".")[:2] != __version__.split(".")[:2]:
        yield Finding(
            "Prefect version", f"{served} at the server, {__version__} here", "install the same version at both"
        )
    services = _get(client, "/admin/settings")["server"]["services"]
    off = [name for name in NEEDED_SERVICES if services.get(name, {}).get("enabled") is False]
    if off:
        variables = " ".join(f"PREFECT_SERVER_SERVICES_{name.upper()}_ENABLED=true" for name in off)
        yield Finding("server's services", f"disabled: {', '.join(off)}", f"start the server with {variables}")
    else:
        yield Finding("server's services", "enabled: " + ", ".join(NEEDED_SERVICES))


def _deployments(client: "SyncPrefectClient", flows: Sequence[str]) -> Sequence["DeploymentResponse"]:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    return client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))))


def _missing(client: "SyncPrefectClient", url: SecretUrl) -> Iterator[Finding]:
    """The deployments of prefect.yaml that the server lacks."""
    wanted = {f"{flow}/{name}" for flow, name in deployments_of_file()}
    flows = sorted({name.partition("/")[0] for name in wanted})
    there = {f"{flow}/{deployment.name}" for flow in flows for deployment in _deployments(client, (flow,))}
    if missing := sorted(wanted - there):
        yield Finding(
            "deployments",
            f"missing: {', '.join(missing)}",
            "winnow doctor --fix, or prefect --no-prompt deploy --all",
            fix=partial(with_client, url, deploy_all),
        )


def _automations(client: "SyncPrefectClient", blocks: Sequence[str], url: SecretUrl) -> Finding:
    try:
        differing = [definition.name for definition, _ in changes(client, blocks)]
    except NotifyBlockMissing as error:
        return Finding("automations", "a notification block is missing", str(error))
    if differing:
        fix = partial(with_client, url, lambda client: apply(client, blocks))
        what = f"missing or changed: {', '.join(differing)}"
        return Finding("automations", what, "winnow doctor --fix, or winnow automations apply", fix=fix)
    alerts = f"they tell {', '.join(blocks)}" if blocks else "they tell nobody: WINNOW_NOTIFY_BLOCKS names no block"
    return Finding("automations", f"{len(definitions())} as in deployments/automations; {alerts}")


def _pools(client: "SyncPrefectClient", deployed: Sequence["DeploymentResponse"], url: SecretUrl) -> Iterator[Finding]:
    pools = {pool.name: pool for pool in client.read_work_pools()}
    for name in sorted({deployment.work_pool_name or "" for deployment in deployed}):
        if name not in pools:
            remedy = (
                f"prefect work-pool create {name or 'winnow'} --type process, then prefect --no-prompt deploy --all"
            )
            fix = partial(with_client, url, make_pool) if name == POOL else None
            yield Finding(
                "work pool", f"{name or 'none'} does not exist, so that no deployment can run", remedy, fix=fix
            )
        elif pools[name].is_paused:
            yield Finding("work pool", f"{name} is paused", f"prefect work-pool resume {name}")
        elif pools[name].concurrency_limit == 0:
            remedy = f"prefect work-pool clear-concurrency-limit {name}"
            yield Finding("work pool", f"{name} has a concurrency limit of 0", remedy)
        else:
            yield Finding("work pool", f"{name} ({pools[name].type})")
            yield _workers(client, name)


def _workers(client: "SyncPrefectClient", pool: str) -> Finding:
    workers = client.read_workers_for_work_pool(pool)
    online = [worker.name for worker in workers if worker.status.value == "ONLINE"]
    if online:
        return Finding("workers", f"{pool}: {len(online)} online ({', '.join(sorted(online)[:5])})")
    seen = max((worker.last_heartbeat_time for worker in workers if worker.last_heartbeat_time), default=None)
    last = f"; the last one was seen at {seen:%Y-%m-%d %H:%M} UTC" if seen else ""
    return Finding("workers", f"{pool}: none is online{last}", f"prefect worker start --pool {pool}")


def _schedules(client: "SyncPrefectClient") -> Finding:
    """Which schedules of all flows are active, and the commands that resume the others."""
    from tasks.schedules.task import silent_schedules

    flows = dict.fromkeys(flow for flow, _ in deployments_of_file())
    deployed = {f"{flow}/{d.name}": d for flow in flows for d in _deployments(client, (flow,)) if d.schedules}
    if not deployed:
        return Finding("schedules", "none")
    names = {deployment.id: name for name, deployment in deployed.items()}
    active = [name for name, deployment in deployed.items() if any(s.active for s in deployment.schedules)]
    inactive = [name for name in deployed if name not in active]
    paused = [name for name in active if deployed[name].paused]
    if inactive or paused:
        parts = {"active": [name for name in active if name not in paused], "not active": inactive}
        parts["paused with their deployment"] = paused
        what = "; ".join(f"{part}: {', '.join(found)}" for part, found in parts.items() if found)
        remedies = [
            f"prefect deployment schedule resume {name} {schedule.id}"
            for name in inactive
            for schedule in deployed[name].schedules
        ]
        return Finding("schedules", what, "; ".join([*remedies, *(f"prefect deployment resume {n}" for n in paused)]))
    planned = _flow_runs(client, list(deployed.values()), after=datetime.now(UTC))
    if silent := silent_schedules(client):
        what = f"active, and no run is planned: {', '.join(silent)}"
        return Finding("schedules", what, "look at the server's log for errors of its scheduler")
    if not planned:
        return Finding("schedules", f"{len(active)} active; the server has not planned their runs yet")
    first = planned[0]
    return Finding("schedules", f"{len(active)} active; next: {_name(names, first)} at {_time(first)}")


def _overdue(client: "SyncPrefectClient", deployed: Sequence["DeploymentResponse"]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    due = _flow_runs(client, deployed, before=now)
    late = [
        run
        for run in due
        if run.state_name == "Late"
        or (run.state_name == "Scheduled" and run.expected_start_time and run.expected_start_time < now - OVERDUE)
    ]
    if late:
        since = _time(late[0])
        yield Finding(
            "late runs", f"{len(late)} should have begun, the first at {since}", "start a worker, or more of them"
        )


def _flow_runs(
    client: "SyncPrefectClient",
    deployed: Sequence["DeploymentResponse"],
    *,
    after: datetime | None = None,
    before: datetime | None = None,
) -> list["FlowRun"]:
    """Scheduled runs of the deployments, the earliest first."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment.id for deployment in deployed]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(after_=after, before_=before),
    )
    return client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC)


def _name(names: dict[Any, str], run: "FlowRun") -> str:
    return names.get(run.deployment_id, "")


def _time(run: "FlowRun") -> str:
    return f"{run.expected_start_time:%Y-%m-%d %H:%M} UTC"


def _get(client: "SyncPrefectClient", path: str) -> Any:
    return client._client.get(path).json()
