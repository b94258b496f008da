"""What a flow does in Prefect around its own sentence: name, tags, the database that it began in, its end.

An error that Winnow expects ends a flow in a single line: the flow returns a failed state. Prefect raises what that
state carries once more, and would log it with a stack; a filter leaves that record out.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime
from functools import wraps
from pathlib import PurePosixPath
from typing import ParamSpec, TypeVar, cast
from uuid import UUID

import httpx
from prefect import get_run_logger, runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ParameterTypeError, PrefectHTTPStatusError
from prefect.states import Cancelled, Completed, Failed

from blocks import progress
from blocks.backfill.plan import Terms
from blocks.backfill.selection import Selection
from blocks.database.engine import database_id
from blocks.database.pipeline import runs
from blocks.errors import RunError, RunInterrupted, StageCrashed, WinnowError
from blocks.records import UNKNOWN_TYPE, Batch
from blocks.secret_url import redacted
from tasks.runs.chunk import RunContext
from tasks.runs.errors import RunIsOver
from tasks.runs.run import Run

P = ParamSpec("P")
R = TypeVar("R")

DATABASE_LABEL = "winnow.database"
"""The label of a flow run with the id of the database that it began in."""
PROGRESS_KEY = "winnow-progress"
SHOW_EVERY_S = 5.0
MAX_TAGS, MAX_TAG_CHARACTERS = 5, 60


class _OneLine(logging.Filter):
    """Takes the stack from a record of an expected error; leaves out Prefect's second record of a flow's end."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, WinnowError | ParameterTypeError) or isinstance(error, StageCrashed):
            return True
        record.exc_info = record.exc_text = None
        return isinstance(error, ParameterTypeError) or "Engine execution exited" not in str(record.msg)


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_OneLine())


def ends_in_one_line(flow_function: Callable[P, State[R]]) -> Callable[P, State[R]]:
    """The flow's function, whose expected errors become its final state, with a line in the run's log."""

    @wraps(flow_function)
    def ended(*args: P.args, **kwargs: P.kwargs) -> State[R]:
        try:
            state = flow_function(*args, **kwargs)
        except RunIsOver as over:
            state = Completed(message=str(over))
        except RunInterrupted as error:
            state = Cancelled(message=str(error), data=error)
        except WinnowError as error:
            state = Failed(message=str(error), data=error)
        if state.is_failed() and state.data is None:  # Prefect would raise an error of its own, with a stack
            state = state.model_copy(update={"data": RunError(state.message or "")})
        if not state.is_completed():
            get_run_logger().error("%s", state.message)
        return state

    return ended


def run_name() -> str:
    """A run's name in the Prefect UI: its inbox, the last part of its first source, its filter, or its flow, and when.

    A run that is tried again keeps its name, and so does one that another run asked to join it.
    """
    flow_run, parameters = _flow_run(), _context().parameters or {}
    joined = f"worker of run {parameters['run_id'][:8]}" if "run_id" in parameters else ""
    if flow_run.name and (flow_run.run_count or (joined and flow_run.idempotency_key)):
        return flow_run.name
    began = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if subject := parameters.get("inbox") or joined:
        return f"{subject} {began}"
    if sources := parameters.get("sources"):
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        return f"{_source_name(str(sources[0]))}{more} {began}"
    if backfill_id := parameters.get("backfill_id"):
        return f"backfill {str(backfill_id)[:8]} shard {parameters['shard']} {began}"
    if "selection" not in parameters:
        return f"{runtime.flow_run.flow_name} {began}"
    selection = parameters["selection"]
    filters = [selection.document_type, selection.status] if isinstance(selection, Selection) else []
    return " ".join(["backfill", *filter(None, filters), began])


def this_run(terms: Terms) -> RunContext:
    """What this flow run is to do, with the id of the database that it began in if it is tried again."""
    flow_run = _flow_run()
    began_in = flow_run.labels.get(DATABASE_LABEL)
    return RunContext(
        run_id=str(flow_run.id),
        name=flow_run.name,
        **terms.model_dump(),
        database_id=None if began_in is None else str(began_in),
    )


@contextmanager
def shown_in_prefect(run: Run, batch: Batch | Selection) -> Iterator[None]:
    """Show the run in Prefect within the block: its tags and database at once, its progress as it works."""
    sources = batch.sources if isinstance(batch, Batch) else ()
    status = batch.status if isinstance(batch, Selection) else None
    tags = [f"source:{_source_name(source)}" for source in sources[:MAX_TAGS]]
    tags += [f"{name}:{value}" for name, value in (("type", batch.document_type), ("status", status)) if value]
    _tag([*tags, run_tag(run.run_id)])
    if _flow_run().deployment_id:  # another worker may try it again
        _client().update_flow_run_labels(_flow_run().id, {DATABASE_LABEL: database_id(run.database)})
    with _progress_artifact(run.run_id):
        yield
    if batch.document_type is None:
        types = runs.counts_by_type(run.database, run.run_id).keys() - {UNKNOWN_TYPE}
        _tag(f"type:{name}" for name in sorted(types)[:MAX_TAGS])


@contextmanager
def shown_as_worker(run: Run) -> Iterator[None]:
    """Show in Prefect, within the block, that this flow run works chunks of another one."""
    _tag([run_tag(run.run_id)])
    with _progress_artifact(run.run_id):
        yield


def run_tag(run_id: str) -> str:
    """The tag that a run and all its further workers have in Prefect."""
    return f"run:{run_id[:8]}"


@contextmanager
def _progress_artifact(run_id: str) -> Iterator[None]:
    """Keep an artifact of the run's progress. A run that is over sooner than `SHOW_EVERY_S` gets none."""
    counts, ended = progress.Counts(run_id), threading.Event()
    artifact_id: UUID | None = None

    def show() -> None:
        nonlocal artifact_id
        try:
            if artifact_id is None:
                artifact_id = cast(UUID, create_progress_artifact(counts.percent, PROGRESS_KEY, str(counts)))
            else:
                update_progress_artifact(artifact_id, counts.percent, str(counts))
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            get_run_logger().warning("the progress could not be shown: %s", error)

    def show_often() -> None:
        while not ended.wait(SHOW_EVERY_S):
            show()

    unsubscribe = progress.subscribe(counts.take)
    thread = threading.Thread(target=copy_context().run, args=(show_often,), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        unsubscribe()
        ended.set()
        thread.join()
        if artifact_id is not None:
            show()


def _tag(tags: Iterable[str]) -> None:
    """Add tags to the flow run."""
    flow_run = _flow_run()
    added = {tag[:MAX_TAG_CHARACTERS] for tag in tags} - set(flow_run.tags)
    if added:
        flow_run.tags = [*flow_run.tags, *sorted(added)]
        _client().update_flow_run(flow_run.id, tags=flow_run.tags)


def _source_name(source: str) -> str:
    """The last part of a source's path or URL, without secrets."""
    shown = redacted(source)
    return PurePosixPath(shown.rstrip("/")).name or shown


def _context() -> FlowRunContext:
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("this is called within a flow run")
    return context


def _flow_run() -> FlowRun:
    flow_run = _context().flow_run
    if not isinstance(flow_run, FlowRun):
        raise RuntimeError("this is called within a flow run")
    return flow_run


def _client() -> SyncPrefectClient:
    client = _context().client
    if not isinstance(client, SyncPrefectClient):
        raise RuntimeError("the flows are synchronous")
    return client
