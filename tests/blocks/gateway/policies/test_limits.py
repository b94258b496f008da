import asyncio
import time
from collections.abc import Callable

import pytest

from blocks.gateway.errors import CircuitOpen, ConnectionFailed, LimitsReached, RateLimited, ServerFailed
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.providers.limit_headers import Allowance, LimitHeaders
from tests.doubles.failing_models import REPLY, Scripted, a_model, a_question
from tests.doubles.virtual_time import now, run_virtually

FAR = 1e9


def limits_of(**given: object) -> Limits:
    return Limits(a_model(**{"in_flight": 1_000, **given}), clock=now)


async def ask(limited: Limited, calls: int, deadline: float = FAR) -> list[str]:
    """Ask so many times at once; tells how each call ended."""

    async def one(at: int) -> str:
        try:
            await limited.answer(a_question(deadline, document_id=str(at)))
        except LimitsReached as error:
            return error.kind
        return "ok"

    return list(await asyncio.gather(*(one(at) for at in range(calls))))


def most_in_a_minute(times: list[float]) -> int:
    """The most of these times within any minute, its end not included."""
    most = first = 0
    for last, moment in enumerate(times):
        while times[first] <= moment - 60 + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


# --- requests, tokens, calls in flight


@pytest.mark.parametrize("rpm", [1, 2, 7, 60, 600, 6_000])
def test_no_minute_sees_more_requests_than_the_limit_and_hardly_fewer(rpm: int) -> None:
    async def run() -> list[float]:
        model = Scripted()
        await ask(Limited(model, limits_of(rpm=rpm)), 4 * rpm)
        return model.times

    times = run_virtually(run())
    assert most_in_a_minute(times) <= rpm
    assert times[-1] - times[0] <= 60 * 4 / 0.94


def test_calls_in_flight_are_bounded_and_the_places_are_all_used() -> None:
    async def run() -> tuple[int, float]:
        model = Scripted(takes_s=1.0)
        started = now()
        await ask(Limited(model, limits_of(in_flight=16)), 160)
        return model.busiest, now() - started

    busiest, took_s = run_virtually(run())
    assert busiest == 16
    assert took_s == pytest.approx(10.0)


def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    async def run() -> list[str]:
        model = Scripted(takes_s=0.3)
        await ask(Limited(model, limits_of(rpm=120, tpm=100_000, in_flight=3)), 200)
        return [question.request.document_id for _, question in model.asked]

    assert run_virtually(run()) == [str(at) for at in range(200)]


def test_a_large_call_is_not_passed_by_small_ones() -> None:
    async def run() -> list[str]:
        limits = limits_of(tpm=6_000)
        order: list[str] = []

        async def take(name: str, tokens: float) -> None:
            await limits.take(tokens, FAR)
            order.append(name)
            limits.finish(tokens, 0, None)

        await take("first", 100)  # of the 300 that may be had at once
        large = asyncio.create_task(take("large", 6_000))
        await asyncio.sleep(0.1)
        await asyncio.gather(large, *(take("small", 10) for _ in range(5)))
        return order

    assert run_virtually(run())[:2] == ["first", "large"]


def spends(tokens: int) -> Scripted:
    reply = ModelReply(usage=Usage(input_tokens=tokens - 20, output_tokens=20))
    return Scripted(lambda _at, _question: reply, takes_s=0.5)


@pytest.mark.parametrize("tokens", [100, 1_000, 8_000])
def test_tokens_are_corrected_by_what_the_provider_counted(tokens: int) -> None:
    """The estimate of these calls is about 900 tokens, whatever they really are."""

    async def run() -> float:
        model = spends(tokens)
        started = now()
        calls = 10 * 60_000 // tokens
        await ask(Limited(model, limits_of(tpm=60_000, in_flight=20)), calls)
        return (now() - started) / 60

    minutes = run_virtually(run())
    assert 9.0 <= minutes <= 10 / 0.9


