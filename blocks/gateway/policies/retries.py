"""The only layer that retries: transient failures, a few times, with jitter, within a retry budget per model.

When a provider fails for everybody, retries only add to its load: the budget bounds the retries of all callers
together. The waits are "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015): a
random share of a bound that doubles, so that callers that failed together do not retry together.
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
MIN_SLEEP_S = 0.001


class RetryBudget:
    """How many calls of a model may be retried: in any window a share of the calls in it, and a floor.

    The floor allows a handful of retries where there are few calls. The window is counted in slices, and so is exact to
    a sixtieth of its length.
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
        """Count a call that is no retry; returns its slice, for `forget_call`."""
        counted = self._slice()
        counted[1] += 1
        self._calls += 1
        return counted

    def forget_call(self, counted: list[int]) -> None:
        """Uncount a call that was never sent: only calls that reach the provider allow retries."""
        if counted[0] > self._slice()[0] - SLICES:
            counted[1] -= 1
            self._calls -= 1

    def take(self) -> bool:
        """Whether another retry fits the budget now; if so, count it."""
        current = self._slice()
        if self._retries + 1 > self._floor + self._share * self._calls:
            return False
        current[2] += 1
        self._retries += 1
        return True

    def _slice(self) -> list[int]:
        """The slice of now: its number, calls and retries. Slices that have left the window are dropped."""
        number = int(self._clock() / self._slice_s)
        while self._slices and self._slices[0][0] <= number - SLICES:
            _, calls, retries = self._slices.popleft()
            self._calls -= calls
            self._retries -= retries
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        return self._slices[-1]


class Retrying(Wrapper):
    """A `Model` whose transient failures are retried."""

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

        Raises the last attempt's `CallFailed` with its number in `attempt`: at once where it is not transient, where
        the provider's wait would pass the deadline, and where it was sent and the budget is used up.
        """
        counted, was_sent = self._budget.count_call(), False
        while True:
            try:
                return await self._model.answer(question)
            except CallFailed as error:
                error.attempt = question.attempt
                was_sent = was_sent or error.was_sent
                again_at = self._again_at(question.attempt, error.retry_after_s)
                is_over = not error.is_transient or question.attempt >= MAX_ATTEMPTS or again_at >= question.deadline
                # A retry of an attempt that was never sent adds nothing to the provider's load.
                if is_over or (error.was_sent and not self._budget.take()):
                    if not was_sent:
                        self._budget.forget_call(counted)
                    raise
            await self._wait_until(again_at)
            question = replace(question, attempt=question.attempt + 1)

    def _again_at(self, attempt: int, retry_after_s: float | None) -> float:
        """When to retry: after the provider's wait, then a random share of a bound that doubles."""
        min_s = retry_after_s if retry_after_s is not None and retry_after_s > 0 else 0.0
        bound_s = min(CAP_S, BASE_S * math.pow(2, attempt - 1))
        return self._clock() + min_s + self._share_of() * bound_s

    async def _wait_until(self, moment: float) -> None:
        """Sleep until then and no less: a timer may fire a moment early."""
        while (left_s := moment - self._clock()) > 0:
            await self._sleep(max(left_s, MIN_SLEEP_S))
