"""Active schedules that make no runs: the server's scheduler skips one that it cannot read, and tells nobody."""

import logging
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import emit_event

from tasks.flow_run.pages import all_pages

TAG = "winnow"
SETTLED = timedelta(minutes=5)
"""The scheduler looks at a new or changed schedule within a minute."""

log = logging.getLogger(__name__)


def silent_schedules(client: SyncPrefectClient) -> list[str]:
    """Deployments with our tag whose active schedules have made no run that is to come, as `flow/deployment`.

    Paused deployments and schedules that changed a moment ago are left out. Raises httpx's errors.
    """
    now = datetime.now(UTC)
    silent = [
        deployment
        for deployment in _deployments(client)
        if not deployment.paused
        and any(_is_settled(schedule, now) for schedule in deployment.schedules)
        and not _has_run_to_come(client, deployment, now)
    ]
    return sorted(f"{client.read_flow(deployment.flow_id).name}/{deployment.name}" for deployment in silent)


def report_silent_schedules() -> None:
    """Send the event `winnow.schedule.silent` for each silent schedule, from which an automation makes a message."""
    try:
        with get_client(sync_client=True) as client:
            silent = silent_schedules(client)
    except httpx.HTTPError as error:  # the next call tries again
        log.warning("Prefect could not be asked about schedules: %s", error)
        return
    for name in silent:
        message = f"{name} has an active schedule, and no run is planned"
        log.warning("%s: look at the server's log for errors of its scheduler", message)
        payload = {"subject": f"{name} is not scheduled", "message": message}
        emit_event("winnow.schedule.silent", {"prefect.resource.id": f"winnow.schedule.{name}"}, payload=payload)


def _deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    return all_pages(client.read_deployments, deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))


def _is_settled(schedule: DeploymentSchedule, now: datetime) -> bool:
    return schedule.active and (schedule.updated is None or schedule.updated < now - SETTLED)


def _has_run_to_come(client: SyncPrefectClient, deployment: DeploymentResponse, now: datetime) -> bool:
    to_come = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=now),
    )
    return bool(client.read_flow_runs(flow_run_filter=to_come, limit=1))
