import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from blocks.gateway.errors import (
    CallFailed,
    CircuitOpen,
    ConnectionFailed,
    ContextTooLong,
    DeadlinePassed,
    KeyRefused,
    LimitsReached,
    ModelRefusal,
    OutOfCredit,
    RateLimited,
    RequestRefused,
    ServerFailed,
    UpstreamMissing,
    WrongSchema,
)
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.policies.circuit import CircuitBreaking, CircuitRules, Circuits, Severity
from blocks.gateway.policies.shared_state import CircuitReport
from tests.doubles.failing_models import REPLY, Scripted, a_question

RULES = CircuitRules(window_s=60, min_calls=8, ratio=0.5, pause_s=5, person_pause_s=30, max_pause_s=40)


class Clock:
    """A clock that is set by hand, which also stamps what happened."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class SharedCircuits:
    """Keeps circuits for several workers as the database does, by the same clock; counts what it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}
        self._claims: dict[str, float] = {}
        self.asked: Counter[str] = Counter()
        self.is_down = False

    def load(self) -> Mapping[str, CircuitReport]:
        self._note("load")
        return {
            key: CircuitReport(key, True, why, max(0.0, until - self._clock()))
            for key, (why, until) in self._open.items()
        }

    def open(self, model: str, why: str, for_s: float) -> None:
        self._note("open")
        self._open[model] = (why, self._clock() + for_s)
        self._claims.pop(model, None)

    def close(self, model: str) -> None:
        self._note("close")
        self._open.pop(model, None)

    def claim_probe(self, model: str, for_s: float) -> bool:
        self._note("claim")
        assert threading.current_thread() is not threading.main_thread()  # never on the loop
        return self.claim_probe_elsewhere(model, for_s)

    def claim_probe_elsewhere(self, model: str, for_s: float) -> bool:
        """As `claim_probe`, of a worker that is not in this test."""
        with self._lock:
            if self._claims.get(model, 0.0) > self._clock():
                return False
            self._claims[model] = self._clock() + for_s
            return True

    def _note(self, what: str) -> None:
        self.asked[what] += 1
        if self.is_down:
            raise OSError("the database is down")


class Endpoint:
    """A model behind a circuit, whose health is set by hand."""

    def __init__(self, clock: Clock, circuits: Circuits | None = None, *, takes_s: float = 0.0) -> None:
        self.clock = clock
        self.fails: Callable[[], CallFailed] | None = None
        self.model = Scripted(self._say, takes_s)
        self.circuits = circuits or Circuits(rules=RULES, clock=clock)
        self.circuit = self.circuits.get("e")
        self.breaking = CircuitBreaking(self.model, self.circuit, clock=clock)

    def _say(self, _at: int, _question: Question) -> ModelReply | BaseException:
        return self.fails() if self.fails else REPLY

    async def outcomes(self, calls: int) -> Counter[str]:
        """How so many calls end, one after the other."""
        return Counter([await self.outcome() for _ in range(calls)])

    async def outcome(self) -> str:
        try:
            await self.breaking.answer(a_question(self.clock() + 10))
        except CallFailed as error:
            return error.kind
        return "ok"

    @property
    def is_open(self) -> bool:
        return self.circuit.report().is_open


def server_failed() -> ServerFailed:
    return ServerFailed("m", 503)


def test_it_opens_at_half_of_the_calls_and_says_why() -> None:
    endpoint = Endpoint(Clock())
    assert asyncio.run(endpoint.outcomes(5)) == {"ok": 5}
    endpoint.fails = server_failed
    assert asyncio.run(endpoint.outcomes(4)) == {"server_failed": 4}
    assert not endpoint.is_open
    assert asyncio.run(endpoint.outcomes(10)) == {"server_failed": 1, "breaker_open": 9}
    report = endpoint.circuit.report()
    assert (report.is_open, report.open_for_s) == (True, 5.0)
    assert report.why == "5 of the last 10 calls failed, the last with server_failed"
    assert len(endpoint.model.asked) == 10


def test_a_few_failures_open_nothing_and_are_forgotten() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = server_failed
    asyncio.run(endpoint.outcomes(7))
    endpoint.clock.now += 61
    asyncio.run(endpoint.outcomes(7))
    assert not endpoint.is_open


