"""The one layer that tries again: transient failures, a few times, with jitter, and no more than a share of the calls.

When a provider fails for everybody, trying again only adds to its load: a budget per model bounds what all callers
together may repeat. The waits are "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015): a
random share of a bound that doubles, so that callers who failed together do not return together.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.wrapper import Wrapper

MAX_ATTEMPTS = 3
BASE_S, CAP_S = 0.5, 20.0
BUDGET_SHARE, BUDGET_FLOOR, BUDGET_WINDOW_S = 0.1, 10, 120.0
SLICES = 60
LEAST_SLEEP_S = 0.001


class RetryBudget:
    """What may be repeated of one model's calls: in any window a share of the calls in it, and a floor.

    The floor lets a handful of calls be repeated where there are few. The window is counted in slices, so that it is
    exact to a sixtieth of its length.
    """

    def __init__(
        self,
        share: float = BUDGET_SHARE,
        floor: int = BUDGET_FLOOR,
        window_s: float = BUDGET_WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._floor = share, floor
        self._slice_s = window_s / SLICES
        self._clock = clock
        self._slices: deque[list[int]] = deque()
        self._calls = self._retries = 0

    def count_call(self) -> list[int]:
        """Note a call, which is no repetition; for `forget_call`, where it is noted."""
        noted = self._slice()
        noted[1] += 1
        self._calls += 1
        return noted

    def forget_call(self, noted: list[int]) -> None:
        """Take a call back that was never sent: what does not reach the provider allows no repetitions."""
        if noted[0] > self._slice()[0] - SLICES:
            noted[1] -= 1
            self._calls -= 1

    def take(self) -> bool:
        """Whether one more call may be repeated now; if so, it is counted."""
        current = self._slice()
        if self._retries + 1 > self._floor + self._share * self._calls:
            return False
        current[2] += 1
        self._retries += 1
        return True

    def _slice(self) -> list[int]:
        """The slice of now: its number, calls and repetitions. Slices that have left the window are dropped."""
        number = int(self._clock() / self._slice_s)
        while self._slices and self._slices[0][0] <= number - SLICES:
            _, calls, retries = self._slices.popleft()
            self._calls -= calls
            self._retries -= retries
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        return self._slices[-1]


class Retrying(Wrapper):
    """A `Model` that is asked again after a transient failure."""

    def __init__(
        self,
        model: Model,
        budget: RetryBudget,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        share_of: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(model)
        self._budget = budget
        self._clock, self._sleep, self._share_of = clock, sleep, share_of

    async def answer(self, question: Question) -> ModelReply:
        """Ask until there is an answer, at most `MAX_ATTEMPTS` times and not beyond the question's deadline.

        Raises the last attempt's `CallFailed`, whose `attempt` says which it was: at once where it is not transient,
        where waiting as long as the provider asks would pass the deadline, and where it was sent and the budget is used
        up.
        """
        noted, was_sent = self._budget.count_call(), False
        while True:
            try:
                return await self._model.answer(question)
            except CallFailed as error:
                error.attempt = question.attempt
                was_sent = was_sent or error.was_sent
                again_at = self._again_at(question.attempt, error.retry_after_s)
                is_over = not error.is_transient or question.attempt >= MAX_ATTEMPTS or again_at >= question.deadline
                # What follows an attempt that was never sent adds nothing to the provider's load.
                if is_over or (error.was_sent and not self._budget.take()):
                    if not was_sent:
                        self._budget.forget_call(noted)
                    raise
            await self._wait_until(again_at)
            question = replace(question, attempt=question.attempt + 1)

    def _again_at(self, attempt: int, retry_after_s: float | None) -> float:
        """When to try again: what the provider asks for, then a random share of a bound that doubles."""
        least_s = retry_after_s if retry_after_s is not None and retry_after_s > 0 else 0.0
        bound_s = min(CAP_S, BASE_S * math.pow(2, attempt - 1))
        return self._clock() + least_s + self._share_of() * bound_s

    async def _wait_until(self, moment: float) -> None:
        """Sleep until then and no less: a timer may go off a moment early."""
        while (left_s := moment - self._clock()) > 0:
            await self._sleep(max(left_s, LEAST_SLEEP_S))
