"""The progress of this process's runs, as events for those who draw it. Nothing depends on a listener."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from blocks.records import CHUNK_STAGES, Stage


@dataclass(frozen=True, slots=True)
class Planned:
    """The run's batch is known: `documents` of it will go through the stages."""

    run_id: str
    documents: int


@dataclass(frozen=True, slots=True)
class Passed:
    """`documents` more have passed the stage, with an output, a failure or nothing to do."""

    run_id: str
    stage: Stage
    documents: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Documents wait for `model`, or the run for the database, for `max_s` at most. `why` is its last error."""

    model: str
    why: str
    max_s: float


@dataclass(frozen=True, slots=True)
class WaitingForRun:
    """Documents of the run wait for another run, which has claimed them. `other` says which run, and since when."""

    run_id: str
    documents: int
    other: str


@dataclass(frozen=True, slots=True)
class Shared:
    """`workers` further workers were asked to join the run, from the work pool `pool`."""

    run_id: str
    workers: int
    pool: str


Event = Planned | Passed | Waiting | WaitingForRun | Shared
Listener = Callable[[Event], None]
"""Called from any thread."""


class Counts:
    """How many documents of a run have been found and have passed each stage, from its events."""

    def __init__(self, run_id: str | None = None) -> None:
        self.found = 0
        self.planned: int | None = None
        self.passed: dict[Stage, int] = dict.fromkeys(CHUNK_STAGES, 0)
        self._run_id = run_id
        self._lock = threading.Lock()

    def take(self, event: Event) -> None:
        """Count one event of the run, or of any run if it was given none; from any thread."""
        if not isinstance(event, Planned | Passed) or self._run_id not in {None, event.run_id}:
            return
        with self._lock:
            if isinstance(event, Planned):
                self.planned = event.documents
            elif event.stage is Stage.DISCOVER:
                self.found += event.documents
            else:
                # A retried chunk reports its documents again: never count more than there are.
                passed = self.passed[event.stage] + event.documents
                self.passed[event.stage] = passed if self.planned is None else min(passed, self.planned)

    @property
    def percent(self) -> float:
        """The part of the stages' work that is done."""
        return 100 * sum(self.passed.values()) / (self.planned * len(CHUNK_STAGES)) if self.planned else 0.0

    def __str__(self) -> str:
        if self.planned is None:
            return f"{self.found} documents found"
        return ", ".join(f"{stage} {number}/{self.planned}" for stage, number in self.passed.items())


_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Give `listener` every event from now on; call the returned function to stop."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def publish(event: Event) -> None:
    """Give an event to every listener."""
    for listener in tuple(_listeners):
        listener(event)


def report(run_id: str, stage: Stage, documents: int) -> None:
    """Publish that `documents` more documents of the run have passed `stage`."""
    publish(Passed(run_id, stage, documents))
