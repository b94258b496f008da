"""Asks a model only while its circuit breaker lets calls through, and keeps the breakers of this process."""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from blocks.gateway.errors import (
    CallFailed,
    DeadlinePassed,
    KeyRefused,
    OutOfCredit,
    RateLimited,
    UpstreamMissing,
)
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.circuit import Breaker, BreakerRules, Sign, Ticket
from blocks.gateway.policies.shared_state import BreakerReport, BreakerStates
from blocks.gateway.policies.wrapper import Wrapper

_entered: ContextVar[tuple[tuple[Breaker, Ticket], ...]] = ContextVar("entered", default=())
"""The breakers that have let the call under way through."""


class Breaking(Wrapper):
    """A `Model` behind the breaker of its endpoint, which models of the same endpoint and key share.

    `own` is the model's own breaker, for what says nothing of its neighbours: that the endpoint does not know it.
    Without one the endpoint's serves for that too.
    """

    def __init__(
        self, model: Model, breaker: Breaker, own: Breaker | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(model)
        self._breaker = breaker
        self._own = own
        self._clock = clock

    async def answer(self, question: Question) -> ModelReply:
        """Ask, unless the breaker is open. Raises `BreakerOpen`, and what the model raises.

        What waits inside for its turn asks again, by `refuse_behind_open_breaker`, before it is sent.
        """
        ticket = await self._breaker.enter(self.name, question.deadline)
        try:
            own = await self._own.enter(self.name, question.deadline) if self._own else None
        except BaseException:  # cancellation too: a ticket that is kept would keep a half-open breaker shut
            self._breaker.leave(ticket, Sign.NOTHING)
            raise
        _entered.set(((self._breaker, ticket), *(((self._own, own),) if self._own and own else ())))
        started = self._clock()
        try:
            reply = await self._model.answer(question)
        except CallFailed as error:
            self._leave(ticket, own, judge(error, self._clock() - started), error.kind)
            raise
        except BaseException:  # a cancelled call, or a defect of ours, says nothing of the endpoint
            self._leave(ticket, own, Sign.NOTHING, "")
            raise
        self._leave(ticket, own, Sign.SOUND, "")
        return reply

    def _leave(self, ticket: Ticket, own: Ticket | None, sign: Sign, kind: str) -> None:
        if own is None or self._own is None:
            self._breaker.leave(ticket, sign, kind)
        elif kind == UpstreamMissing.kind:
            self._breaker.leave(ticket, Sign.SOUND)
            self._own.leave(own, sign, kind)
        else:
            self._breaker.leave(ticket, sign, kind)
            self._own.leave(own, sign if sign in {Sign.SOUND, Sign.BUSY} else Sign.NOTHING)


def refuse_behind_open_breaker(model: str) -> None:
    """Raise `BreakerOpen` where a breaker that let the call under way through has opened since then."""
    for breaker, ticket in _entered.get():
        breaker.check(ticket, model)


def judge(error: CallFailed, took_s: float) -> Sign:
    """What a failure that took so long says of the endpoint.

    A deadline that passed while the call waited for its turn here, for most of its time, says nothing.
    """
    if isinstance(error, OutOfCredit | KeyRefused | UpstreamMissing):
        return Sign.GRAVE
    if isinstance(error, RateLimited):
        return Sign.BUSY if error.was_sent else Sign.NOTHING
    if isinstance(error, DeadlinePassed) and (error.latency_ms or not error.was_sent):
        return Sign.FAULT if error.latency_ms * 2 >= took_s * 1_000 else Sign.NOTHING
    if error.is_endpoint_fault:
        return Sign.FAULT
    return Sign.SOUND if error.was_sent else Sign.NOTHING


class Breakers:
    """The breakers of this process, by key."""

    def __init__(
        self,
        states: BreakerStates | None = None,
        rules: BreakerRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states, self._rules, self._clock = states, rules, clock
        self._breakers: dict[str, Breaker] = {}
        self._told: Mapping[str, BreakerReport] = {}

    def get(self, key: str) -> Breaker:
        """The breaker of a key; where there is none yet one is made, as other workers knew it at the last `sync`."""
        if key not in self._breakers:
            breaker = self._breakers[key] = Breaker(key, self._states, self._rules, self._clock)
            breaker.hear(self._told.get(key), generation=0)
        return self._breakers[key]

    def sync(self) -> None:
        """Tell the other workers what is new here, and take over what they know. About once a second, off the loop.

        Raises what the keeper of the states raises; what was not told then is told the next time.
        """
        if self._states is None:
            return
        breakers = list(self._breakers.values())
        generations = [breaker.tell(self._states) for breaker in breakers]
        self._told = told = self._states.load()
        for breaker, generation in zip(breakers, generations, strict=True):
            breaker.hear(told.get(breaker.key), generation)
