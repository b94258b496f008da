"""The progress of this process's runs, as events for those who draw it. Nothing depends on a listener."""

from collections.abc import Callable
from dataclasses import dataclass

from blocks.records import Stage


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
    """Documents wait for a model that is down, for `max_s` at most. `why` is its last error."""

    model: str
    why: str
    max_s: float


@dataclass(frozen=True, slots=True)
class WaitingForRun:
    """Documents of the run wait for another run, which has claimed them. `other` says which run, and since when."""

    run_id: str
    documents: int
    other: str


Event = Planned | Passed | Waiting | WaitingForRun
Listener = Callable[[Event], None]
"""Called from any thread."""

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
