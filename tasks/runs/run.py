"""A run from its first row to its last: what is written before any work, and however it ends."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from blocks.backfill.selection import Selection
from blocks.database.engine import Database
from blocks.database.errors import LeaseLost
from blocks.database.learning.learned import Learned, Part, by_ids, in_use
from blocks.database.learning.readings import BASES
from blocks.database.outages import stopping_waits
from blocks.database.pipeline import runs
from blocks.database.pipeline.leases import Lease, hold_lease
from blocks.database.results import views
from blocks.document_types.review_rules import AcceptRules
from blocks.errors import RunInterrupted
from blocks.logs import configure_logs, log_event, log_ids
from blocks.records import CHUNK_STAGES, Batch, Stage
from blocks.secret_url import redacted
from blocks.settings import SECRETS, Settings, misspelt_variables
from blocks.telemetry.document_spans import run_span
from blocks.telemetry.telemetry import configure_telemetry
from tasks.learn.learn import learn_for_run
from tasks.learn.types import JudgeTypes
from tasks.promise.asked import AskedPromise, proof_in_use
from tasks.promise.prove import prove_for_run
from tasks.runs.chunk import RunContext, StageWork, forget_stop, raise_if_stopped, stop_run
from tasks.runs.frame import digest_of
from tasks.runs.models import hold_gateway
from tasks.runs.prepare import PreparedRun, prepared_run, refuse_other_database

ASKED = {"rerun", "max_attempts", "models", "budget_usd", "use_cache", "reopen", "relearn", "learned", "accept_error"}
"""What a worker that joins a run needs to know of what was asked."""

log = logging.getLogger(__name__)


class Run:
    """An open run of this process, with all that its tasks share.

    `pipeline` has the Prefect task of each stage, `works` the stages that were opened for the run.
    `pipeline_digest` covers all that fingerprints hold beside a document's own digests: discovery skips a document that
    was settled under it. `learned` is what the run uses of what was learnt, and `promises` what is proven of its types,
    as both were when the run began. It is no dataclass, because Prefect searches those among a task's parameters.
    """

    __slots__ = (
        *("context", "database", "learned", "ledger", "pipeline", "pipeline_digest", "promises", "settings", "types"),
        "works",
    )

    def __init__(self, prepared: PreparedRun, context: RunContext, pipeline: "Pipeline") -> None:
        self.settings, self.types, self.database = prepared.settings, prepared.types, prepared.database
        self.ledger = prepared.ledger or prepared.database
        self.learned = _learned(self.ledger, context.learned)
        self.context = context
        self.promises: Mapping[str, Learned] = {}
        self.pipeline = {stage: pipeline[stage] for stage in CHUNK_STAGES if stage in pipeline}
        self.works: dict[Stage, StageWork] = {
            stage: part.open(self) for stage, part in self.pipeline.items() if part.open is not None
        }
        self.promises = _promises(self)
        ids = (found.learned_id for found in (*self.learned.values(), *self.promises.values()))
        self.context = context.model_copy(update={"learned": tuple(sorted(ids))})
        digests = (
            self.works[stage].configuration if part.open else part.version for stage, part in self.pipeline.items()
        )
        self.pipeline_digest = digest_of(*digests)

    @property
    def run_id(self) -> str:
        """The id of the run, and of its Prefect flow run."""
        return self.context.run_id

    def basis(self, document_type: str) -> str:
        """Digest of all that decides how documents of a type are read and judged, but for what their memory recalls.

        A calibration counts: thresholds are of calibrated confidences.
        """
        calibration = self.learned.get((document_type, Part.CALIBRATION))
        is_calibrated = calibration is not None and self.types[document_type].review.calibrate
        learned_id = str(calibration.learned_id) if calibration is not None and is_calibrated else ""
        return digest_of(*(self.works[stage].basis(document_type) for stage in sorted(self.works)), learned_id)

    def accept_rules(self, document_type: str) -> AcceptRules | None:
        """What the type promises about its accepted rows, with the error that was asked of this run."""
        rules, error = self.types[document_type].review.accept, self.context.accept_error
        if error is None:
            return rules
        return AcceptRules(error=error) if rules is None else rules.model_copy(update={"error": error})

    @property
    def name(self) -> str:
        """The run's name in the Prefect UI."""
        return self.context.name


def _learned(database: Database, ids: tuple[int, ...] | None) -> Mapping[tuple[str, Part], Learned]:
    """What was learnt of how documents are read: what is in use, or what these ids name."""
    found = in_use(database) if ids is None else by_ids(database, ids)
    return {key: learned for key, learned in found.items() if key[1] is not Part.PROMISE}


def _promises(run: Run) -> Mapping[str, Learned]:
    """By type the proof that is in use; only such ones as `run.context.learned` names, if it names what was learnt."""
    ids = run.context.learned
    found = {asked.document_type.name: proof_in_use(run.ledger, asked) for asked in asked_promises(run)}
    return {name: own for name, own in found.items() if own is not None and (ids is None or own.learned_id in ids)}