@pytest.mark.parametrize(
    "make",
    [
        lambda: RequestRefused("m", 400),
        lambda: ContextTooLong("m"),
        lambda: ModelRefusal("m", "no"),
        lambda: WrongSchema("m", "no total"),
        lambda: RateLimited("m", 1.0),
        lambda: LimitsReached("m"),
    ],
)
def test_what_one_document_or_a_limit_is_to_blame_for_never_opens_it(make: Callable[[], CallFailed]) -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = make
    asyncio.run(endpoint.outcomes(500))
    assert not endpoint.is_open
    assert len(endpoint.model.asked) == 500


def test_mixed_400_and_429_never_open_it() -> None:
    """Promise 15."""
    endpoint = Endpoint(Clock())
    turn = 0

    def mixed() -> CallFailed:
        nonlocal turn
        turn += 1
        return RequestRefused("m", 400) if turn % 2 else RateLimited("m", 0.5)

    endpoint.fails = mixed
    outcomes = asyncio.run(endpoint.outcomes(2_000))
    assert outcomes == {"request_refused": 1_000, "rate_limited": 1_000}


def test_rate_limits_do_not_hide_faults() -> None:
    endpoint = Endpoint(Clock())
    turn = 0

    def mixed() -> CallFailed:
        nonlocal turn
        turn += 1
        return server_failed() if turn % 4 == 0 else RateLimited("m", 0.5)

    endpoint.fails = mixed
    asyncio.run(endpoint.outcomes(100))
    assert endpoint.is_open
    assert len(endpoint.model.asked) == 32  # the 8th fault


@pytest.mark.parametrize(
    "make", [lambda: OutOfCredit("m"), lambda: KeyRefused("m", 401), lambda: UpstreamMissing("m", "gpt")]
)
def test_what_a_person_must_put_right_opens_it_at_once(make: Callable[[], CallFailed]) -> None:
    endpoint = Endpoint(Clock())
    asyncio.run(endpoint.outcomes(100))
    endpoint.fails = make
    assert asyncio.run(endpoint.outcomes(2))["breaker_open"] == 1
    assert endpoint.circuit.report().open_for_s == 30.0
    assert endpoint.circuit.report().why == f"the last call failed with {make().kind}"


def test_200_callers_at_half_open_make_one_probe() -> None:
    """Promise 15."""
    endpoint = Endpoint(Clock(), takes_s=0.05)
    endpoint.fails = server_failed
    asyncio.run(endpoint.outcomes(8))
    endpoint.clock.now += 5.001
    before = len(endpoint.model.asked)

    async def callers() -> Counter[str]:
        return Counter(await asyncio.gather(*(endpoint.outcome() for _ in range(200))))

    assert asyncio.run(callers()) == {"server_failed": 1, "breaker_open": 199}
    assert len(endpoint.model.asked) == before + 1
    endpoint.fails = None
    endpoint.clock.now += 10.001
    assert asyncio.run(callers()) == {"ok": 1, "breaker_open": 199}
    assert asyncio.run(callers()) == {"ok": 200}


def test_200_callers_of_four_workers_make_one_probe() -> None:
    clock = Clock()
    shared = SharedCircuits(clock)
    workers = [Endpoint(clock, Circuits(shared, RULES, clock), takes_s=0.05) for _ in range(4)]
    workers[0].fails = server_failed
    asyncio.run(workers[0].outcomes(8))
    for worker in workers:
        asyncio.run(worker.circuits.sync())
    assert all(worker.is_open for worker in workers)
    clock.now += 5.001

    async def callers() -> Counter[str]:
        return Counter(await asyncio.gather(*(worker.outcome() for worker in workers for _ in range(50))))

    assert asyncio.run(callers())["breaker_open"] == 199
    assert shared.asked["claim"] == 4  # one question per worker, not one per caller
    assert sum(len(worker.model.asked) for worker in workers) == 9


def test_an_endpoint_that_stays_down_is_probed_once_per_pause_and_pauses_double() -> None:
    """Promise 15: at most one transition per cooldown; here an hour of it, ten calls a second."""
    endpoint = Endpoint(Clock())
    endpoint.fails = server_failed

    async def hour() -> list[float]:
        asked_at = []
        for _ in range(36_000):
            if await endpoint.outcome() == "server_failed":
                asked_at.append(endpoint.clock())
            endpoint.clock.now += 0.1
        return asked_at

    asked_at = asyncio.run(hour())
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked_at[7:])]
    assert [round(pause) for pause in pauses[:4]] == [5, 10, 20, 40]
    assert {round(pause) for pause in pauses[4:]} == {40}
    assert len(asked_at) < 8 + 3 + 3_600 / 40 + 1


