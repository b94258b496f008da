"""Rate limits of one model: requests and tokens per minute, calls in flight, and what the provider says of itself.

All calls of a process are on one event loop, so nothing here is locked. Callers are served in the order in which they
came. Each worker takes its share of the limits; how many workers there are, and its place among them, it is told.
aiolimiter and pyrate-limiter do not fit: neither can change a rate, correct an amount afterwards, or be held back by
what a provider says.

Beside the bucket of each limit stands what the provider's headers last said, as a bucket of its own, so that a key
which others use too is not overdrawn.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from blocks.gateway.errors import CallFailed, LimitsReached, ModelsPaused, RateLimited
from blocks.gateway.model import Model, ModelReply, Question, Usage
from blocks.gateway.policies.buckets import MINUTE_S, Bucket, resized
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.tokens import estimate_request_tokens
from blocks.gateway.providers.limit_headers import Allowance, LimitHeaders
from blocks.gateway.registry.registry import RegisteredModel

UNGUIDED_HOLD_S = 1.0
"""How long a model is left alone after a 429 that does not say how long."""

OUTPUT_TOKENS = 300
"""Output tokens of a call before the first one has told better."""
LEARNING_SHARE = 0.1
LEAST_TIMER_S = 0.001
"""No timer is shorter: the loop may run one a nanosecond early, and would then turn without end."""
LEAST_SCALE, MOST_SCALE = 0.3, 4.0
"""How far counts may pull the estimates: beyond, one odd reply would do so for all that follow."""


@dataclass(frozen=True, slots=True)
class Told:
    """The provider's word as a bucket. From `until` on all is there again, and the word is void."""

    bucket: Bucket
    until: float

    def wait_s(self, amount: float, now: float) -> float:
        """How long until `amount` may be taken."""
        return max(0.0, min(self.bucket.wait_s(amount, now), self.until - now))


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
        self._told_requests: Told | None = None
        self._told_tokens: Told | None = None
        self._not_before = -math.inf
        self._waiting: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._scale, self._output_tokens = 1.0, float(OUTPUT_TOKENS)
        self._tokens_in_flight = 0.0
        self.in_flight = 0
        self._apply()

    # --- what is told from outside

    def reconfigure(self, model: RegisteredModel) -> None:
        """Take over the limits of the registry; the next call goes by them."""
        limits = (model.rpm, model.tpm, model.in_flight)
        before = (self._model.rpm, self._model.tpm, self._model.in_flight)
        self._model = model
        if limits != before:
            self._apply()
            self._serve()

    def set_share(self, place: int, workers: int) -> None:
        """Tell how many live workers, this one included, share the limits, and its place among them, from 0.

        Of workers that outnumber the calls that may be in flight, the last ones have none: their calls wait.
        """
        if (place, workers) != (self._place, self._workers):
            self._place, self._workers = place, workers
            self._apply()
            self._serve()

    def heard(self, headers: LimitHeaders) -> None:
        """Take in what a reply says of the provider's limits."""
        now = self._clock()
        others = max(0, self.in_flight - 1)  # the call that the reply is of has been counted by the provider
        if headers.requests:
            self._told_requests = self._told(headers.requests, others, now)
        if headers.tokens:
            under_way = self._tokens_in_flight * others / (others + 1)
            self._told_tokens = self._told(headers.tokens, under_way, now)
        if self._waiting:
            self._serve()

    def hold(self, seconds: float) -> None:
        """Let no call begin for so long: the provider asks to be left alone. Who cannot wait for so long is told so."""
        if not 0 < seconds < math.inf:
            return
        now = self._clock()
        self._not_before = max(self._not_before, now + seconds)
        for waiter in self._waiting:
            if waiter.deadline <= self._not_before and not waiter.turn.done():
                waiter.turn.set_exception(self._left_alone(self._not_before - now))

    # --- what calls ask

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited, so that an estimate is needed."""
        return self._tokens is not None or self._told_tokens is not None

    @property
    def waiting(self) -> int:
        """How many calls wait for room."""
        return sum(1 for waiter in self._waiting if not waiter.turn.done())

    def estimate(self, input_tokens: int) -> float:
        """Tokens of a call, input and output, as the calls so far have shown estimates to be wrong."""
        return input_tokens * self._scale + self._output_tokens

    async def take(self, tokens: float, deadline: float) -> None:
        """Wait for room for a call of so many tokens, and take it.

        Raises `LimitsReached` at the deadline, and `RateLimited` as soon as it is known that the provider would have
        the call wait for longer: then another model may be asked in the time that is left.
        """
        if not self._waiting and self._wait_s(tokens) <= 0:
            self._begin(tokens)
            return
        now = self._clock()
        if deadline <= now:
            raise LimitsReached(self._model.name)
        told_s = self._told_wait_s(tokens, now)
        if now + told_s >= deadline:
            raise self._left_alone(told_s)
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
        """End a call that was sent: what it really was replaces its estimate. Without usage the estimate stands."""
        self.in_flight -= 1
        self._tokens_in_flight -= estimated
        actual = usage.input_tokens + usage.output_tokens if usage else 0
        if usage and actual:
            if self._tokens:
                self._tokens.take(actual - estimated)
            self._learn(input_estimate, usage)
        if self._waiting:
            self._serve()

    def give_back(self, tokens: float) -> None:
        """End a call that was never sent."""
        self.in_flight -= 1
        self._tokens_in_flight -= tokens
        self._take(-1, -tokens)
        if self._waiting:
            self._serve()

    # --- inside

    def _apply(self) -> None:
        now = self._clock()
        each, more = divmod(self._model.in_flight, self._workers)
        self._most_in_flight = each + (self._place < more)
        self._sharing = min(self._workers, self._model.in_flight)  # a worker that makes no calls needs no share
        self._requests = resized(self._requests, self._model.rpm, self._sharing, now, whole=True)
        self._tokens = resized(self._tokens, self._model.tpm, self._sharing, now, whole=False)

    def _told(self, said: Allowance, under_way: float, now: float) -> Told:
        """This worker's share of what is left, without the calls under way, which may not have been counted yet.

        By `reset_s` all that is missing of the limit is there again, at a steady rate; a minute where none is said.
        """
        reset_s = max(MINUTE_S if said.reset_s is None else said.reset_s, LEAST_TIMER_S)
        limit = max(said.remaining, said.limit or 1.0)
        rate = (limit - said.remaining) / reset_s
        level = max(0.0, said.remaining - under_way) / self._sharing
        return Told(Bucket(limit / self._sharing, rate / self._sharing, level, now), now + reset_s)

    def _wait_s(self, tokens: float) -> float:
        """How long until the next call may begin; infinite while only the end of another one makes room."""
        if self.in_flight >= self._most_in_flight:
            return math.inf
        now = self._clock()
        wait = self._told_wait_s(tokens, now)
        if self._requests:
            wait = max(wait, self._requests.wait_s(1, now))
        if self._tokens:
            wait = max(wait, self._tokens.wait_s(tokens, now))
        return wait

    def _told_wait_s(self, tokens: float, now: float) -> float:
        """How long the provider would have the call wait, by its replies so far."""
        wait = self._not_before - now
        if self._told_requests:
            wait = max(wait, self._told_requests.wait_s(1, now))
        if self._told_tokens:
            wait = max(wait, self._told_tokens.wait_s(tokens, now))
        return wait

    def latest_start(self, deadline: float) -> float:
        """Until when a call waits for room: what begins with less than half of its time left would be cut short.

        It would be paid for all the same, and would say nothing of the endpoint. Routes ask it anew, with all its time.
        """
        return (self._clock() + deadline) / 2

    def _left_alone(self, seconds: float) -> RateLimited:
        error = RateLimited(self._model.name, seconds)
        error.was_sent = False
        return error

    def _begin(self, tokens: float) -> None:
        self.in_flight += 1
        self._tokens_in_flight += tokens
        self._take(1, tokens)

    def _take(self, requests: float, tokens: float) -> None:
        if self._requests:
            self._requests.take(requests)
        if self._tokens:
            self._tokens.take(tokens)
        if self._told_requests:
            self._told_requests.bucket.take(requests)
        if self._told_tokens:
            self._told_tokens.bucket.take(tokens)

    def _serve(self) -> None:
        """Let the first of those that wait begin, as many as there is room for, and set the clock for the next."""
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
                    self._timer = first.turn.get_loop().call_later(max(wait, LEAST_TIMER_S), self._serve)
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
            seen = min(max(usage.input_tokens / input_estimate, LEAST_SCALE), MOST_SCALE)
            self._scale += LEARNING_SHARE * (seen - self._scale)


class Limited(Wrapper):
    """A `Model` that is asked only when its limits have room, and not when all models were paused meanwhile.

    `refuse` raises the `CallFailed` of a call that is not to be made any more, now that there is room for it.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        is_paused: Callable[[], bool] = lambda: False,
        refuse: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(model)
        self._limits = limits
        self._is_paused = is_paused
        self._refuse = refuse

    async def answer(self, question: Question) -> ModelReply:
        """Wait for room, ask, and correct the estimate. Raises what `Limits.take` raises, and what the model raises.

        A reply that asks to be left alone holds back every other call of the model.
        """
        limits = self._limits
        counted = estimate_request_tokens(question.request) if limits.counts_tokens else 0
        estimated = limits.estimate(counted)
        try:
            await limits.take(estimated, limits.latest_start(question.deadline))
        except asyncio.CancelledError as error:
            error.was_sent = False  # type: ignore[attr-defined]  # what was reserved for it was not spent
            raise
        try:
            self._refuse_now()
        except CallFailed:
            limits.give_back(estimated)
            raise
        try:
            reply = await self._model.answer(question)
        except CallFailed as error:
            self._hold(error)
            if error.was_sent:
                limits.finish(estimated, counted, error.usage)
            else:
                limits.give_back(estimated)
            raise
        except BaseException as error:
            if getattr(error, "was_sent", True):  # possibly sent: it frees its place, not its tokens
                limits.finish(estimated, counted, None)
            else:
                limits.give_back(estimated)
            raise
        limits.finish(estimated, counted, reply.usage)
        return reply

    def _refuse_now(self) -> None:
        if self._is_paused():
            raise ModelsPaused
        self._refuse()

    def _hold(self, error: CallFailed) -> None:
        if error.retry_after_s:
            self._limits.hold(error.retry_after_s)
        elif isinstance(error, RateLimited):
            self._limits.hold(UNGUIDED_HOLD_S)
