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


Listener = Callable[[Planned | Passed], None]
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


def _tell(event: Planned | Passed) -> None:
    for listener in tuple(_listeners):
        listener(event)
