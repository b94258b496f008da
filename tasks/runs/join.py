"""A further worker of a run that another process opened: it works chunks, and neither begins nor ends the run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from blocks.database.address import connect
from blocks.database.engine import Database
from blocks.database.learning.readings import BASES
from blocks.database.pipeline import run_chunks, runs
from blocks.database.pipeline.dead_runs import close_dead_runs
from blocks.database.pipeline.runs import OpenedRun
from blocks.settings import load_settings
from tasks.runs.chunk import RunContext, stopped_when
from tasks.runs.errors import OtherConfiguration, RunIsOver, RunNotFound
from tasks.runs.prepare import prepared_run
from tasks.runs.run import Pipeline, Run, settings_snapshot, working

CHECK_END_EVERY_S = 2.0
DECISIVE = ("ocr_languages", "ocr_engine")
"""Settings that decide an output and are no secret."""


@contextmanager
def join_run(run_id: str, pipeline: Pipeline) -> Iterator[Run]:
    """Be a worker of a run, with what was asked of it, until the block ends; the work stops when the run has ended.

    While the run's first process discovers documents, it waits and holds no lease: otherwise it would keep a run open
    whose first process has died. Raises `RunNotFound`, `RunIsOver`, `OtherConfiguration`, as `prepared_run`, and
    `LeaseLost`.
    """
    database = connect(load_settings())
    opened = _open_run(database, run_id)
    asked = dict(opened.asked or {})
    pipeline_digest = asked.pop("pipeline_digest")
    asked.pop(BASES, None)
    context = RunContext.model_validate({"run_id": run_id, "name": opened.name, **asked})
    prepared = prepared_run(None, context.models)
    _wait_for_chunks(database, run_id)
    with working(prepared, context, pipeline) as (run, _):
        _open_run(database, run_id)  # it may have been closed before this worker held its lease
        if run.pipeline_digest != pipeline_digest:
            raise OtherConfiguration(run_id, _differing(run, opened))
        with stopped_when(run_id, partial(_is_over, run), CHECK_END_EVERY_S):
            yield run


def _open_run(database: Database, run_id: str) -> OpenedRun:
    """The run as its first process opened it. Raises `RunNotFound` and `RunIsOver`."""
    opened = runs.find_run(database, run_id)
    if opened is None or opened.asked is None:
        raise RunNotFound(run_id, str(database.url))
    if opened.state is not None:
        raise RunIsOver(run_id, opened.state)
    return opened


def _wait_for_chunks(database: Database, run_id: str) -> None:
    """Wait while the run's first process discovers its documents. Raises `RunIsOver`, also when that process died."""
    while not any(run_chunks.chunk_totals(database, run_id)):
        close_dead_runs(database)
        _open_run(database, run_id)
        time.sleep(CHECK_END_EVERY_S)


def _is_over(run: Run) -> bool:
    """Whether the run has ended although chunks are left: it was stopped, it failed or it was closed."""
    opened = runs.find_run(run.database, run.run_id)
    is_open = opened is not None and opened.state is None
    return not is_open and run_chunks.chunks_left(run.database, run.context.worker, None).any


def _differing(run: Run, opened: OpenedRun) -> str:
    """Names what differs, as far as it can be named."""
    ours, theirs = {known.name: known.version for known in run.types.values()}, opened.document_types
    types = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    snapshot = settings_snapshot(run.settings)
    settings = [f"WINNOW_{name.upper()}" for name in DECISIVE if snapshot[name] != opened.settings.get(name)]
    named = [f"document types ({', '.join(types)})"] if types else []
    named += [f"settings ({', '.join(settings)})"] if settings else []
    return " and ".join(named) or "another version of Winnow, other passwords or other language packs"