def test_one_that_recovers_only_for_the_probe_is_not_asked_more_and_more() -> None:
    endpoint = Endpoint(Clock())

    async def flap() -> list[float]:
        opened_at = []
        for _ in range(20_000):
            endpoint.fails = None if endpoint.is_open else server_failed
            was_open = endpoint.is_open
            await endpoint.outcome()
            if endpoint.is_open and not was_open:
                opened_at.append(endpoint.clock())
            endpoint.clock.now += 0.01
        return opened_at

    opened_at = asyncio.run(flap())
    gaps = [later - earlier for earlier, later in itertools.pairwise(opened_at)]
    assert min(gaps) >= 5.0
    assert [round(gap) for gap in gaps[:4]] == [5, 10, 20, 40]


@pytest.mark.parametrize("ending", [lambda: LimitsReached("m"), None])
def test_a_probe_that_says_nothing_lets_the_next_call_probe(ending: Callable[[], CallFailed] | None) -> None:
    clock = Clock()
    shared = SharedCircuits(clock)
    endpoint = Endpoint(clock, Circuits(shared, RULES, clock), takes_s=0.0 if ending else 5.0)
    endpoint.fails = lambda: OutOfCredit("m")
    asyncio.run(endpoint.outcome())
    endpoint.model.asked.clear()
    clock.now += 31
    endpoint.fails = ending

    async def cancelled() -> None:
        task = asyncio.create_task(endpoint.outcome())
        while not endpoint.model.asked:
            await asyncio.sleep(0.001)
        assert await endpoint.outcome() == "breaker_open"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    if ending:
        assert asyncio.run(endpoint.outcome()) == "limits_reached"
    else:
        asyncio.run(cancelled())
    assert endpoint.is_open
    healthy = CircuitBreaking(Scripted(), endpoint.circuit, clock=clock)
    assert asyncio.run(healthy.answer(a_question(clock() + 10))) is REPLY
    assert not endpoint.is_open
    assert shared.asked["claim"] == 1  # the claim was still this worker's


def test_a_rate_limit_answers_a_probe() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = lambda: OutOfCredit("m")
    asyncio.run(endpoint.outcomes(1))
    endpoint.clock.now += 31
    endpoint.fails = lambda: RateLimited("m", 1.0)
    assert asyncio.run(endpoint.outcome()) == "rate_limited"
    assert not endpoint.is_open


def test_calls_from_before_it_opened_change_nothing_when_they_end() -> None:
    endpoint = Endpoint(Clock())

    early, probe = [a_question(1e9) for _ in range(20)], a_question(1e9)

    async def run() -> None:
        for question in early:
            await endpoint.circuit.enter(question)
        for question in early[:8]:
            endpoint.circuit.leave(question, Severity.FAULT, "server_failed")
        assert endpoint.is_open
        endpoint.clock.now += 5.001
        await endpoint.circuit.enter(probe)
        endpoint.circuit.leave(early[8], Severity.NONE)
        assert endpoint.is_open
        endpoint.circuit.leave(probe, Severity.NONE)
        for question in early[9:]:
            endpoint.circuit.leave(question, Severity.FAULT, "server_failed")

    asyncio.run(run())
    assert not endpoint.is_open


def test_a_call_that_waits_is_refused_once_the_circuit_opens_and_the_probe_is_not() -> None:
    endpoint = Endpoint(Clock())
    waiting, failing, probe = (a_question(1e9) for _ in range(3))

    async def run() -> None:
        await endpoint.circuit.enter(waiting)
        await endpoint.circuit.enter(failing)
        endpoint.circuit.check(waiting)
        endpoint.circuit.leave(failing, Severity.PERSON, "key_refused")
        with pytest.raises(CircuitOpen, match="circuit of e open for 30 s"):
            endpoint.circuit.check(waiting)
        endpoint.clock.now += 30
        await endpoint.circuit.enter(probe)
        endpoint.circuit.check(probe)

    asyncio.run(run())


