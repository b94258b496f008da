"""Makes a Prefect server's automations as the files of this folder say, by name; applied again, nothing changes.

A file's keys are those of Prefect's automations, but for two: `within_s` is in seconds, and `notify` becomes an action
per notification block of WINNOW_NOTIFY_BLOCKS. What people switched off in the Prefect UI stays off.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blocks.errors import UsageError
from blocks.yaml.lines import YamlFile

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

FOLDER = Path(__file__).parent
RUNBOOK = "docs/operations.md"
Labels = dict[str, str | list[str]]


class NotifyBlockMissing(UsageError):
    """WINNOW_NOTIFY_BLOCKS names a block that the Prefect server does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no notification block {name}; make it in the Prefect UI (Blocks, +), or correct "
            "WINNOW_NOTIFY_BLOCKS"
        )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trigger(_Strict):
    """Which events, or whose absence, fire an automation."""

    expect: tuple[str, ...]
    after: tuple[str, ...] = ()
    posture: Literal["Reactive", "Proactive"] = "Reactive"
    match: Labels = {}
    match_related: Labels | tuple[Labels, ...] = {}
    for_each: tuple[str, ...] = ()
    within_s: int = Field(0, ge=0)


class Notice(_Strict):
    """What each notification block sends, as templates of Prefect's."""

    subject: str
    body: str


class Action(_Strict):
    """A change of a flow run's state, the only kind of action beside notices that our automations take."""

    type: Literal["change-flow-run-state"]
    state: Literal["CRASHED", "SCHEDULED"]
    name: str | None = None
    message: str


class Definition(_Strict):
    """A file of this folder."""

    name: str = Field(pattern=r"^winnow-[a-z-]+$")
    description: str
    trigger: Trigger
    notify: Notice | None = None
    actions: tuple[Action, ...] = ()

    def automation(self, block_ids: Sequence[str], *, is_enabled: bool = True) -> "AutomationCore":
        """The automation that Prefect is to have. Without an action, its firing is an event in the UI."""
        from prefect.events.schemas.automations import AutomationCore

        notices = [self._notice(block_id, self.notify) for block_id in block_ids] if self.notify else []
        actions = [*(action.model_dump(exclude_none=True) for action in self.actions), *notices]
        trigger = self.trigger.model_dump(mode="json", exclude={"within_s"})
        within = timedelta(seconds=self.trigger.within_s)
        return AutomationCore.model_validate(
            {
                "name": self.name,
                "description": f"{self.description} What to do: {RUNBOOK}, {self.name}.",
                "enabled": is_enabled,
                "trigger": trigger | {"type": "event", "threshold": 1, "within": within},
                "actions": actions or [{"type": "do-nothing"}],
            }
        )

    def _notice(self, block_id: str, notice: Notice) -> dict[str, str]:
        body = f"{notice.body}\n\nWhat to do: {RUNBOOK}, {self.name}"
        return {"type": "send-notification", "block_document_id": block_id, "subject": notice.subject, "body": body}


def definitions(folder: Path = FOLDER) -> list[Definition]:
    """The automations of the folder, in the order of their names."""
    return sorted(
        (Definition.model_validate(YamlFile(file.read_text()).value()) for file in folder.glob("*.yaml")),
        key=lambda d: d.name,
    )


def changes(client: "SyncPrefectClient", blocks: Sequence[str]) -> Iterator[tuple[Definition, "Automation | None"]]:
    """The automations that the server lacks, or has in another form: with that form.

    Raises `NotifyBlockMissing`.
    """
    from prefect.events.filters import AutomationFilter, AutomationFilterName

    block_ids = [_block_id(client, name) for name in blocks]
    wanted = definitions()
    ours = AutomationFilter(name=AutomationFilterName(any_=[definition.name for definition in wanted]))
    existing = {automation.name: automation for automation in client.read_automations(automations=ours)}
    for definition in wanted:
        found = existing.get(definition.name)
        if found is None or _content(found) != _content(definition.automation(block_ids, is_enabled=found.enabled)):
            yield definition, found


def apply(client: "SyncPrefectClient", blocks: Sequence[str]) -> list[str]:
    """Make and correct automations; returns the names of those. Raises `NotifyBlockMissing`."""
    block_ids = [_block_id(client, name) for name in blocks]
    changed = list(changes(client, blocks))
    for definition, found in changed:
        if found is None:
            client.create_automation(definition.automation(block_ids))
        else:
            client.update_automation(found.id, definition.automation(block_ids, is_enabled=found.enabled))
    return [definition.name for definition, _ in changed]


def _block_id(client: "SyncPrefectClient", name: str) -> str:
    from prefect.exceptions import ObjectNotFound

    block_type, _, block = name.partition("/")
    try:
        return str(client.read_block_document_by_name(block, block_type).id)
    except ObjectNotFound:
        raise NotifyBlockMissing(name) from None


def _content(automation: "AutomationCore") -> dict[str, Any]:
    """What of an automation a file decides, in a form that compares."""
    content = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    trigger = content["trigger"]
    for unordered in ("expect", "after", "for_each"):
        trigger[unordered] = sorted(trigger[unordered])
    trigger.pop("id", None)
    return content
