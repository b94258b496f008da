"""Runs that die just before a chosen commit. A process of its own, which forks one for each run.

python -m tests.doubles.crash_windows SOURCE TYPE MODEL DATABASES EACH, in the folder and with the variables of a user.

DATABASES is a folder with `new.db`, a database that has its tables and models. For each commit of a run whose
number is due, `N.db` is made: the database of a run that was killed there, and of the same run once more, to
its end. Prints a line of JSON for each: how both ended. To die after a commit is to die before the next one.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from blocks.database.pipeline.runs import finish_run
from blocks.records import Batch, Stage
from tasks.discover.batch import record_sources
from tasks.runs.chunk import Chunk, RunContext, StageCounts
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import handed_over, load_types, prepare_run
from tasks.runs.run import Pipeline, PipelineStage, Run, open_run
from tasks.runs.task import work_stage
from tasks.stages import PIPELINE
from tasks.store.store import store_chunk
from tests.tasks.runs.test_pipeline import task


def without_prefect() -> Pipeline:
    """The real stages, called directly."""

    def store(run: Run, chunk: Chunk) -> StageCounts:
        return store_chunk(run.database, run.context.worker, chunk.document_ids, run.pipeline_digest, run.types)

    def worked(stage: Stage) -> Callable[[Run, Chunk], StageCounts]:
        return store if stage is Stage.STORE else lambda run, chunk: work_stage(run, chunk, run.works[stage])

    return {
        stage: PipelineStage(task(worked(stage)), part.open, version=part.version) for stage, part in PIPELINE.items()
    }


def run_to_its_end(run_id: str, batch: Batch, model: str) -> None:
    context = RunContext(run_id=run_id, name=run_id, models=(model,))
    prepared = prepare_run(load_types(batch.document_type), (model,), with_blocks=False)
    with handed_over(prepared), open_run(context, batch, without_prefect()) as run:
        record_sources(run, batch)
        process_chunks(run)
        finish_run(run.database, run.run_id, "Completed", "")


def die_before(commit: int) -> None:
    """Have this process killed before its commit of this number, which counts from 1."""
    done = 0
    original: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        nonlocal done
        done += 1
        if done == commit:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, connection)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def forked(work: Callable[[], None]) -> int:
    """Do the work in a process of its own, with its own group. Gives its exit code; -9 if it was killed."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the process ends here
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    source, type_name, model, folder, each = sys.argv[1:]
    batch = Batch(sources=(source,), document_type=type_name, rows_column="text", chunk_size=2)
    for commit in range(1, 1_000, int(each)):
        path = Path(folder) / f"{commit}.db"
        shutil.copy(Path(folder) / "new.db", path)
        os.environ["WINNOW_DATABASE_URL"] = f"sqlite:///{path}"

        def killed(commit: int = commit) -> None:
            die_before(commit)
            run_to_its_end("first", batch, model)

        ended = (forked(killed), forked(lambda: run_to_its_end("second", batch, model)))
        print(json.dumps({"database": path.name, "ended": ended}), flush=True)
        if ended[0] == 0:
            return


if __name__ == "__main__":
    main()