def test_a_failure_for_a_person_soon_after_closing_pauses_no_shorter_than_its_30_s() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = server_failed
    asyncio.run(endpoint.outcomes(8))
    endpoint.clock.now += 5.001
    endpoint.fails = None
    assert asyncio.run(endpoint.outcome()) == "ok"
    endpoint.clock.now += 1
    endpoint.fails = lambda: KeyRefused("m", 401)
    asyncio.run(endpoint.outcome())
    assert endpoint.circuit.report().open_for_s == 30.0


def test_a_fault_long_after_closing_pauses_no_longer_than_the_first() -> None:
    endpoint = Endpoint(Clock())
    for pause_s in (5.0, 5.0):
        endpoint.fails = server_failed
        asyncio.run(endpoint.outcomes(8))
        assert endpoint.circuit.report().open_for_s == pause_s
        endpoint.clock.now += 5.001
        endpoint.fails = None
        assert asyncio.run(endpoint.outcome()) == "ok"
        endpoint.clock.now += 70


def test_a_window_that_a_fault_has_left_does_not_count_it() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = server_failed
    asyncio.run(endpoint.outcomes(4))
    endpoint.clock.now += 60
    asyncio.run(endpoint.outcomes(7))
    assert not endpoint.is_open
    asyncio.run(endpoint.outcomes(1))
    assert endpoint.circuit.report().why == "8 of the last 8 calls failed, the last with server_failed"


def test_deadlines_that_pass_in_our_own_queue_are_not_the_endpoints_fault() -> None:
    endpoint = Endpoint(Clock())

    def queued() -> CallFailed:
        endpoint.clock.now += 10
        error = DeadlinePassed("m", 10)
        error.latency_ms = 200
        return error

    endpoint.fails = queued
    asyncio.run(endpoint.outcomes(50))
    assert not endpoint.is_open

    def slow() -> CallFailed:
        error = queued()
        error.latency_ms = 9_900
        return error

    rules = replace(RULES, window_s=600)
    endpoint = Endpoint(Clock(), Circuits(rules=rules, clock=(clock := Clock())))
    endpoint.clock = clock
    endpoint.fails = slow
    asyncio.run(endpoint.outcomes(8))
    assert endpoint.is_open


def test_a_connection_that_cannot_be_made_is_a_fault() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = lambda: ConnectionFailed("m", "refused", was_sent=False)
    asyncio.run(endpoint.outcomes(8))
    assert endpoint.is_open


# --- several workers


def two_workers() -> tuple[Clock, SharedCircuits, Endpoint, Endpoint]:
    clock = Clock()
    shared = SharedCircuits(clock)
    first, second = (Endpoint(clock, Circuits(shared, RULES, clock)) for _ in range(2))
    return clock, shared, first, second


def test_a_worker_takes_over_what_another_opened_and_closed() -> None:
    clock, _, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    clock.now += 1
    asyncio.run(second.circuits.sync())
    assert second.circuit.report().why == "another worker reports: the last call failed with out_of_credit"
    assert second.circuit.report().open_for_s == pytest.approx(29.0)
    assert asyncio.run(second.outcome()) == "breaker_open"
    clock.now += 30
    first.fails = None
    assert asyncio.run(first.outcome()) == "ok"
    asyncio.run(first.circuits.sync())
    asyncio.run(second.circuits.sync())
    assert not second.is_open
    assert second.model.asked == []


def test_a_failed_probe_lengthens_the_pause_of_the_others() -> None:
    clock, _, first, second = two_workers()
    first.fails = lambda: KeyRefused("m", 401)
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    asyncio.run(second.circuits.sync())
    clock.now += 31
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    asyncio.run(second.circuits.sync())
    assert second.circuit.report().open_for_s == pytest.approx(40.0)


def test_a_change_that_could_not_be_shared_is_shared_by_the_next_sync() -> None:
    _, shared, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    shared.is_down = True
    asyncio.run(first.outcome())
    with pytest.raises(OSError, match="down"):
        asyncio.run(first.circuits.sync())
    assert first.is_open
    shared.is_down = False
    asyncio.run(first.circuits.sync())
    asyncio.run(second.circuits.sync())
    assert second.is_open


