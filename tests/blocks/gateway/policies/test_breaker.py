import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from blocks.gateway.errors import (
    BreakerOpen,
    CallFailed,
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
from blocks.gateway.policies.breaker import Breakers, Breaking
from blocks.gateway.policies.circuit import BreakerRules, Sign
from blocks.gateway.policies.shared_state import BreakerReport
from tests.doubles.failing_models import REPLY, Scripted, a_question

RULES = BreakerRules(window_s=60, least_calls=8, ratio=0.5, cooldown_s=5, grave_cooldown_s=30, most_cooldown_s=40)


class Clock:
    """A clock that is set by hand, which also stamps what happened."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class SharedBreakers:
    """Keeps breakers for several workers as the database does, by the same clock; counts what it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}
        self._claims: dict[str, float] = {}
        self.asked: Counter[str] = Counter()
        self.is_down = False

    def load(self) -> Mapping[str, BreakerReport]:
        self._note("load")
        return {
            key: BreakerReport(key, True, why, max(0.0, until - self._clock()))
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
    """A model behind a breaker, whose health is set by hand."""

    def __init__(self, clock: Clock, breakers: Breakers | None = None, *, takes_s: float = 0.0) -> None:
        self.clock = clock
        self.fails: Callable[[], CallFailed] | None = None
        self.model = Scripted(self._say, takes_s)
        self.breakers = breakers or Breakers(rules=RULES, clock=clock)
        self.breaker = self.breakers.get("e")
        self.breaking = Breaking(self.model, self.breaker, clock=clock)

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
        return self.breaker.report().is_open


def server_failed() -> ServerFailed:
    return ServerFailed("m", 503)


def test_it_opens_at_half_of_the_calls_and_says_why() -> None:
    endpoint = Endpoint(Clock())
    assert asyncio.run(endpoint.outcomes(5)) == {"ok": 5}
    endpoint.fails = server_failed
    assert asyncio.run(endpoint.outcomes(4)) == {"server_failed": 4}
    assert not endpoint.is_open
    assert asyncio.run(endpoint.outcomes(10)) == {"server_failed": 1, "breaker_open": 9}
    report = endpoint.breaker.report()
    assert (report.is_open, report.open_for_s) == (True, 5.0)
    assert report.why == "5 of its last 10 calls failed, the last with server_failed"
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
    assert endpoint.breaker.report().open_for_s == 30.0
    assert endpoint.breaker.report().why == f"its last call ended with {make().kind}"


def test_a_model_that_the_endpoint_does_not_know_leaves_its_neighbours_alone() -> None:
    endpoint = Endpoint(Clock())
    misspelt = Scripted(lambda _at, _question: UpstreamMissing("x", "gtp"))
    own = endpoint.breakers.get("model x")
    breaking = Breaking(misspelt, endpoint.breaker, own, endpoint.clock)
    for _ in range(3):
        with pytest.raises(CallFailed):
            asyncio.run(breaking.answer(a_question(endpoint.clock() + 10)))
    assert (own.report().is_open, endpoint.is_open, len(misspelt.asked)) == (True, False, 1)
    assert asyncio.run(endpoint.outcome()) == "ok"


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
    shared = SharedBreakers(clock)
    workers = [Endpoint(clock, Breakers(shared, RULES, clock), takes_s=0.05) for _ in range(4)]
    workers[0].fails = server_failed
    asyncio.run(workers[0].outcomes(8))
    for worker in workers:
        worker.breakers.sync()
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
    shared = SharedBreakers(clock)
    endpoint = Endpoint(clock, Breakers(shared, RULES, clock), takes_s=0.0 if ending else 5.0)
    endpoint.breaker.leave(asyncio.run(endpoint.breaker.enter("m", 0)), Sign.GRAVE, "out_of_credit")
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
    healthy = Breaking(Scripted(), endpoint.breaker, clock=clock)
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

    async def run() -> None:
        early = [await endpoint.breaker.enter("m", 0) for _ in range(20)]
        for ticket in early[:8]:
            endpoint.breaker.leave(ticket, Sign.FAULT, "server_failed")
        endpoint.clock.now += 5.001
        probe = await endpoint.breaker.enter("m", 0)
        endpoint.breaker.leave(probe, Sign.SOUND)
        for ticket in early[8:]:
            endpoint.breaker.leave(ticket, Sign.FAULT, "server_failed")

    asyncio.run(run())
    assert not endpoint.is_open


def test_deadlines_that_pass_in_our_own_queue_are_not_the_endpoints_fault() -> None:
    endpoint = Endpoint(Clock())

    def queued() -> CallFailed:
        endpoint.clock.now += 10
        error = DeadlinePassed("m", 10, was_sent=True)
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
    endpoint = Endpoint(Clock(), Breakers(rules=rules, clock=(clock := Clock())))
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


def two_workers() -> tuple[Clock, SharedBreakers, Endpoint, Endpoint]:
    clock = Clock()
    shared = SharedBreakers(clock)
    first, second = (Endpoint(clock, Breakers(shared, RULES, clock)) for _ in range(2))
    return clock, shared, first, second


def test_a_worker_takes_over_what_another_opened_and_closed() -> None:
    clock, _, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    first.breakers.sync()
    clock.now += 1
    second.breakers.sync()
    assert second.breaker.report().why == "another worker found: its last call ended with out_of_credit"
    assert second.breaker.report().open_for_s == pytest.approx(29.0)
    assert asyncio.run(second.outcome()) == "breaker_open"
    clock.now += 30
    first.fails = None
    assert asyncio.run(first.outcome()) == "ok"
    first.breakers.sync()
    second.breakers.sync()
    assert not second.is_open
    assert second.model.asked == []


def test_a_failed_probe_lengthens_the_pause_of_the_others() -> None:
    clock, _, first, second = two_workers()
    first.fails = lambda: KeyRefused("m", 401)
    asyncio.run(first.outcome())
    first.breakers.sync()
    second.breakers.sync()
    clock.now += 31
    asyncio.run(first.outcome())
    first.breakers.sync()
    second.breakers.sync()
    assert second.breaker.report().open_for_s == pytest.approx(40.0)


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    _, shared, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    shared.is_down = True
    asyncio.run(first.outcome())
    with pytest.raises(OSError, match="down"):
        first.breakers.sync()
    assert first.is_open
    shared.is_down = False
    first.breakers.sync()
    second.breakers.sync()
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
    first.breakers.sync()
    second.breakers.sync()
    clock.now += 31
    assert shared.claim_probe_elsewhere("e", 60)
    for _ in range(100):
        assert asyncio.run(second.outcome()) == "breaker_open"
        clock.now += 0.1
    assert 9 <= shared.asked["claim"] <= 11
    assert second.model.asked == []
    clock.now += 60  # whoever had the probe has died
    assert asyncio.run(second.outcome()) == "ok"


def test_a_new_worker_learns_of_a_breaker_and_probes_when_its_pause_is_over() -> None:
    clock, shared, first, second = two_workers()
    first.fails = lambda: OutOfCredit("m")
    asyncio.run(first.outcome())
    first.breakers.sync()
    clock.now += 100  # the first worker has died
    second.breakers.sync()
    assert second.is_open
    assert asyncio.run(second.outcome()) == "ok"
    second.breakers.sync()
    assert shared.load() == {}


def test_transitions_are_logged_with_their_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    endpoint = Endpoint(Clock())
    endpoint.fails = lambda: OutOfCredit("m")
    asyncio.run(endpoint.outcomes(3))
    endpoint.fails = None
    endpoint.clock.now += 31
    asyncio.run(endpoint.outcomes(3))
    assert [
        record.getMessage() for record in caplog.records if "breaker" in record.name or "circuit" in record.name
    ] == [
        "breaker of e: open for 30 s, because its last call ended with out_of_credit",
        "breaker of e: one call is let through as a probe",
        "breaker of e: closed, because the probe was answered",
    ]


def test_an_open_breaker_says_how_long() -> None:
    endpoint = Endpoint(Clock())
    endpoint.fails = lambda: OutOfCredit("m")
    asyncio.run(endpoint.outcome())
    with pytest.raises(BreakerOpen, match="left alone for 30 s, because its last call ended with out_of_credit"):
        asyncio.run(endpoint.breaking.answer(a_question(1e9)))
