"""The circuit breaker of a model's endpoint: one that fails is left alone, and then asked by one call alone.

Closed, it counts faults of the endpoint in a sliding window; never what is wrong with one document (HTTP 400, a
refused reply), and never a rate limit. Open, every call fails at once. When the pause is over, exactly one call is let
through as a probe, one over all workers; how that ends closes the breaker, or opens it for twice as long.

A breaker lives on the event loop; what other workers say reaches it from a worker thread. So each transition is made
under a lock.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from blocks.gateway.errors import BreakerOpen
from blocks.gateway.policies.shared_state import BreakerReport, BreakerStates

logger = logging.getLogger(__name__)

ASK_AGAIN_S = 1.0
"""How long after another worker got the probe this one asks for it again."""
CLOCK_SLACK_S = 0.5
"""Two workers' ends of one pause may differ by this much before one of them moves its own."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens: at a share of `ratio` faults among at least `least_calls` calls of the last `window_s`.

    The first pause is `cooldown_s`, each one that follows a failed probe, or a closing that did not last as long as the
    pause before it, twice the last, up to `most_cooldown_s`. `grave_cooldown_s` is the first pause after what only a
    person can put right.
    """

    window_s: float = 60.0
    least_calls: int = 8
    ratio: float = 0.5
    cooldown_s: float = 5.0
    grave_cooldown_s: float = 30.0
    most_cooldown_s: float = 120.0


class Sign(Enum):
    """What the end of a call says of the endpoint. BUSY: it is there, and asks for patience. NOTHING: it was not asked,
    or nobody waited for the end."""

    SOUND = auto()
    FAULT = auto()
    GRAVE = auto()
    BUSY = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call that was let through, and the state in which it was: what ends in a later one says nothing of it."""

    generation: int
    is_probe: bool = False