def test_a_call_that_was_not_sent_gives_everything_back() -> None:
    async def run() -> int:
        unsent = Scripted(lambda _at, _question: ConnectionFailed("m", "refused", was_sent=False))
        limits = limits_of(rpm=1, tpm=1_000, in_flight=1)
        for _ in range(50):
            with pytest.raises(ConnectionFailed):
                await Limited(unsent, limits).answer(a_question(now() + 1))
        assert limits.in_flight == 0
        await Limited(Scripted(), limits).answer(a_question(now() + 1))
        return len(unsent.asked)

    assert run_virtually(run()) == 50


def test_a_call_that_failed_after_it_was_sent_has_used_its_request() -> None:
    async def run() -> None:
        limits = limits_of(rpm=1)
        sent = Scripted(lambda _at, _question: ServerFailed("m", 500))
        with pytest.raises(ServerFailed):
            await Limited(sent, limits).answer(a_question(FAR))
        with pytest.raises(LimitsReached):
            await Limited(Scripted(), limits).answer(a_question(now() + 30))

    run_virtually(run())


# --- deadlines, cancellation


def test_waiting_ends_when_half_of_the_time_is_gone() -> None:
    async def run() -> tuple[list[str], float, int]:
        model = Scripted(takes_s=10.0)
        limits = limits_of(in_flight=1)
        started = now()
        outcomes = await ask(Limited(model, limits), 5, deadline=now() + 50)
        return outcomes, now() - started, limits.waiting

    outcomes, took_s, waiting = run_virtually(run())
    assert outcomes == ["ok"] * 3 + ["limits_reached"] * 2
    assert took_s == pytest.approx(30.0)
    assert waiting == 0


def test_who_cannot_wait_as_long_as_the_provider_asks_is_told_at_once() -> None:
    async def run() -> tuple[float, float]:
        limits = limits_of(in_flight=1)
        await limits.take(0, FAR)
        waits = asyncio.create_task(limits.take(0, now() + 60))
        waits_longer = asyncio.create_task(limits.take(0, now() + 4_000))
        await asyncio.sleep(1)
        limits.hold(3_600)
        started = now()
        with pytest.raises(RateLimited) as raised:
            await waits
        assert (raised.value.retry_after_s, raised.value.was_sent) == (3_600, False)
        with pytest.raises(RateLimited):
            await limits.take(0, now() + 60)
        took_s = now() - started
        limits.finish(0, 0, None)
        await waits_longer
        return took_s, now() - started

    took_s, longer_s = run_virtually(run())
    assert took_s == 0.0
    assert longer_s == pytest.approx(3_600.0, abs=0.01)


def test_a_quota_that_is_used_up_for_the_day_is_not_waited_for() -> None:
    async def run() -> float:
        limits = limits_of(rpm=60)
        limits.follow(LimitHeaders(requests=Allowance(remaining=0, limit=14_400, reset_s=86_400 * 14.0)))
        with pytest.raises(RateLimited):
            await limits.take(0, now() + 60)
        return now()

    assert run_virtually(run()) == 1_000.0


def test_our_own_limits_are_waited_for_until_the_deadline() -> None:
    async def run() -> float:
        limits = limits_of(rpm=1)
        await limits.take(0, FAR)
        with pytest.raises(LimitsReached):
            await limits.take(0, now() + 30)
        return now()

    assert run_virtually(run()) == pytest.approx(1_030.0)


def test_a_deadline_that_has_passed_is_not_waited_for() -> None:
    async def run() -> None:
        limits = limits_of(in_flight=1)
        await limits.take(0, FAR)
        with pytest.raises(LimitsReached):
            await limits.take(0, now())

    run_virtually(run())


