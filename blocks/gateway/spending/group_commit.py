"""Group commit: the requests of many callers are done together, so that they share one transaction.

All groups of a gateway share their rounds. A window has at most one round. It does the work of each group, one after
the other, in one thread: going to a thread and back takes a quarter of a millisecond of processor time, as much as an
HTTP request. A round begins as soon as the window since the last one allows; meanwhile the next one gathers. So a lone
request goes at once, and a busy stretch has one round per window, however many callers there are.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

WINDOW_S = 0.05
"""The least time between two rounds. A transaction takes ten times as long as a row of it: at 250 calls a second it
then has twelve reservations and as many settlements. Calls with more time between them wait for nothing."""

MAX_ITEMS = 256
"""Of one group in one round."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Rounds:
    """The rounds of one event loop. The groups work in the order in which they were made."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._groups: list[GroupCommit[Any, Any]] = []
        self._runner: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def join(self, group: "GroupCommit[Any, Any]") -> None:
        """Have a group work in every round in which it has waiting items."""
        self._groups.append(group)

    def start(self) -> None:
        """Have a round as soon as the window allows."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="rounds")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while any(group.is_waited_for for group in self._groups):
                if (wait_s := self._not_before - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                self._not_before = loop.time() + self._window_s
                await self._work()
        finally:
            self._runner = None
            for group in self._groups:  # the loop is being closed
                group.cancel()

    async def _work(self) -> None:
        busy = [group for group in self._groups if group.take()]
        if not busy:
            self._not_before = 0.0  # all callers have gone: the next one need not wait
            return
        try:
            await asyncio.to_thread(_work_all, busy)
        except Exception as error:  # noqa: BLE001 - no thread can be started: the callers get the error
            for group in busy:
                group.fail(error)
        for group in busy:
            group.hand_out()


class GroupCommit(Generic[Item, Result]):
    """Lives on the event loop of its rounds. `work` runs in a thread and gives one result per item, in order.

    A result that is an exception is raised to its caller; an exception that `work` raises is raised to all callers of
    the round. `unclaimed` is called, on the loop, with results whose caller has gone meanwhile. A caller that goes
    before its round begins has no part in it.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        rounds: Rounds,
        *,
        unclaimed: Callable[[Item, Result], None] | None = None,
    ) -> None:
        self._work = work
        self._rounds = rounds
        self._unclaimed = unclaimed
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._taken: list[tuple[Item, asyncio.Future[Result]]] = []
        self._results: Sequence[Result | Exception] = ()
        rounds.join(self)

    async def ask(self, item: Item, deadline: float) -> Result:
        """The result of `work` for the item. Raises `TimeoutError` at the deadline, in the loop's time."""
        answer = self.hand_in(item)
        alarm = answer.get_loop().call_at(deadline, _expire, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._unclaimed is not None and answer.done() and not answer.cancelled() and not answer.exception():
                self._unclaimed(item, answer.result())  # answered, and cancelled before the caller could take it
            raise
        finally:
            alarm.cancel()

    def hand_in(self, item: Item) -> asyncio.Future[Result]:
        """Have the item worked on; the future gets the result of `work` for it."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._rounds.start()
        return answer

    @property
    def is_waited_for(self) -> bool:
        """Whether items wait here."""
        return bool(self._waiting)

    def take(self) -> bool:
        """Take the next items to work on; whether there are any."""
        next_items, self._waiting = self._waiting[:MAX_ITEMS], self._waiting[MAX_ITEMS:]
        self._taken = [(item, answer) for item, answer in next_items if not answer.done()]
        return bool(self._taken)

    def do(self) -> None:
        """In the thread: work on the items that were taken."""
        try:
            self._results = self._work([item for item, _ in self._taken])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to the callers
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Give all callers of this round an error."""
        self._results = [error] * len(self._taken)

    def hand_out(self) -> None:
        """On the loop: give each caller its result."""
        taken, self._taken = self._taken, []
        for (item, answer), result in zip(taken, self._results, strict=True):
            if isinstance(result, Exception):
                if not answer.done():
                    answer.set_exception(result)
            elif not answer.done():
                answer.set_result(result)
            elif self._unclaimed is not None:
                self._unclaimed(item, result)

    def cancel(self) -> None:
        """Cancel the callers that still wait, since nothing more will be done."""
        unanswered, self._taken, self._waiting = [*self._taken, *self._waiting], [], []
        for _, answer in unanswered:
            answer.cancel()


def _work_all(groups: Sequence[GroupCommit[Any, Any]]) -> None:
    for group in groups:
        group.do()


def _expire(answer: "asyncio.Future[Result]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
