"""Polls the inboxes that Prefect has as blocks, starts a run for each with arrivals, and takes its files."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import TypeVar, cast

import httpx
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Completed
from pydantic import ValidationError

from blocks.database.address import connect
from blocks.database.engine import Database
from blocks.database.pipeline import inbox_files, inbox_tries
from blocks.database.pipeline.inbox_files import Poll
from blocks.database.pipeline.inbox_tries import Tries
from blocks.errors import DatabaseUnreachable, DocumentTypeInvalid, PrefectUnreachable, WinnowError
from blocks.files.sources import is_local, path_of
from blocks.inbox.block import BLOCK_SLUG, Inbox
from blocks.records import Batch
from blocks.settings import load_settings
from tasks.arrive.arrivals import list_inbox
from tasks.arrive.errors import InboxesFailed, InboxInvalid, InboxUnknown, TakerNotDeployed
from tasks.arrive.put_away import put_away as move
from tasks.discover.batch import record_sources
from tasks.runs.frame import digest_of
from tasks.runs.prepare import load_types
from tasks.runs.run import Run

R = TypeVar("R")

DEPLOYMENT = "take-inbox/arrived"
FAILED_AGAIN = "FailedAgain"
"""The name of a failed state for which no automation alerts anybody: the first failure did."""
LEFT_SHOWN, FOLDERS_SHOWN = 5, 5
log = logging.getLogger(__name__)
NOT_BEGUN = [StateType.SCHEDULED, StateType.PENDING]


def load_inbox(name: str) -> Inbox:
    """The block of this name. Raises `InboxUnknown` and `InboxInvalid`."""
    try:
        return cast(Inbox, Inbox.load(name))
    except (ObjectNotFound, ValueError):  # Block.load turns "not found" into a ValueError
        raise InboxUnknown(name) from None
    except RuntimeError as error:  # and a value that cannot be into this
        if not isinstance(error.__cause__, ValidationError):
            raise
        first = error.__cause__.errors(include_url=False, include_input=False)[0]
        raise InboxInvalid(name, first["msg"].removeprefix("Value error, ")) from None


def batch_of(inbox: Inbox) -> Batch:
    """The batch of a run that takes this inbox's files."""
    return Batch(sources=(inbox.url,), document_type=inbox.document_type, rows_column=inbox.rows_column)


def poll_inboxes(database: Database) -> State[int]:
    """List every inbox once, and start a run for each that has stable files which no run has taken.

    Where earlier runs were to take them and did not, the next waits: a minute, then twice as long after each, an hour
    at most. Raises `InboxesFailed` at the end for those that cannot be used, listed or taken; the others are polled.
    """
    polls: dict[str, Poll] = {}
    waiting: dict[str, Tries] = {}
    failed: list[str] = []
    with get_client(sync_client=True) as client:
        for name in _inbox_names(client):
            try:
                inbox = load_inbox(name)
                if inbox.document_type:
                    with suppress(DocumentTypeInvalid):  # a run names the line, and its alert is not for inboxes
                        load_types(inbox.document_type)
                listing = list_inbox(inbox.url)
                failed += [f"{name}: {error}" for error in listing.unreadable[:FOLDERS_SHOWN]]
                polls[name] = inbox_files.record_poll(database, name, listing.marks, listing.may_hold)
                inbox_tries.forget_without_files(database, name)
                if polls[name].due and not _waits(client, name):
                    if tries := inbox_tries.waiting(database, name, _digest(inbox)):
                        waiting[name] = tries
                    else:
                        _try_to_start(database, name, inbox)
            except WinnowError as error:
                failed.append(f"{name}: {error}")
            except (httpx.TransportError, PrefectHTTPStatusError) as error:  # the next poll starts it
                get_run_logger().warning("the run of inbox %s could not be started: %s", name, error)
    counts = "; ".join(
        f"{name}: {p.listed} listed, {p.arrived} arrived, {p.due} due" + _wait_of(waiting.get(name))
        for name, p in polls.items()
    )
    if failed:
        raise InboxesFailed([*([counts] if counts else []), *failed])
    return Completed(message=counts or "no inboxes", data=len(polls))