def test_a_cancelled_caller_leaves_the_queue_and_its_place() -> None:
    async def run() -> tuple[int, int]:
        model = Scripted(takes_s=5.0)
        limits = limits_of(in_flight=2)
        limited = Limited(model, limits)
        tasks = [asyncio.create_task(limited.answer(a_question(FAR))) for _ in range(10)]
        await asyncio.sleep(1)
        for task in tasks[:9]:  # two under way, seven that wait
            task.cancel()
        await tasks[9]
        assert now() == pytest.approx(1_006.0)
        return limits.in_flight, limits.waiting

    assert run_virtually(run()) == (0, 0)


def test_a_caller_that_is_cancelled_as_it_is_served_gives_its_place_on() -> None:
    async def run() -> int:
        limits = limits_of(in_flight=1)
        await limits.take(0, FAR)
        waits = asyncio.create_task(limits.take(0, FAR))
        await asyncio.sleep(0)
        limits.finish(0, 0, None)  # serves it
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        return limits.in_flight

    assert run_virtually(run()) == 0


def test_calls_behind_a_cancelled_caller_are_served_at_once() -> None:
    async def run() -> float:
        limits = limits_of(tpm=6_000)
        await limits.take(200, FAR)  # of the 300 that may be taken at once
        large = asyncio.create_task(limits.take(6_000, FAR))
        small = asyncio.create_task(limits.take(50, FAR))
        await asyncio.sleep(0.001)
        large.cancel()
        await asyncio.gather(large, small, return_exceptions=True)
        return now() - 1_000

    assert run_virtually(run()) == pytest.approx(0.001, abs=0.001)


def test_calls_behind_a_caller_whose_deadline_passes_are_served_at_once() -> None:
    async def run() -> float:
        limits = limits_of(tpm=6_000)
        await limits.take(200, FAR)
        large = asyncio.create_task(limits.take(6_000, now() + 0.5))
        small = asyncio.create_task(limits.take(50, FAR))
        await asyncio.gather(large, small, return_exceptions=True)
        return now() - 1_000

    assert run_virtually(run()) == pytest.approx(0.5, abs=0.001)


def test_the_circuit_is_checked_after_the_wait_and_a_refused_call_gives_its_room_back() -> None:
    async def run() -> tuple[int, int]:
        model, limits = Scripted(), limits_of(rpm=1)

        def check(_: Question) -> None:
            raise CircuitOpen("m", "8 of the last 8 calls failed", 5)

        for _ in range(3):
            with pytest.raises(CircuitOpen):
                await Limited(model, limits, check).answer(a_question(now() + 1))
        await Limited(model, limits).answer(a_question(now() + 1))
        return len(model.asked), limits.in_flight

    assert run_virtually(run()) == (1, 0)


# --- the registry and other workers


def test_a_limit_that_is_doubled_counts_from_the_next_call() -> None:
    async def run(rpm: int) -> int:
        model = Scripted()
        limits = limits_of(rpm=60)
        asking = asyncio.create_task(ask(Limited(model, limits), 1_000))
        await asyncio.sleep(120)
        before = len(model.asked)
        limits.reconfigure(a_model(in_flight=1_000, rpm=rpm))
        await asyncio.sleep(120)
        asking.cancel()
        return len(model.asked) - before

    assert 110 <= run_virtually(run(60)) <= 120
    assert 220 <= run_virtually(run(120)) <= 240
    assert 55 <= run_virtually(run(30)) <= 60


def test_a_limit_that_is_lifted_lets_all_that_wait_go() -> None:
    async def run() -> float:
        model = Scripted()
        limits = limits_of(rpm=1)
        asking = asyncio.create_task(ask(Limited(model, limits), 100))
        await asyncio.sleep(5)
        limits.reconfigure(a_model(in_flight=1_000))
        await asking
        return now()

    assert run_virtually(run()) == pytest.approx(1_005.0)


def lease(live: list[Limits]) -> None:
    """Set how many workers share the limits, as their leases do."""
    for place, limits in enumerate(live):
        limits.set_lease(place, len(live))


