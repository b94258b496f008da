"""Grouping: what many ask one by one is done together, so that a transaction is shared by all who wait for one.

All groups of a gateway have their rounds in common: at most one per window, in which the work of each is done, one
after the other, in one thread. Going to a thread and back takes a quarter of a millisecond of processor time, as much
as an HTTP request. A round begins as soon as the window since the last one allows; while it is worked on, the next
gathers. So a lone question goes at once, and a busy stretch has one round per window, however many ask.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

WINDOW_S = 0.05
"""How often a round begins at most. A transaction takes ten times as long as a row of it: at 250 calls a second it then
has twelve reservations and as many settlements. Calls with more time between them wait for nothing."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Rounds:
    """When the groups of one event loop are worked on. Those that were made first go first."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._groups: list[GroupCommit[Any, Any]] = []
        self._runner: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def join(self, group: "GroupCommit[Any, Any]") -> None:
        """Have a group worked on in every round in which something waits in it."""
        self._groups.append(group)

    def see_to_it(self) -> None:
        """Something waits: have a round, as soon as the window allows."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="rounds")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while any(group.is_waited_for for group in self._groups):
                if (wait_s := self._not_before - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                batches = [batch for group in self._groups if (batch := group.take_batch())]
                if batches:
                    self._not_before = loop.time() + self._window_s
                    await self._work_on(batches)
        finally:
            self._runner = None
            for group in self._groups:  # the loop is being closed
                group.cancel()

    async def _work_on(self, batches: "Sequence[_Batch[Any, Any]]") -> None:
        try:
            await asyncio.to_thread(_work_all, batches)
        except asyncio.CancelledError:  # the loop is being closed
            for batch in batches:
                batch.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - there is no thread to be had: those who asked are told
            for batch in batches:
                batch.fail(error)
        for batch in batches:
            batch.hand_out()


class GroupCommit(Generic[Item, Result]):
    """Lives on the event loop of its rounds. `work` runs in a thread and gives one result per item, in order.

    A result that is an exception is raised to the one who asked; what `work` raises is raised to all of its batch.
    `unclaimed` is told, on the loop, of results whose asker has gone meanwhile; who goes before his round begins is not
    part of it. `most` items are worked on in a round at most.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        rounds: Rounds,
        *,
        most: int = 256,
        unclaimed: Callable[[Item, Result], None] | None = None,
    ) -> None:
        self._work = work
        self._rounds = rounds
        self._most = most
        self._unclaimed = unclaimed
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        rounds.join(self)

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
        self._rounds.see_to_it()
        return answer

    # --- what the rounds ask

    @property
    def is_waited_for(self) -> bool:
        """Whether anything waits here."""
        return bool(self._waiting)

    def take_batch(self) -> "_Batch[Item, Result] | None":
        """The next items to work on; None where there are none."""
        taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        asked = [(item, answer) for item, answer in taken if not answer.done()]
        return _Batch(asked, self._work, self._unclaimed) if asked else None

    def cancel(self) -> None:
        """Tell those who still wait that nothing will be done any more."""
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting = []


class _Batch(Generic[Item, Result]):
    """What one group does in one round."""

    def __init__(
        self,
        asked: Sequence[tuple[Item, asyncio.Future[Result]]],
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        unclaimed: Callable[[Item, Result], None] | None,
    ) -> None:
        self._asked, self._work, self._unclaimed = asked, work, unclaimed
        self._results: Sequence[Result | Exception] = ()

    def do(self) -> None:
        """In the thread: do the work."""
        try:
            self._results = self._work([item for item, _ in self._asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to those who asked
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Instead of the work: it cannot be done."""
        self._results = [error] * len(self._asked)

    def hand_out(self) -> None:
        """On the loop: give each who asked what came of it."""
        for (item, answer), result in zip(self._asked, self._results, strict=True):
            if isinstance(result, Exception):
                if not answer.done():
                    answer.set_exception(result)
            elif not answer.done():
                answer.set_result(result)
            elif self._unclaimed is not None:
                self._unclaimed(item, result)

    def cancel(self) -> None:
        """On the loop: tell those who asked that they will not hear of it."""
        for _, answer in self._asked:
            answer.cancel()


def _work_all(batches: Sequence[_Batch[Any, Any]]) -> None:
    for batch in batches:
        batch.do()


def _expire(answer: "asyncio.Future[Result]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
