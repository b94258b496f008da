"""Time that passes only when nothing else is to do: an hour of waiting is over in milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")
START_S = 1_000.0


class _Jumps(selectors.DefaultSelector):
    """A selector that never waits for a timer: it moves the loop's clock on by what it would have waited."""

    now = START_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self.now += timeout
            timeout = 0
        return super().select(timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at `START_S` and jumps from timer to timer."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now


def run_virtually(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine as `asyncio.run` does, in virtual time; `now` tells that time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    """The virtual time, in the running loop."""
    return asyncio.get_running_loop().time()
