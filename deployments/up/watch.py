"""Starts a poll of the inboxes at once when a file arrives in one. The scheduled poll stays: it sees what this misses.

Folders of this machine are watched, by the notices of its kernel. Network folders and object stores send none.
"""

import logging
import threading
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.errors import WinnowError
from blocks.files.sources import is_local, path_of
from blocks.inbox.block import BLOCK_SLUG

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

POLL = "poll-inboxes/every-two-minutes"
QUIET_MS = 2_000
"""A file that is being written is not looked at: no change for so long comes first."""
LOOK_AGAIN_MS = 30_000
"""So often new and changed inboxes are found, and a stop is heard at the latest."""
POLL_WITHIN_S, ASK_EVERY_S = 120.0, 0.5
AGAIN_AFTER_S = 15.0

log = logging.getLogger("winnow.up")


def watch_inboxes(url: str, stop: threading.Event) -> None:
    """Watch the folders of the server's inboxes until `stop`. What goes wrong is logged, and tried again."""
    import httpx
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.exceptions import PrefectException

    while not stop.is_set():
        try:
            with SyncPrefectClient(url) as client:
                _watch(client, stop)
        except (httpx.HTTPError, PrefectException, OSError, RuntimeError, WinnowError) as error:  # watchfiles' own too
            log.warning("up | inboxes are not watched now (%s); their schedule goes on", error)
            stop.wait(AGAIN_AFTER_S)


def _watch(client: "SyncPrefectClient", stop: threading.Event) -> None:
    folders: set[Path] = set()
    while not stop.is_set():
        folders = local_folders(client)
        if not folders:
            stop.wait(LOOK_AGAIN_MS / 1_000)
            continue
        log.info("up | watching %s", ", ".join(map(str, sorted(folders))))
        for has_arrived in _notices(folders, stop):
            if has_arrived:
                _poll_twice(client, stop)
            if local_folders(client) != folders:
                break


def _notices(folders: Set[Path], stop: threading.Event) -> Iterator[bool]:
    """Whether something arrived in the folders, at each notice and at least every `LOOK_AGAIN_MS`."""
    from watchfiles import Change, watch

    try:
        for changes in watch(
            *folders,
            watch_filter=None,
            debounce=LOOK_AGAIN_MS,
            step=QUIET_MS,
            stop_event=stop,
            rust_timeout=LOOK_AGAIN_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            yield any(change is not Change.deleted for change, _ in changes)
    except RuntimeError as error:  # such as a file whose name is not UTF-8: the polls read it, watchfiles does not
        log.warning("up | a notice of the inboxes could not be read (%s); they are polled", error)
        yield True


def local_folders(client: "SyncPrefectClient") -> set[Path]:
    """The folders of this machine that are inboxes of the server."""
    from prefect.exceptions import ObjectNotFound

    try:
        documents = client.read_block_documents_by_type(BLOCK_SLUG)
    except ObjectNotFound:  # no inbox was ever made
        return set()
    urls = [str(document.data.get("url", "")) for document in documents]
    return {folder for url in urls if url and is_local(url) and (folder := Path(path_of(url)).absolute()).is_dir()}


def _poll_twice(client: "SyncPrefectClient", stop: threading.Event) -> None:
    """What two polls see alike has arrived."""
    deployment = client.read_deployment_by_name(POLL).id
    for _ in range(2):
        while not _polled(client, deployment, stop) and not stop.is_set():
            stop.wait(QUIET_MS / 1_000)  # the scheduled poll was under way, and began before the file came


def _polled(client: "SyncPrefectClient", deployment: "UUID", stop: threading.Event) -> bool:
    """Start a poll and wait for its end; False where another one was under way. One that is not worked is let go."""
    from prefect.client.schemas.objects import StateType

    run = client.create_flow_run_from_deployment(deployment)
    for _ in range(round(POLL_WITHIN_S / ASK_EVERY_S)):
        if stop.wait(ASK_EVERY_S):
            return True
        state = client.read_flow_run(run.id).state
        if state is not None and state.is_final():
            return state.type is not StateType.CANCELLED
    log.warning("up | a poll of the inboxes took longer than %g s", POLL_WITHIN_S)
    return True