def asked_promises(run: Run) -> list[AskedPromise]:
    """What the types of a run promise."""
    rules = {name: run.accept_rules(name) for name in run.types}
    return [AskedPromise(run.types[name], own, run.basis(name)) for name, own in rules.items() if own is not None]


class TaskState(Protocol):
    """The final state of a Prefect task run."""

    def result(self, *, raise_on_failure: bool) -> object:
        """What the task returned, or the exception that it raised."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """A stage of the pipeline: the Prefect task of a chunk, called as `(run, chunk)`, and what opens the stage.

    `open` gets the run with its settings, types and database. A stage without outputs has a `version` instead.
    `judges` is how the stage decides between document types, if it does: what it learns is measured by it.
    """

    task: Callable[..., "TaskState"]
    open: Callable[[Run], StageWork] | None = None
    version: str = ""
    judges: JudgeTypes | None = None


Pipeline = Mapping[Stage, PipelineStage]


@contextmanager
def open_run(asked: RunContext, batch: Batch | Selection, pipeline: Pipeline) -> Iterator[Run]:
    """Write the run's row, with a snapshot of settings and type versions; on an error, write how the run ended.

    The process holds a lease in the run meanwhile. The last run of a process closes the gateway. Raises as
    `prepared_run` and `refuse_other_database`, before anything of the run is written, and `LeaseLost`.
    """
    prepared = prepared_run(batch.document_type, asked.models)
    asked = asked.model_copy(update={"max_attempts": prepared.settings.max_attempts})
    refuse_other_database(prepared.database, asked.database_id)
    if prepared.ledger is None and asked.learned is None:
        judges = (part.judges for part in pipeline.values())
        learn_for_run(prepared.database, prepared.types, next(filter(None, judges), None))
        if asked.accept_error is not None or any(known.review.accept for known in prepared.types.values()):
            asking = Run(prepared, asked, pipeline)
            if not prove_for_run(prepared.database, asked_promises(asking)):
                learnt = tuple(own.learned_id for own in asking.learned.values())
                asked = asked.model_copy(update={"learned": learnt})
    with working(prepared, asked, pipeline) as (run, lease):
        _begin(run, batch)
        try:
            with run_span(run.run_id):
                log_event(log, "run started")
                yield run
                log_event(log, "run ended")
        except BaseException as error:
            if not lease.is_lost:  # whoever closed the lease writes the end
                _write_end(run, error)
            raise


@contextmanager
def working(prepared: PreparedRun, asked: RunContext, pipeline: Pipeline) -> Iterator[tuple[Run, Lease]]:
    """Within the block, this process is a worker of the run. Raises `LeaseLost` in place of what ends the block."""
    run_id, database = asked.run_id, prepared.database
    lease = hold_lease(database, run_id, on_lost=partial(stop_run, run_id), wait_s=database.outage_wait_s)
    with hold_gateway(prepared.ledger or database), lease as held, stopping_waits(partial(raise_if_stopped, run_id)):
        run = Run(prepared, asked.model_copy(update={"worker_id": held.worker_id}), pipeline)
        configure_logs(prepared.settings)
        for sentence in misspelt_variables():
            log.warning("%s", sentence)
        configure_telemetry(prepared.settings)
        try:
            with log_ids(run=run_id):
                yield run, held
        except BaseException as error:
            if held.is_lost:
                raise LeaseLost from error
            raise
        finally:
            forget_stop(run_id)


def _write_end(run: Run, error: BaseException) -> None:
    """Write that the run failed, or that somebody stopped it: by Ctrl-C, by SIGTERM, or by Prefect's cancellation."""
    is_failed = isinstance(error, Exception) and not isinstance(error, RunInterrupted)
    state, message = ("Failed", redacted(str(error))) if is_failed else ("Cancelled", "stopped before the end")
    try:
        runs.finish_run(run.database, run.run_id, state, message)
    except Exception as unwritten:  # noqa: BLE001 - the error that ended the run must reach the caller
        log.warning("the end of run %s could not be written (%s): %s", run.run_id, state, unwritten)


def _begin(run: Run, batch: Batch | Selection) -> None:
    views.create_views(run.database, run.types)
    runs.start_run(
        run.database,
        run.run_id,
        run.name,
        settings=settings_snapshot(run.settings),
        types=run.types,
        source=redacted(batch.model_dump_json(exclude_none=True)),
        asked={
            "pipeline_digest": run.pipeline_digest,
            BASES: {name: run.basis(name) for name in run.types},
            **_asked(run),
        },
    )


def _asked(run: Run) -> dict[str, object]:
    """What was asked of the run, with the budget that its own process has by its settings."""
    asked, budget_usd = run.context, run.settings.budget_per_run_usd
    if asked.budget_usd is None:
        asked = asked.model_copy(update={"budget_usd": budget_usd})
    return asked.model_dump(mode="json", include=ASKED)


def settings_snapshot(settings: Settings) -> dict[str, object]:
    """The settings for the run's row, without addresses and secrets."""
    return settings.model_dump(mode="json", exclude=SECRETS)