@pytest.mark.parametrize("workers", [1, 2, 4, 200])
@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_workers_together_keep_to_the_limit(workers: int, in_flight: int) -> None:
    async def run() -> tuple[list[float], int]:
        model = Scripted(takes_s=2.0)
        live = [Limits(a_model(rpm=100, in_flight=in_flight), clock=now) for _ in range(workers)]

        async def work(limits: Limits) -> None:
            assert set(await ask(Limited(model, limits), -(-400 // workers))) == {"ok"}
            live.remove(limits)
            lease(live)

        lease(live)
        await asyncio.gather(*(work(limits) for limits in tuple(live)))
        return model.times, model.busiest

    times, busiest = run_virtually(run())
    assert most_in_a_minute(times) <= max(100, workers)  # each may make one at once
    assert busiest == in_flight, "no call more, and no place left empty"


def test_who_has_no_place_waits_until_one_is_left() -> None:
    async def run() -> tuple[list[str], list[str], list[str]]:
        model = Scripted(takes_s=1.0)
        first, second = live = [limits_of(in_flight=1), limits_of(in_flight=1)]
        lease(live)
        refused = await ask(Limited(model, second), 1, deadline=now() + 10)
        waiting = asyncio.create_task(ask(Limited(model, second), 1))
        answered = await ask(Limited(model, first), 3)
        assert not waiting.done()
        lease([second])
        return refused, answered, await waiting

    assert run_virtually(run()) == (["limits_reached"], ["ok"] * 3, ["ok"])


def test_workers_without_a_place_leave_the_whole_limit_to_the_others() -> None:
    async def run() -> int:
        model, limits = Scripted(), limits_of(rpm=60, in_flight=1)
        limits.set_lease(0, 4)
        asking = asyncio.create_task(ask(Limited(model, limits), 1_000))
        await asyncio.sleep(60)
        asking.cancel()
        return len(model.asked)

    assert 55 <= run_virtually(run()) <= 60


def test_the_last_worker_alone_takes_all_of_the_limit() -> None:
    async def run() -> int:
        model = Scripted()
        limits = limits_of(rpm=60)
        limits.set_lease(0, 4)
        asking = asyncio.create_task(ask(Limited(model, limits), 1_000))
        await asyncio.sleep(60)
        before = len(model.asked)
        limits.set_lease(0, 1)
        await asyncio.sleep(60)
        asking.cancel()
        return len(model.asked) - before

    assert 55 <= run_virtually(run()) <= 60


# --- what the provider says


@pytest.mark.parametrize("make", [lambda: RateLimited("m", 20.0), lambda: ServerFailed("m", 503, "", 20.0)])
def test_one_that_is_told_to_wait_holds_back_all_the_others(make: Callable[[], RateLimited | ServerFailed]) -> None:
    """300 callers do not each find out for themselves."""

    async def run() -> list[float]:
        model = Scripted(lambda at, _question: make() if at == 0 else REPLY, takes_s=0.2)
        limited = Limited(model, limits_of())
        with pytest.raises((RateLimited, ServerFailed)):
            await limited.answer(a_question(FAR))
        assert set(await ask(limited, 300)) == {"ok"}
        return [at - model.times[0] for at in model.times[1:]]

    assert min(run_virtually(run())) >= 20.2


def test_a_rate_limit_without_a_time_holds_back_for_a_second() -> None:
    async def run() -> list[float]:
        model = Scripted(lambda at, _question: RateLimited("m") if at == 0 else REPLY)
        limited = Limited(model, limits_of())
        with pytest.raises(RateLimited):
            await limited.answer(a_question(FAR))
        await ask(limited, 2)
        return model.times

    first, *others = run_virtually(run())
    assert min(others) == pytest.approx(first + 1.0, abs=0.002)


def test_a_key_that_others_use_up_is_put_on_hold_until_there_is_room() -> None:
    """The provider has none of 600 requests left, and ten more each second; no limit is configured here."""

    async def run() -> float:
        limits = limits_of()
        limits.follow(LimitHeaders(requests=Allowance(remaining=0, limit=600, reset_s=60)))
        await limits.take(0, FAR)
        return now() - 1_000

    assert run_virtually(run()) == pytest.approx(0.2, abs=0.01)  # room for two: this call, and one of others


def test_tokens_that_the_provider_has_not_are_waited_for_by_the_size_of_the_last_call() -> None:
    async def run() -> float:
        limits = limits_of()
        await Limited(spends(5_000), limits).answer(a_question(FAR))
        started = now()
        limits.follow(LimitHeaders(tokens=Allowance(remaining=0, limit=30_000, reset_s=60)))
        await limits.take(0, FAR)
        return now() - started

    assert run_virtually(run()) == pytest.approx(20.0, abs=0.01)


def test_a_full_allowance_and_one_that_fits_hold_nothing() -> None:
    async def run() -> float:
        limits = limits_of()
        limits.follow(LimitHeaders(Allowance(9_999, 10_000, 0.006), Allowance(1_999_000, 2_000_000, 0.03)))
        limits.follow(LimitHeaders(requests=Allowance(remaining=2, limit=600, reset_s=60)))
        await limits.take(0, FAR)
        return now() - 1_000

    assert run_virtually(run()) == 0.0


def test_a_provider_that_enforces_its_limits_hardly_ever_has_to_say_no() -> None:
    """The double admits 120 requests a minute by a bucket of ten and tells so; nothing is configured here."""

    async def run() -> tuple[int, int]:
        level, at, refused = 10.0, now(), 0

        def admit(_at: int, _question: object) -> ModelReply | BaseException:
            nonlocal level, at, refused
            level, at = min(10.0, level + (now() - at) * 2), now()
            if level < 1:
                refused += 1
                return RateLimited("m", (1 - level) / 2)
            level -= 1
            limits.follow(LimitHeaders(requests=Allowance(int(level), 10, (10 - level) / 2)))
            return REPLY

        limits = limits_of(in_flight=4)
        limited = Limited(Scripted(admit, takes_s=0.5), limits)
        done = 0

        async def one() -> None:
            nonlocal done
            while True:
                try:
                    await limited.answer(a_question(FAR))
                except RateLimited:
                    continue
                done += 1
                return

        await asyncio.gather(*(one() for _ in range(400)))
        assert now() - 1_000 < 400 / 2 * 1.1
        return done, refused

    done, refused = run_virtually(run())
    assert done == 400
    assert refused <= 12


def test_a_later_shorter_hold_does_not_shorten_a_longer_one() -> None:
    async def run() -> float:
        limits = limits_of()
        limits.hold(30)
        await asyncio.sleep(1)
        limits.hold(2)
        await limits.take(0, FAR)
        return now() - 1_000

    assert run_virtually(run()) == pytest.approx(30.0, abs=0.01)


def test_a_later_longer_hold_counts_from_its_own_moment() -> None:
    async def run() -> float:
        limits = limits_of()
        limits.hold(5)
        await asyncio.sleep(1)
        limits.hold(10)
        await limits.take(0, FAR)
        return now() - 1_000

    assert run_virtually(run()) == pytest.approx(11.0, abs=0.01)


def test_the_estimate_learns_from_what_was_counted() -> None:
    async def run() -> float:
        limits = limits_of(tpm=1_000_000)
        model = Scripted(lambda _at, _question: ModelReply(usage=Usage(input_tokens=2_000, output_tokens=50)))
        limited = Limited(model, limits)
        for _ in range(60):
            await limited.answer(a_question(FAR))
        return limits.estimate(520)

    assert run_virtually(run()) == pytest.approx(2_050, rel=0.05)


@pytest.mark.long
def test_limits_hold_in_real_time() -> None:
    async def run() -> list[float]:
        model = Scripted(takes_s=0.05)
        await ask(Limited(model, Limits(a_model(rpm=300, in_flight=50))), 450, time.monotonic() + 240)
        return model.times

    times = asyncio.run(run())
    assert len(times) == 450
    assert most_in_a_minute(times) <= 300
