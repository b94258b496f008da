"""A run from its first row to its last: what is written before any work, and however it ends."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from blocks.database.pipeline import runs
from blocks.database.pipeline.run_locks import hold_run_lock
from blocks.database.results import views
from blocks.errors import RunInterrupted
from blocks.records import CHUNK_STAGES, Backfill, Batch, Stage
from blocks.settings import Settings
from tasks.runs.chunk import RunContext, StageWork, forget_stop
from tasks.runs.frame import digest_of
from tasks.runs.models import hold_gateway
from tasks.runs.prepare import PreparedRun, prepared_run

log = logging.getLogger(__name__)


class Run:
    """An open run of this process, with all that its tasks share.

    `pipeline` has the Prefect task of each stage, `works` the stages that were opened for the run.
    `pipeline_digest` covers all that fingerprints hold beside a document's own digests: discovery skips a document that
    was settled under it. It is no dataclass, because Prefect searches those among a task's parameters.
    """

    __slots__ = ("context", "database", "pipeline", "pipeline_digest", "settings", "types", "works")

    def __init__(self, prepared: PreparedRun, context: RunContext, pipeline: "Pipeline") -> None:
        self.context = context
        self.settings, self.types, self.database = prepared.settings, prepared.types, prepared.database
        self.pipeline = {stage: pipeline[stage] for stage in CHUNK_STAGES if stage in pipeline}
        self.works: dict[Stage, StageWork] = {
            stage: part.open(self) for stage, part in self.pipeline.items() if part.open is not None
        }
        digests = (
            self.works[stage].configuration if part.open else part.version for stage, part in self.pipeline.items()
        )
        self.pipeline_digest = digest_of(*digests)

    @property
    def run_id(self) -> str:
        """The id of the run, and of its Prefect flow run."""
        return self.context.run_id

    @property
    def name(self) -> str:
        """The run's name in the Prefect UI."""
        return self.context.name


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """A stage of the pipeline: the Prefect task of a chunk, called as `(run, chunk)`, and what opens the stage.

    `open` gets the run with its settings, types and database. A stage without outputs has a `version` instead.
    """

    task: Callable[..., object]
    open: Callable[[Run], StageWork] | None = None
    version: str = ""


Pipeline = Mapping[Stage, PipelineStage]


@contextmanager
def open_run(asked: RunContext, batch: Batch | Backfill, pipeline: Pipeline) -> Iterator[Run]:
    """Write the run's row, with a snapshot of settings and type versions; on an error, write how the run ended.

    The last run of a process closes the gateway. Raises as `prepared_run`, before anything of the run is written.
    """
    prepared = prepared_run(batch.document_type, asked.models)
    context = asked.model_copy(update={"max_attempts": prepared.settings.max_attempts})
    with hold_gateway(prepared.database):
        run = Run(prepared, context, pipeline)
        _begin(run, batch)
        try:
            with hold_run_lock(run.database, run.run_id):
                yield run
        except (KeyboardInterrupt, SystemExit, RunInterrupted):
            _write_end(run, "Cancelled", "stopped before the end")
            raise
        except Exception as error:
            _write_end(run, "Failed", str(error))
            raise
        finally:
            forget_stop(run.run_id)


def _write_end(run: Run, state: str, message: str) -> None:
    try:
        runs.finish_run(run.database, run.run_id, state, message)
    except Exception as error:  # noqa: BLE001 - the error that ended the run must reach the caller
        log.warning("the end of run %s could not be written (%s): %s", run.run_id, state, error)


def _begin(run: Run, batch: Batch | Backfill) -> None:
    views.create_views(run.database, run.types)
    runs.start_run(
        run.database,
        run.run_id,
        run.name,
        settings=_snapshot(run.settings),
        types=run.types,
        source=batch.model_dump_json(exclude_none=True),
    )


def _snapshot(settings: Settings) -> dict[str, object]:
    """The settings for the run's row, without addresses and secrets."""
    return settings.model_dump(mode="json", exclude={"database_url", "passwords", "prefect_api_url"})
