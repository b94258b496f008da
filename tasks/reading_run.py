"""A run that is open for reading only: it says how documents would be read today, which promises are bound to."""

from tasks.runs.chunk import RunContext
from tasks.runs.prepare import load_types, prepare_run
from tasks.runs.run import Run
from tasks.stage_openers import READ_ONLY


def reading_run() -> Run:
    """Every type of this checkout as it would be read today. Raises as `load_types` and `prepare_run`."""
    prepared = prepare_run(load_types(None), (), with_blocks=False)
    return Run(prepared, RunContext(run_id="promises"), READ_ONLY)
