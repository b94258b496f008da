"""Progress of the runs of this process, for whoever draws it. Nothing depends on it being drawn."""

from collections.abc import Callable
from dataclasses import dataclass

from blocks.records import Stage


@dataclass(frozen=True, slots=True)
class Planned:
    """The run's batch is known: so many documents go through the stages."""

    run_id: str
    documents: int


@dataclass(frozen=True, slots=True)
class Passed:
    """So many more documents have passed the stage, with an output, a failure or nothing to do."""

    run_id: str
    stage: Stage
    documents: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Documents wait for a model that answers nobody, so many seconds at most. `why` is what it answered last."""

    model: str
    why: str
    most_s: float


Event = Planned | Passed | Waiting
Listener = Callable[[Event], None]
"""Called from any thread."""

_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Tell `listener` everything from now on; call the returned function to stop."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def plan(run_id: str, documents: int) -> None:
    """Say how many documents the run will take through the stages."""
    _tell(Planned(run_id, documents))


def report(run_id: str, stage: Stage, documents: int) -> None:
    """Say that `documents` more documents of the run have passed `stage`."""
    _tell(Passed(run_id, stage, documents))


def wait(model: str, why: str, most_s: float) -> None:
    """Say that documents begin to wait for a model."""
    _tell(Waiting(model, why, most_s))


def _tell(event: Event) -> None:
    for listener in tuple(_listeners):
        listener(event)
