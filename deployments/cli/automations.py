"""`winnow automations`: Prefect's automations, made from the files in deployments/automations/."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.output import note, say

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

app = new_group(COMMANDS["automations"].help)


@app.command("apply")
def apply_all() -> None:
    """Make the Prefect server's automations as the files say, by name. What you switched off stays off."""
    from blocks.settings import load_settings
    from deployments.automations.apply import apply, definitions

    with _client() as client:
        changed = apply(client, load_settings().notify_blocks)
    total = len(definitions())
    say(f"{total} automations; made or changed: {', '.join(changed) or 'none'}")
    if not load_settings().notify_blocks:
        say("they tell nobody: set WINNOW_NOTIFY_BLOCKS, then apply again")


@app.command("list")
def list_all() -> None:
    """List the automations, with what the Prefect server has of each."""
    from blocks.settings import load_settings
    from deployments.automations.apply import changes, definitions
    from tasks.flow_run.pages import all_pages

    with _client() as client:
        differing = {one.name: found for one, found in changes(client, load_settings().notify_blocks)}
        off = {automation.name for automation in all_pages(client.read_automations) if not automation.enabled}
    for definition in definitions():
        name = definition.name
        state = "as here" if name not in differing else "differs" if differing[name] else "missing"
        say(f"{name}: {state}{', switched off' if name in off else ''}. {definition.description}")


@contextmanager
def _client() -> "Iterator[SyncPrefectClient]":
    from deployments.prefect_api.client import use_prefect

    api = use_prefect(note)
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(api.url.get_secret_value()) as client:
        yield client