class Breaker:
    """The breaker of one endpoint; `key` names it among workers and must not hold a secret."""

    def __init__(
        self,
        key: str,
        states: BreakerStates | None = None,
        rules: BreakerRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self._states = states
        self._rules = rules or BreakerRules()
        self._clock = clock
        self._lock = threading.Lock()
        self._is_open = False
        self._generation = 0
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._faults = 0
        self._why = ""
        self._until = self._closed_at = self._claimed_until = self._ask_again_at = float("-inf")
        self._cooldown_s = self._rules.cooldown_s
        self._is_probing = False
        self._is_told = True  # whether the other workers know of the state

    # --- calls

    async def enter(self, model: str, deadline: float) -> Ticket:
        """Let a call through. Raises `BreakerOpen` where it is not to be made, naming `model`."""
        with self._lock:
            if not self._is_open:
                return Ticket(self._generation)
            now = self._clock()
            if self._is_probing or now < max(self._until, self._ask_again_at):
                raise BreakerOpen(model, self._why, max(self._until - now, ASK_AGAIN_S))
            self._is_probing = True
            ticket = Ticket(self._generation, is_probe=True)
        is_ours = False
        try:
            is_ours = await self._claim(now, deadline)
        finally:
            if not is_ours:
                self._lose_probe(ticket)
        if not is_ours:
            raise BreakerOpen(model, self._why, ASK_AGAIN_S)
        logger.info("breaker of %s: one call is let through as a probe", self.key)
        return ticket

    def check(self, ticket: Ticket, model: str) -> None:
        """Raise `BreakerOpen` where the breaker has opened since it let this call through."""
        with self._lock:
            if self._is_open and ticket.generation != self._generation:
                raise BreakerOpen(model, self._why, max(self._until - self._clock(), ASK_AGAIN_S))

    def leave(self, ticket: Ticket, sign: Sign, kind: str = "") -> None:
        """End a call that was let through. `kind` is that of its failure."""
        with self._lock:
            if ticket.generation != self._generation:
                return
            if ticket.is_probe:
                self._is_probing = False
                if sign in {Sign.SOUND, Sign.BUSY}:
                    self._close("the probe was answered")
                elif sign is not Sign.NOTHING:
                    self._open(f"the probe failed with {kind}", self._cooldown_s * 2)
            elif sign is Sign.GRAVE:
                self._open(f"its last call ended with {kind}", self._first_cooldown_s(self._rules.grave_cooldown_s))
            elif sign in {Sign.SOUND, Sign.FAULT}:
                self._count(sign is Sign.FAULT, kind)

    def report(self) -> BreakerReport:
        """How the breaker stands, as `winnow models list` shows it."""
        with self._lock:
            left_s = max(0.0, self._until - self._clock()) if self._is_open else 0.0
            return BreakerReport(self.key, self._is_open, self._why if self._is_open else "", left_s)

    # --- other workers; in a worker thread

    def tell(self, states: BreakerStates) -> int:
        """Tell the other workers of a state that is new; returns the generation that they know now."""
        with self._lock:
            generation, is_told, is_open, why = self._generation, self._is_told, self._is_open, self._why
            left_s = max(0.0, self._until - self._clock())
        if not is_told:
            if is_open:
                states.open(self.key, why, left_s)
            else:
                states.close(self.key)
            with self._lock:
                self._is_told = self._generation == generation
        return generation

    def hear(self, report: BreakerReport | None, generation: int) -> None:
        """Take over what other workers know, unless the state has changed here since `generation`."""
        with self._lock:
            if generation != self._generation:
                return
            if report is None or not report.is_open:
                if self._is_open:
                    self._close("another worker has closed it")
                    self._is_told = True
                return
            until = self._clock() + report.open_for_s
            if not self._is_open:
                self._open(f"another worker found: {report.why}", max(report.open_for_s, self._rules.cooldown_s))
                self._until, self._is_told = until, True
            elif not self._is_probing and until > self._until + CLOCK_SLACK_S:
                self._until, self._why = until, report.why
                self._cooldown_s = min(max(self._cooldown_s, report.open_for_s), self._rules.most_cooldown_s)

    # --- inside

    async def _claim(self, now: float, deadline: float) -> bool:
        """Whether the probe is this worker's. A claim outlasts a probe that came to nothing.

        One that is not heard of by the deadline is as good as another worker's: it lapses.
        """
        if self._states is None or now < self._claimed_until:
            return True
        for_s = max(deadline - now, 0.0) + ASK_AGAIN_S
        try:
            async with asyncio.timeout(max(deadline - now, 0.0)):
                is_ours = await asyncio.to_thread(self._states.claim_probe, self.key, for_s)
        except TimeoutError:
            return False
        if is_ours:
            self._claimed_until = now + for_s
        return is_ours

    def _lose_probe(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket.generation == self._generation:
                self._is_probing = False
                self._ask_again_at = self._clock() + ASK_AGAIN_S

    def _count(self, is_fault: bool, kind: str) -> None:
        now = self._clock()
        self._outcomes.append((now, is_fault))
        self._faults += is_fault
        while self._outcomes[0][0] <= now - self._rules.window_s:
            self._faults -= self._outcomes.popleft()[1]
        calls = len(self._outcomes)
        if is_fault and calls >= self._rules.least_calls and self._faults >= self._rules.ratio * calls:
            why = f"{self._faults} of its last {calls} calls failed, the last with {kind}"
            self._open(why, self._first_cooldown_s(self._rules.cooldown_s))

    def _first_cooldown_s(self, usual_s: float) -> float:
        """The pause of a breaker that was closed: longer than the last one where it was closed for less than that."""
        if self._clock() - self._closed_at < self._cooldown_s:
            return max(usual_s, self._cooldown_s * 2)
        return usual_s

    def _open(self, why: str, cooldown_s: float) -> None:
        self._cooldown_s = min(cooldown_s, self._rules.most_cooldown_s)
        self._until = self._clock() + self._cooldown_s
        self._turn(is_open=True, why=why)
        logger.warning("breaker of %s: open for %.0f s, because %s", self.key, self._cooldown_s, why)

    def _close(self, why: str) -> None:
        self._closed_at = self._clock()
        self._turn(is_open=False, why=why)
        logger.info("breaker of %s: closed, because %s", self.key, why)

    def _turn(self, *, is_open: bool, why: str) -> None:
        self._is_open, self._why = is_open, why
        self._generation += 1
        self._is_told = self._states is None
        self._is_probing = False
        self._claimed_until = self._ask_again_at = float("-inf")
        self._outcomes.clear()
        self._faults = 0
