"""Grouping: what many ask one by one is done together, so that a transaction is shared by all who wait for one.

The first of a group waits no longer than the window since the last group began; while one group is worked on, the next
gathers. So a lone question goes at once, and a busy stretch has one group per window, however many ask.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouped(Generic[Item, Result]):
    """Lives on one event loop. `work` runs in a thread, one group at a time, and gives one result per item, in order.

    A result that is an exception is raised to the one who asked; what `work` raises is raised to all of its group.
    `unclaimed` is told, on the loop, of results whose asker has gone meanwhile; who goes before his group begins is
    not part of it. `window_s` in seconds; `most` items make a group at most.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        window_s: float = 0.02,
        most: int = 256,
        unclaimed: Callable[[Item, Result], None] | None = None,
    ) -> None:
        self._work = work
        self._window_s = window_s
        self._most = most
        self._unclaimed = unclaimed
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def ask(self, item: Item, deadline: float) -> Result:
        """What `work` gives for the item. Raises `TimeoutError` at the deadline, in the loop's time."""
        answer = self.hand_in(item)
        alarm = answer.get_loop().call_at(deadline, _expire, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._unclaimed is not None and answer.done() and not answer.cancelled() and not answer.exception():
                self._unclaimed(item, answer.result())  # answered, and cancelled before it could be taken
            raise
        finally:
            alarm.cancel()

    def hand_in(self, item: Item) -> asyncio.Future[Result]:
        """Have the item worked on; a future for what `work` gives for it."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="group")
        return answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if (wait_s := self._not_before - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                group = [(item, answer) for item, answer in group if not answer.done()]
                if group:
                    self._not_before = loop.time() + self._window_s
                    await self._work_on(group)
        finally:
            self._runner = None
            for _, answer in self._waiting:  # the loop is being closed
                answer.cancel()
            self._waiting = []

    async def _work_on(self, group: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await asyncio.to_thread(self._work, [item for item, _ in group])
        except asyncio.CancelledError:
            for _, answer in group:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to those who asked
            results = [error] * len(group)
        for (item, answer), result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                if not answer.done():
                    answer.set_exception(result)
            elif not answer.done():
                answer.set_result(result)
            elif self._unclaimed is not None:
                self._unclaimed(item, result)


def _expire(answer: "asyncio.Future[Result]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
