"""What flows and the tasks of all stages share in Prefect: options, names, tags, log and final states.

The database is the cache: a chunk whose documents all have their output takes milliseconds and ends as `Cached`. No
result is persisted and no Prefect cache policy is used; see docs/decisions/prefect-cache.md.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed
from prefect.tasks import exponential_backoff

from blocks.errors import WinnowError
from blocks.logs import log_event, log_ids
from blocks.records import Retry
from tasks.runs.chunk import Chunk, StageCounts, StageWork, run_stage
from tasks.runs.run import Run

log = logging.getLogger(__name__)

StageTask = Task[[Run, Chunk], State[StageCounts]]


class _RunLog(APILogHandler):
    """Sends warnings and errors of our loggers to the log of the task run, or the flow run, that they come from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, if it comes from a run."""
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            super().emit(record)


for _room in ("tasks", "blocks"):
    logging.getLogger(_room).addHandler(_RunLog(logging.WARNING))


def is_worth_a_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether Prefect tries a chunk again: only for a WinnowError with the retry `now`."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, WinnowError) and error.retry is Retry.NOW


def stage_task(function: Callable[[Run, Chunk], StageCounts]) -> StageTask:
    """A Prefect task for a stage, with the name of the function."""

    @wraps(function)
    def work_chunk(run: Run, chunk: Chunk) -> State[StageCounts]:
        started = time.monotonic()
        with log_ids(run=run.run_id, stage=function.__name__, chunk=chunk.number):
            counts = function(run, chunk)
            done = {"done": counts.done, "failed": counts.failed, "unchanged": counts.unchanged}
            log_event(log, "chunk worked", **done, seconds=round(time.monotonic() - started, 3))
        return chunk_state(counts)

    make = task(
        name=function.__name__,
        task_run_name=function.__name__ + " {chunk.number}/{chunk.of}",
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=2,
        retry_delay_seconds=exponential_backoff(backoff_factor=1),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_worth_a_retry,
    )
    return make(work_chunk)


def work_stage(run: Run, chunk: Chunk, work: StageWork) -> StageCounts:
    """Bring a stage up to date for a chunk; see `run_stage`."""
    return run_stage(run.database, run.context, work, chunk.document_ids, is_contested=chunk.is_contested)


def chunk_state(counts: StageCounts) -> State[StageCounts]:
    """The final state of a chunk task: `Cached` without anything to do, `CompletedWithErrors` if documents failed."""
    numbers = counts.model_dump(exclude={"claimed", "waiting"})
    numbers |= {"without an earlier stage's output": counts.waiting, "claimed by other runs": len(counts.claimed)}
    parts = {name: number for name, number in numbers.items() if number}
    message = ", ".join(f"{number} {name}" for name, number in parts.items()) or "no documents"
    is_cached = counts.unchanged > 0 and counts.done == counts.failed == len(counts.claimed) == 0
    name = "CompletedWithErrors" if counts.failed else "Cached" if is_cached else None
    return Completed(name=name, message=message, data=counts)
