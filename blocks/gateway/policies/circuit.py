"""The circuit breaker of a model: a model that keeps failing is not called for a while, then tried by one probe.

Closed, the circuit counts faults of the endpoint in a sliding window. A failure that one document causes (HTTP 400, a
refused reply) and a rate limit never count. Open, every call fails at once. When the pause is over the circuit is
half-open: one call over all workers is let through as a probe. Its end closes the circuit, or opens it for twice as
long.

A model has one circuit. A second one for its endpoint would spare the models of one endpoint a call each when the key
is refused, and eight in an outage, but a misspelled model would need an exception so that it does not stop the others.
A circuit lives on the event loop; only calls of `CircuitStates` run in a thread.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from blocks.gateway.errors import CallFailed, CircuitOpen, DeadlinePassed, RateLimited
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.shared_state import CircuitReport, CircuitStates
from blocks.gateway.policies.wrapper import Wrapper

log = logging.getLogger(__name__)

CLAIM_AGAIN_S = 1.0
"""How long after another worker got the probe this worker tries to claim it again."""
CLOCK_SLACK_S = 0.5
"""Two workers' ends of one pause may differ by this much before a worker moves its own."""


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """When a circuit opens: at a share of `ratio` faults among at least `min_calls` calls of the last `window_s`.

    The first pause is `pause_s`; after a failure that only a person can put right, it is `person_pause_s`. A failed
    probe doubles the pause, up to `max_pause_s`. So does a new failure sooner after closing than the last pause.
    """

    window_s: float = 60.0
    min_calls: int = 8
    ratio: float = 0.5
    pause_s: float = 5.0
    person_pause_s: float = 30.0
    max_pause_s: float = 120.0


class Severity(Enum):
    """How bad the end of a call is for the circuit.

    NONE: the endpoint answered. BUSY: it answered with a rate limit. FAULT: it failed. PERSON: it fails until a person
    puts something right. UNKNOWN: it was not asked, or nobody waited for the end.
    """

    NONE = auto()
    BUSY = auto()
    FAULT = auto()
    PERSON = auto()
    UNKNOWN = auto()


def severity_of(error: CallFailed, took_s: float) -> Severity:
    """How bad a failure that took `took_s` is for the circuit.

    A deadline that passed while the call mostly waited in this process is no fault of the endpoint.
    """
    if error.needs_person:
        return Severity.PERSON
    if isinstance(error, RateLimited):
        return Severity.BUSY if error.was_sent else Severity.UNKNOWN
    if isinstance(error, DeadlinePassed) and (error.latency_ms or not error.was_sent):
        return Severity.FAULT if error.latency_ms * 2 >= took_s * 1_000 else Severity.UNKNOWN
    if error.is_endpoint_fault:
        return Severity.FAULT
    return Severity.NONE if error.was_sent else Severity.UNKNOWN


