"""Automations on a server with many others, as a double. tests/flows/test_automations.py has a real server."""

from types import SimpleNamespace
from typing import Any, cast

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.filters import AutomationFilter

from deployments.automations.apply import changes, definitions
from tasks.flow_run.pages import PAGE


class CrowdedServer:
    """A server that has ours behind so many others that it does not give them at once."""

    def read_automations(self, *, automations: AutomationFilter | None = None) -> list[Any]:
        others: list[Any] = [SimpleNamespace(name=f"other-{number}") for number in range(PAGE)]
        ours = [definition.automation(()) for definition in definitions()]
        asked = automations.name.any_ if automations and automations.name else None
        return [one for one in [*others, *ours] if asked is None or one.name in asked][:PAGE]


def test_what_is_there_already_is_not_made_again_beside_many_others() -> None:
    assert list(changes(cast(SyncPrefectClient, CrowdedServer()), ())) == []
