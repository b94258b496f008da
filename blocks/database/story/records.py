"""The records of a run's story."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from blocks.records import Record


class StepFigures(Record):
    """The work of a stage, or of a model at a step of the route. `step` counts from 0; it is None for a whole stage.

    `calls`: the documents that the stage computed, or the calls of the model, `failed` of them without a reply that
    could be used. Times are in milliseconds. `is_estimate`: they are those of a sample, and `calls` is scaled up.
    """

    stage: str
    step: int | None = None
    model: str = ""
    calls: int
    failed: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None
    cost_usd: Decimal = Decimal(0)
    is_estimate: bool = False


class FailureFigures(Record):
    """The run's failed documents of a type and a kind; `examples` are ids of some of them.

    `failed_before` of them had failed before the run.
    """

    document_type: str
    kind: str
    stage: str
    documents: int
    failed_before: int = 0
    examples: tuple[str, ...]


class Example(Record):
    """A failed document: where it was seen last, and the message of its failure, empty where that has gone."""

    document_id: str
    uri: str
    message: str


class TypeFigures(Record):
    """The run's documents of a type. `version` is the type's, empty for documents without a type.

    `reasons` counts the documents in review by the code of each reason. `failed_before` of the failed documents had
    failed before the run.
    """

    document_type: str
    version: str = ""
    by_status: dict[str, int]
    reasons: dict[str, int] = Field(default_factory=dict)
    failed_before: int = 0

    @property
    def newly_by_status(self) -> dict[str, int]:
        """`by_status` without documents that only failed again."""
        failed = {"failed": self.by_status["failed"] - self.failed_before} if self.failed_before else {}
        return self.by_status | failed


class Wait(Record):
    """What the run waited for, or its documents still wait for: how many documents or calls, and how long in all."""

    cause: str
    documents: int = 0
    calls: int = 0
    total_ms: int = 0


class WorkerFigures(Record):
    """A process that worked for the run, and what it did."""

    host: str
    pid: int
    chunks: int
    documents: int


class RunFigures(Record):
    """What is counted once, at the end of a run, and kept with it.

    A later run takes over rows of outputs and failures, and counting 100,000 documents takes seconds. It names
    documents by their ids only, so that nothing has to be erased from it.
    """

    documents: int = 0
    by_status: dict[str, int] = Field(default_factory=dict)
    types: tuple[TypeFigures, ...] = ()
    model_calls: int = 0
    cache_hits: int = 0
    retries: int = 0
    fallbacks: int = 0
    cost_total_usd: Decimal = Decimal(0)
    unconfirmed_usd: Decimal = Decimal(0)
    step_breakdown: tuple[StepFigures, ...] = ()
    failures: tuple[FailureFigures, ...] = ()
    waited_for: tuple[Wait, ...] = ()
    workers: tuple[WorkerFigures, ...] = ()


class ListedRun(Record):
    """A run in the list. `state` is Running until it has ended; `total_duration_ms` is None until then."""

    run_id: str
    name: str
    state: str
    started_at: datetime
    total_duration_ms: int | None
    documents: int
    by_status: dict[str, int]
    model_calls: int
    cost_total_usd: Decimal
    source: str
    message: str


class Reviews(Record):
    """The review items that the run opened or replaced last, as they are now."""

    open: int = 0
    overdue: int = 0
    decided: int = 0
    superseded: int = 0


class RunStory(RunFigures):
    """All of a run. `cost_total_usd` follows from usage that providers stated, `unconfirmed_usd` may come on top.

    `retries` are attempts at models after the first, `fallbacks` documents that a later model of the route was asked
    about since an earlier one gave no reply that could be used. `total_duration_ms` of a run that goes on is until now.
    `examples` has the documents that `failures` names, as they are now.
    """

    run_id: str
    name: str
    source: str
    state: str
    message: str
    started_at: datetime
    finished_at: datetime | None
    total_duration_ms: int
    reviews: Reviews = Reviews()
    examples: tuple[Example, ...] = ()