class Circuit:
    """The circuit of the model `key`, which names it among workers. Lives on the event loop."""

    def __init__(
        self,
        key: str,
        states: CircuitStates | None = None,
        rules: CircuitRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self.is_shared = True
        """Whether the other workers know the state."""
        self._states = states
        self._rules = rules or CircuitRules()
        self._clock = clock
        self._is_open = self._is_probing = False
        self._why = ""
        self._calls: set[int] = set()  # ids of the questions that the current state let through
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._faults = 0
        self._opens_until = self._closed_at = self._claimed_until = self._claim_again_at = float("-inf")
        self._pause_s = self._rules.pause_s

    async def enter(self, question: Question) -> None:
        """Let a call through, as the probe where the circuit is half-open. Raises `CircuitOpen`."""
        if not self._is_open:
            self._calls.add(id(question))
            return
        now = self._clock()
        if self._is_probing or now < max(self._opens_until, self._claim_again_at):
            raise self._refusal(now)
        self._is_probing, is_claimed = True, False
        try:
            is_claimed = await self._claim(now, question.deadline)
        finally:
            if not is_claimed:
                self._is_probing = False
                self._claim_again_at = self._clock() + CLAIM_AGAIN_S
        if not is_claimed or (self._is_open and not self._is_probing):  # it closed and opened again meanwhile
            raise self._refusal(self._clock())
        self._calls.add(id(question))
        log.info("circuit of %s half-open: one call is the probe", self.key)

    def check(self, question: Question) -> None:
        """Raise `CircuitOpen` where the circuit opened after it let this call through."""
        if self._is_open and id(question) not in self._calls:
            raise self._refusal(self._clock())

    def leave(self, question: Question, severity: Severity, kind: str = "") -> None:
        """End a call that was let through. `kind` is its failure's. A call of an earlier state changes nothing."""
        if id(question) not in self._calls:
            return
        self._calls.remove(id(question))
        if self._is_open:
            self._is_probing = False
            if severity in {Severity.NONE, Severity.BUSY}:
                self._close("the probe was answered")
            elif severity is not Severity.UNKNOWN:
                self._open(f"the probe failed with {kind}", self._pause_s * 2)
        elif severity is Severity.PERSON:
            self._open(f"the last call failed with {kind}", self._first_pause_s(self._rules.person_pause_s))
        elif severity in {Severity.NONE, Severity.FAULT}:
            self._count(severity is Severity.FAULT, kind)

    def report(self) -> CircuitReport:
        """The state as other workers and `winnow models list` see it."""
        left_s = max(0.0, self._opens_until - self._clock()) if self._is_open else 0.0
        return CircuitReport(self.key, self._is_open, self._why if self._is_open else "", left_s)

    def take_over(self, report: CircuitReport | None) -> None:
        """Take over the state that the other workers know, unless this worker has a change to share."""
        if not self.is_shared:
            return
        if report is None or not report.is_open:
            if self._is_open:
                self._close("another worker closed it")
        elif not self._is_open:
            self._open(f"another worker reports: {report.why}", max(report.open_for_s, self._rules.pause_s))
            self._opens_until = self._clock() + report.open_for_s
        elif not self._is_probing and self._clock() + report.open_for_s > self._opens_until + CLOCK_SLACK_S:
            self._opens_until, self._why = self._clock() + report.open_for_s, report.why
            self._pause_s = min(max(self._pause_s, report.open_for_s), self._rules.max_pause_s)
        self.is_shared = True

    def _refusal(self, now: float) -> CircuitOpen:
        return CircuitOpen(self.key, self._why, max(self._opens_until - now, CLAIM_AGAIN_S))

    async def _claim(self, now: float, deadline: float) -> bool:
        """Whether the probe is this worker's. A claim outlasts a probe that had no end; one that is late lapses."""
        if self._states is None or now < self._claimed_until:
            return True
        left_s = max(deadline - now, 0.0)
        try:
            async with asyncio.timeout(left_s):
                is_ours = await asyncio.to_thread(self._states.claim_probe, self.key, left_s + CLAIM_AGAIN_S)
        except TimeoutError:
            return False
        if is_ours:
            self._claimed_until = now + left_s + CLAIM_AGAIN_S
        return is_ours

    def _count(self, is_fault: bool, kind: str) -> None:
        now = self._clock()
        self._outcomes.append((now, is_fault))
        self._faults += is_fault
        while self._outcomes[0][0] <= now - self._rules.window_s:
            self._faults -= self._outcomes.popleft()[1]
        calls = len(self._outcomes)
        if is_fault and calls >= self._rules.min_calls and self._faults >= self._rules.ratio * calls:
            why = f"{self._faults} of the last {calls} calls failed, the last with {kind}"
            self._open(why, self._first_pause_s(self._rules.pause_s))

    def _first_pause_s(self, usual_s: float) -> float:
        """The pause of a circuit that was closed: longer where it was closed for less time than its last pause."""
        if self._clock() - self._closed_at < self._pause_s:
            return max(usual_s, self._pause_s * 2)
        return usual_s

    def _open(self, why: str, pause_s: float) -> None:
        self._pause_s = min(pause_s, self._rules.max_pause_s)
        self._opens_until = self._clock() + self._pause_s
        self._turn(is_open=True, why=why)
        log.warning("circuit of %s open for %.0f s: %s", self.key, self._pause_s, why)

    def _close(self, why: str) -> None:
        self._closed_at = self._clock()
        self._turn(is_open=False, why=why)
        log.info("circuit of %s closed: %s", self.key, why)

    def _turn(self, *, is_open: bool, why: str) -> None:
        self._is_open, self._why = is_open, why
        self.is_shared = self._is_probing = False
        self._claimed_until = self._claim_again_at = float("-inf")
        self._calls.clear()
        self._outcomes.clear()
        self._faults = 0


class Circuits:
    """The circuits of this process, by model."""

    def __init__(
        self,
        states: CircuitStates | None = None,
        rules: CircuitRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states, self._rules, self._clock = states, rules, clock
        self._circuits: dict[str, Circuit] = {}
        self._known: Mapping[str, CircuitReport] = {}

    def get(self, key: str) -> Circuit:
        """The circuit of a model; a new one starts with the state that other workers had at the last `sync`."""
        if key not in self._circuits:
            circuit = self._circuits[key] = Circuit(key, self._states, self._rules, self._clock)
            circuit.take_over(self._known.get(key))
        return self._circuits[key]

    async def sync(self) -> None:
        """Share the changes of this worker's circuits, and take over the other workers'. About once a second.

        Raises what the states raise; the next `sync` then shares the changes.
        """
        if self._states is None:
            return
        changed = [circuit for circuit in self._circuits.values() if not circuit.is_shared]
        reports = [circuit.report() for circuit in changed]
        for circuit in changed:
            circuit.is_shared = True  # until the circuit changes during the exchange
        try:
            self._known = await asyncio.to_thread(_exchange, self._states, reports)
        except BaseException:  # a cancelled exchange has shared nothing for certain either
            for circuit in changed:
                circuit.is_shared = False
            raise
        for circuit in self._circuits.values():
            circuit.take_over(self._known.get(circuit.key))


def _exchange(states: CircuitStates, reports: Sequence[CircuitReport]) -> Mapping[str, CircuitReport]:
    for report in reports:
        if report.is_open:
            states.open(report.key, report.why, report.open_for_s)
        else:
            states.close(report.key)
    return states.load()


class CircuitBreaking(Wrapper):
    """Calls the model only while its circuit lets calls through; all calls of a model share the circuit."""

    def __init__(self, model: Model, circuit: Circuit, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(model)
        self._circuit = circuit
        self._clock = clock

    async def answer(self, question: Question) -> ModelReply:
        """Ask, unless the circuit is open. Raises `CircuitOpen`, and what the model raises.

        A call that then waits for a rate limit is checked again, by `Circuit.check`, before it is sent.
        """
        await self._circuit.enter(question)
        severity, kind = Severity.UNKNOWN, ""  # a cancelled call, or a defect of ours, says nothing of the endpoint
        started = self._clock()
        try:
            reply = await self._model.answer(question)
            severity = Severity.NONE
        except CallFailed as error:
            severity, kind = severity_of(error, self._clock() - started), error.kind
            raise
        finally:
            self._circuit.leave(question, severity, kind)
        return reply