def test_a_database_that_is_down_does_not_wedge_the_probe() -> None:
    clock, shared, first, _ = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    first.fails = None
    clock.now += 31
    shared.is_down = True
    with pytest.raises(OSError, match="down"):
        asyncio.run(first.outcome())
    shared.is_down = False
    clock.now += 1.001
    assert asyncio.run(first.outcome()) == "ok"


def test_a_worker_without_the_probe_asks_for_it_once_a_second() -> None:
    clock, shared, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    asyncio.run(second.circuits.sync())
    clock.now += 31
    assert shared.claim_probe_elsewhere("e", 60)
    for _ in range(100):
        assert asyncio.run(second.outcome()) == "breaker_open"
        clock.now += 0.1
    assert 9 <= shared.asked["claim"] <= 11
    assert second.model.asked == []
    clock.now += 60  # whoever had the probe has died
    assert asyncio.run(second.outcome()) == "ok"


def test_a_claim_of_an_earlier_pause_is_made_again_for_the_next_probe() -> None:
    clock, shared, first, _ = two_workers()
    first.fails = server_failed
    asyncio.run(first.outcomes(8))
    asyncio.run(first.circuits.sync())
    clock.now += 5.001
    assert asyncio.run(first.outcome()) == "server_failed"  # its claim would last for 11 s
    asyncio.run(first.circuits.sync())
    clock.now += 10.001
    assert shared.claim_probe_elsewhere("e", 60)
    assert asyncio.run(first.outcome()) == "breaker_open"
    assert len(first.model.asked) == 9


def test_a_report_during_the_probe_does_not_move_the_pause() -> None:
    clock, shared, first, _ = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    clock.now += 30
    asyncio.run(first.circuit.enter(a_question(clock() + 10)))
    shared.open("e", "the probe failed with server_failed", 40.0)
    asyncio.run(first.circuits.sync())
    assert first.circuit.report().open_for_s == 0.0


def test_a_new_worker_learns_of_an_open_circuit_and_probes_when_its_pause_is_over() -> None:
    clock, shared, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    clock.now += 100  # the first worker has died
    asyncio.run(second.circuits.sync())
    assert second.is_open
    assert asyncio.run(second.outcome()) == "ok"
    asyncio.run(second.circuits.sync())
    assert shared.load() == {}


def test_another_workers_shorter_pause_does_not_shorten_this_one() -> None:
    clock, shared, first, second = two_workers()
    for endpoint in (first, second):
        endpoint.fails = lambda: OutOfCredit("m")
        asyncio.run(endpoint.outcome())
    asyncio.run(first.circuits.sync())
    shared.open("e", "9 of the last 9 calls failed", 5.0)
    asyncio.run(first.circuits.sync())
    assert first.circuit.report().open_for_s == 30.0
    clock.now += 5.0
    assert asyncio.run(first.outcome()) == "breaker_open"


def test_an_operator_reads_when_a_circuit_opens_for_how_long_and_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    endpoint = Endpoint(Clock())
    endpoint.fails = server_failed
    asyncio.run(endpoint.outcomes(9))
    endpoint.fails = None
    endpoint.clock.now += 6
    asyncio.run(endpoint.outcomes(3))
    assert [record.getMessage() for record in caplog.records if "circuit" in record.name] == [
        "circuit of e open for 5 s: 8 of the last 8 calls failed, the last with server_failed",
        "circuit of e half-open: one call is the probe",
        "circuit of e closed: the probe was answered",
    ]


def test_an_open_circuit_says_how_long() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = lambda: OutOfCredit("m")
    asyncio.run(endpoint.outcome())
    with pytest.raises(CircuitOpen, match="circuit of e open for 30 s: the last call failed with out_of_credit"):
        asyncio.run(endpoint.breaking.answer(a_question(1e9)))


def test_a_claim_holds_up_to_its_end_and_not_at_it() -> None:
    clock, shared, first, _ = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    asyncio.run(first.circuits.sync())
    clock.now += 30
    for seconds, claims in ((0.0, 1), (10.0, 1), (1.0, 2)):  # the claim lasts for the 10 s of the deadline and 1 s more
        clock.now += seconds
        probe = a_question(clock() + 10)
        asyncio.run(first.circuit.enter(probe))
        first.circuit.leave(probe, Severity.UNKNOWN)
        assert shared.asked["claim"] == claims