def fails_once(flow_function: Callable[[str], State[R]]) -> Callable[[str], State[R]]:
    """The flow's function, whose failed state is named `FailedAgain` if a run of the inbox failed shortly before.

    So people are alerted once, and not at each try. A run that took its files fails as `Failed` in any case.
    """

    @wraps(flow_function)
    def failed(inbox: str) -> State[R]:
        state = flow_function(inbox)
        if not state.is_failed() or isinstance(state.data, DatabaseUnreachable | PrefectUnreachable):
            return state
        try:
            tries = inbox_tries.count_failure(connect(load_settings()), inbox)
        except WinnowError as error:
            log.warning("the failure could not be counted, so that people are alerted again: %s", error)
            return state
        if tries is None or tries.failures == 1:
            return state
        message = f"{state.message}; {tries} ({inbox}), the next begins after {tries.next_at:%H:%M} UTC"
        return state.model_copy(update={"name": FAILED_AGAIN, "message": message})

    return failed


@task(name="take", task_run_name="take", cache_policy=NO_CACHE, persist_result=False)
def take(run: Run, batch: Batch, inbox: str) -> State[int]:
    """Make the inbox's stable files the run's documents, each once. Files that are gone by now do not count."""
    uris = [
        uri
        for uri in inbox_files.claim_due(run.database, inbox, run.run_id)
        if not is_local(uri) or Path(path_of(uri)).exists()
    ]
    found = record_sources(run, batch.model_copy(update={"sources": tuple(uris)})) if uris else 0
    inbox_files.confirm_taken(run.database, inbox, run.run_id)
    return Completed(message=f"files: {len(uris)}, documents: {found}", data=found)


@task(name="put-away", task_run_name="put away", cache_policy=NO_CACHE, persist_result=False)
def put_away(run: Run, block: Inbox, inbox: str) -> State[int]:
    """Move the files whose documents are stored to the inbox's `done_folder`, where it has one.

    A file that cannot be moved stays, and the state says why.
    """
    folder = block.done_folder
    if folder is None:
        return Completed(message="files stay in this inbox", data=0)
    moved, left = 0, list[str]()
    for uri, (mark, places) in inbox_files.stored_files(run.database, inbox, run.run_id).items():
        try:
            move(uri, mark, block.url, folder, partial(inbox_files.record_move, run.database, uri, places))
            moved += 1
        except WinnowError as error:
            left.append(str(error))
    if left:
        log.warning("inbox %s: %s", inbox, "; ".join(left[:LEFT_SHOWN]))
    return Completed(message=f"moved: {moved}" + (f", not moved: {len(left)}; {left[0]}" if left else ""), data=moved)


def _inbox_names(client: SyncPrefectClient) -> list[str]:
    """The names of all inbox blocks; none where the block's type is not registered."""
    try:
        documents = client.read_block_documents_by_type(BLOCK_SLUG)
    except ObjectNotFound:
        return []
    return [document.name for document in documents if document.name]


def _waits(client: SyncPrefectClient, name: str) -> bool:
    """Whether a run of the inbox has not begun yet: it will take what is due when it does."""
    not_begun = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[f"inbox:{name}"]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=NOT_BEGUN)),
    )
    return bool(client.read_flow_runs(flow_run_filter=not_begun, limit=1))


def _wait_of(tries: Tries | None) -> str:
    return "" if tries is None else f" ({tries}; the next after {tries.next_at:%H:%M} UTC)"


def _digest(inbox: Inbox) -> str:
    """Of all that a person can fill in an inbox's block: a block that was changed is tried at once."""
    return digest_of(inbox.model_dump_json(include=set(Inbox.model_fields)))


def _try_to_start(database: Database, name: str, inbox: Inbox) -> None:
    """Count a try, and start it. One that could not be started does not count."""
    inbox_tries.count_try(database, name, _digest(inbox))
    try:
        _start(name, inbox)
    except Exception:
        inbox_tries.take_back_try(database, name)
        raise


def _start(name: str, inbox: Inbox) -> None:
    """Start a run of the inbox, in its lane, without waiting for it. Raises `TakerNotDeployed`."""
    tags = [f"inbox:{name}", *([f"owner:{inbox.owner}"] if inbox.owner else [])]
    try:
        run_deployment(
            DEPLOYMENT,
            parameters={"inbox": name},
            tags=tags,
            timeout=0,
            as_subflow=False,
            work_queue_name=inbox.lane,
        )
    except ObjectNotFound:
        raise TakerNotDeployed(DEPLOYMENT) from None
