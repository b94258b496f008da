"""Progress of the runs of this process, for whoever draws it. Nothing depends on it being drawn."""

from collections.abc import Callable

from blocks.records import Stage

Listener = Callable[[str, Stage, int], None]
"""Called with a run's id, a stage and how many more documents have passed it; from any thread."""

_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener` for every report from now on; call the returned function to stop."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def report(run_id: str, stage: Stage, documents: int) -> None:
    """Say that `documents` more documents of the run have passed `stage`."""
    for listener in tuple(_listeners):
        listener(run_id, stage, documents)
