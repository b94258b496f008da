"""Rate limits of one model: requests and tokens per minute, and calls in flight.

All calls of a process are on one event loop, so nothing here is locked. Callers are served in the order in which they
came. Each worker has an equal part of the limits; `set_lease` gives it the number of workers and its place among them.
aiolimiter and pyrate-limiter do not fit: neither can change a rate, correct an amount afterwards, or be put on hold.

`Retry-After` puts every call of the model on hold. So do a reply's headers, for as long as they leave no room for the
calls in flight and as many more: others may use the same key.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from blocks.gateway.errors import CallFailed, LimitsReached, RateLimited
from blocks.gateway.model import Model, ModelReply, Question, Usage
from blocks.gateway.policies.buckets import Bucket, resized
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.tokens import estimate_request_tokens
from blocks.gateway.providers.limit_headers import LimitHeaders
from blocks.gateway.registry.registry import RegisteredModel

DEFAULT_HOLD_S = 1.0
"""How long a 429 without a time puts a model on hold."""

OUTPUT_TOKENS = 300
"""The estimate of a call's output tokens before the first reply."""
LEARNING_SHARE = 0.1
MIN_TIMER_S = 0.001
"""No timer is shorter: the loop may run a timer a nanosecond early, and would then spin."""
MIN_SCALE, MAX_SCALE = 0.3, 4.0
"""How far one reply's counts may pull the estimates of those that follow."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """A call that waits for room for so many tokens, until its deadline."""

    tokens: float
    deadline: float
    turn: asyncio.Future[None]


class Limits:
    """The limits of one model in this process. Lives as long as the process, through every change of the registry."""

    def __init__(self, model: RegisteredModel, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._place, self._workers = 0, 1
        self._model = model
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._held_until = -math.inf
        self._waiting: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._scale, self._output_tokens = 1.0, float(OUTPUT_TOKENS)
        self._call_tokens = 1.0
        self.in_flight = 0
        self._apply()

    def reconfigure(self, model: RegisteredModel) -> None:
        """Take over the limits of the registry for the next call."""
        limits = (model.rpm, model.tpm, model.in_flight)
        before = (self._model.rpm, self._model.tpm, self._model.in_flight)
        self._model = model
        if limits != before:
            self._apply()
            self._serve()

    def set_lease(self, place: int, workers: int) -> None:
        """Set how many live workers have a part of the limits, this one included, and its place among them, from 0.

        Where there are more workers than calls in flight, the last ones have no part: their calls wait.
        """
        if (place, workers) != (self._place, self._workers):
            self._place, self._workers = place, workers
            self._apply()
            self._serve()

    def hold(self, seconds: float) -> None:
        """Let no call begin for so long. Calls whose deadline is earlier fail at once."""
        if not 0 < seconds < math.inf:
            return
        now = self._clock()
        self._held_until = max(self._held_until, now + seconds)
        for waiter in self._waiting:
            if waiter.deadline <= self._held_until and not waiter.turn.done():
                waiter.turn.set_exception(self._on_hold(self._held_until - now))

    def follow(self, headers: LimitHeaders) -> None:
        """Hold the calls until the provider has room again, where the headers of a reply leave too little."""
        for allowance, per_call in ((headers.requests, 1.0), (headers.tokens, self._call_tokens)):
            if allowance is not None:
                self.hold(allowance.wait_s(per_call * 2 * max(1, self.in_flight)))

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited, so that an estimate is needed."""
        return self._tokens is not None

    @property
    def waiting(self) -> int:
        """How many calls wait for room."""
        return sum(1 for waiter in self._waiting if not waiter.turn.done())

    def estimate(self, input_tokens: int) -> float:
        """Estimated tokens of a call, input and output, corrected by the counts of the calls so far."""
        return input_tokens * self._scale + self._output_tokens

    async def take(self, tokens: float, deadline: float) -> None:
        """Wait for room for a call of so many tokens, and take it.

        Raises `LimitsReached` at the deadline, and `RateLimited` at once where the model is on hold beyond it: another
        model may then be asked in the time that is left.
        """
        if not self._waiting and self._wait_s(tokens) <= 0:
            self._begin(tokens)
            return
        now = self._clock()
        if deadline <= now:
            raise LimitsReached(self._model.name)
        if self._held_until >= deadline:
            raise self._on_hold(self._held_until - now)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(tokens, deadline, loop.create_future())
        self._waiting.append(waiter)
        alarm = loop.call_later(deadline - now, self._expire, waiter)
        if len(self._waiting) == 1:
            self._serve()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.give_back(tokens)
            self._serve()
            raise
        finally:
            alarm.cancel()

    def finish(self, estimated: float, input_estimate: int, usage: Usage | None) -> None:
        """End a call that was sent: its usage replaces its estimate. Without usage the estimate stays."""
        self.in_flight -= 1
        actual = usage.input_tokens + usage.output_tokens if usage else 0
        if usage and actual:
            self._call_tokens = actual
            if self._tokens:
                self._tokens.take(actual - estimated)
            self._learn(input_estimate, usage)
        if self._waiting:
            self._serve()

    def give_back(self, tokens: float) -> None:
        """End a call that was never sent."""
        self.in_flight -= 1
        self._take(-1, -tokens)
        if self._waiting:
            self._serve()

    def _apply(self) -> None:
        now = self._clock()
        each, more = divmod(self._model.in_flight, self._workers)
        self._max_in_flight = each + (self._place < more)
        sharing = min(self._workers, self._model.in_flight)  # a worker without a call in flight needs no part
        self._requests = resized(self._requests, self._model.rpm, sharing, now, counts_requests=True)
        self._tokens = resized(self._tokens, self._model.tpm, sharing, now, counts_requests=False)

    def _wait_s(self, tokens: float) -> float:
        """How long until the next call may begin; infinite while only the end of another call makes room."""
        if self.in_flight >= self._max_in_flight:
            return math.inf
        now = self._clock()
        wait = self._held_until - now
        if self._requests:
            wait = max(wait, self._requests.wait_s(1, now))
        if self._tokens:
            wait = max(wait, self._tokens.wait_s(tokens, now))
        return wait

    def latest_start(self, deadline: float) -> float:
        """Until when a call waits for room.

        A call that begins with less than half of its time left might be cut short, be paid for all the same, and say
        nothing of the endpoint. Routes ask it again with all its time.
        """
        return (self._clock() + deadline) / 2

    def _on_hold(self, seconds: float) -> RateLimited:
        error = RateLimited(self._model.name, seconds)
        error.was_sent = False
        return error

    def _begin(self, tokens: float) -> None:
        self.in_flight += 1
        self._take(1, tokens)

    def _take(self, requests: float, tokens: float) -> None:
        if self._requests:
            self._requests.take(requests)
        if self._tokens:
            self._tokens.take(tokens)

    def _serve(self) -> None:
        """Let the first waiting calls begin while there is room, and set a timer for the next."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            first = self._waiting[0]
            if first.turn.done():
                self._waiting.popleft()
                continue
            wait = self._wait_s(first.tokens)
            if wait > 0:
                if math.isfinite(wait):
                    self._timer = first.turn.get_loop().call_later(max(wait, MIN_TIMER_S), self._serve)
                return
            self._waiting.popleft()
            self._begin(first.tokens)
            first.turn.set_result(None)

    def _expire(self, waiter: _Waiter) -> None:
        if not waiter.turn.done():
            waiter.turn.set_exception(LimitsReached(self._model.name))
            self._serve()

    def _learn(self, input_estimate: int, usage: Usage) -> None:
        self._output_tokens += LEARNING_SHARE * (usage.output_tokens - self._output_tokens)
        if input_estimate and usage.input_tokens:
            seen = min(max(usage.input_tokens / input_estimate, MIN_SCALE), MAX_SCALE)
            self._scale += LEARNING_SHARE * (seen - self._scale)


class Limited(Wrapper):
    """Asks the model only when its limits have room.

    `check` is called once there is room, and raises the `CallFailed` of a call that must not be sent any more.
    """

    def __init__(self, model: Model, limits: Limits, check: Callable[[Question], None] = lambda _: None) -> None:
        super().__init__(model)
        self._limits = limits
        self._check = check

    async def answer(self, question: Question) -> ModelReply:
        """Wait for room, ask, and correct the estimate. Raises what `Limits.take` raises, and what the model raises.

        A failure with a `Retry-After` puts every other call of the model on hold.
        """
        limits = self._limits
        counted = estimate_request_tokens(question.request) if limits.counts_tokens else 0
        estimated = limits.estimate(counted)
        try:
            await limits.take(estimated, limits.latest_start(question.deadline))
        except asyncio.CancelledError as error:
            error.was_sent = False  # type: ignore[attr-defined]  # so that its reservation is released
            raise
        is_sent, usage = False, None
        try:
            self._check(question)
            is_sent = True
            reply = await self._model.answer(question)
            usage = reply.usage
        except CallFailed as error:
            self._hold(error)
            is_sent, usage = error.was_sent, error.usage
            raise
        except BaseException as error:
            is_sent = getattr(error, "was_sent", is_sent)  # perhaps sent: its place is free, its tokens are used
            raise
        finally:
            if is_sent:
                limits.finish(estimated, counted, usage)
            else:
                limits.give_back(estimated)
        return reply

    def _hold(self, error: CallFailed) -> None:
        if error.retry_after_s:
            self._limits.hold(error.retry_after_s)
        elif isinstance(error, RateLimited):
            self._limits.hold(DEFAULT_HOLD_S)
