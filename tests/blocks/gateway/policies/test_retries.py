import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from blocks.gateway.errors import (
    CallFailed,
    ConnectionFailed,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TruncatedReply,
)
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.policies.retries import BUDGET_FLOOR, MAX_ATTEMPTS, RetryBudget, Retrying
from tests.doubles.failing_models import REPLY, Scripted, a_question
from tests.doubles.virtual_time import now, run_virtually

FAR = 1e9


def always(make: Callable[[], CallFailed]) -> Callable[[int, Question], BaseException]:
    return lambda _at, _question: make()


def failing(times: int, make: Callable[[], CallFailed]) -> Callable[[int, Question], ModelReply | BaseException]:
    return lambda at, _question: make() if at < times else REPLY


def server_failed() -> ServerFailed:
    return ServerFailed("m", 503)


def retrying(model: Scripted, **given: object) -> Retrying:
    return Retrying(model, RetryBudget(floor=1_000_000, clock=now), clock=now, **given)  # type: ignore[arg-type]


def test_a_transient_failure_is_tried_again_and_counted_up() -> None:
    model = Scripted(failing(2, server_failed))
    assert run_virtually(retrying(model).answer(a_question(FAR))) is REPLY
    assert [question.attempt for _, question in model.asked] == [1, 2, 3]


def test_three_attempts_are_the_most() -> None:
    model = Scripted(always(server_failed))
    with pytest.raises(ServerFailed) as raised:
        run_virtually(retrying(model).answer(a_question(FAR)))
    assert len(model.asked) == MAX_ATTEMPTS == raised.value.attempt


def test_a_corrective_turn_after_three_attempts_is_one_attempt() -> None:
    model = Scripted(always(server_failed))
    with pytest.raises(ServerFailed):
        run_virtually(retrying(model).answer(replace(a_question(FAR), attempt=4)))
    assert len(model.asked) == 1


@pytest.mark.parametrize("make", [lambda: RequestRefused("m", 400), lambda: TruncatedReply("m")])
def test_what_is_not_transient_is_not_tried_again(make: Callable[[], CallFailed]) -> None:
    model = Scripted(always(make))
    with pytest.raises(CallFailed):
        run_virtually(retrying(model).answer(a_question(FAR)))
    assert len(model.asked) == 1


def test_attempts_that_were_never_sent_use_up_no_budget_and_are_three_at_most() -> None:
    def not_sent() -> ConnectionFailed:
        return ConnectionFailed("m", "its host is not known", was_sent=False)

    budget = RetryBudget(share=0.0, floor=1, clock=now)

    def ask(model: Scripted) -> ModelReply:
        return run_virtually(Retrying(model, budget, clock=now).answer(a_question(FAR)))

    for _ in range(2):
        assert ask(Scripted(failing(2, not_sent))) is REPLY
    never = Scripted(always(not_sent))
    with pytest.raises(ConnectionFailed):
        ask(never)
    assert len(never.asked) == MAX_ATTEMPTS
    assert ask(Scripted(failing(1, server_failed))) is REPLY, "the one that the budget has"
    with pytest.raises(ServerFailed):
        ask(Scripted(failing(1, server_failed)))


def test_waits_are_a_random_share_of_a_bound_that_doubles() -> None:
    waits: list[list[float]] = [[], []]
    for seed in range(300):
        model = Scripted(always(server_failed))
        with pytest.raises(ServerFailed):
            run_virtually(retrying(model, share_of=random.Random(seed).random).answer(a_question(FAR)))
        for at in (0, 1):
            waits[at].append(model.times[at + 1] - model.times[at])
    assert max(waits[0]) <= 0.501
    assert max(waits[1]) <= 1.001
    assert min(waits[0]) < 0.05  # full jitter starts at nothing
    assert 0.2 < sum(waits[0]) / 300 < 0.3
    assert 0.4 < sum(waits[1]) / 300 < 0.6


def test_no_wait_passes_the_deadline() -> None:
    async def ask() -> float:
        model = Scripted(always(lambda: RateLimited("m", 30.0)))
        with pytest.raises(RateLimited):
            await retrying(model).answer(a_question(now() + 29.0))
        assert len(model.asked) == 1
        return now()

    assert run_virtually(ask()) == pytest.approx(1_000.0)  # it gave up at once


def test_retry_after_is_never_undercut() -> None:
    """Promise 14: 0 early calls in 1,000."""

    async def ask() -> int:
        chance = random.Random(7)
        early = 0

        async def one() -> None:
            nonlocal early
            asked_for = chance.choice([0.001, 0.02, 1.0, 1.5, 7.0, 33.3])
            model = Scripted(failing(1, lambda: RateLimited("m", asked_for)), takes_s=0.1)
            retry = Retrying(model, budget, clock=now, share_of=lambda: 0.0)
            await asyncio.sleep(chance.random() * 100)
            await retry.answer(a_question(FAR))
            early += model.times[1] - (model.times[0] + 0.1) < asked_for - 1e-9
            assert len(model.asked) == 2

        budget = RetryBudget(floor=1_000, clock=now)
        await asyncio.gather(*(one() for _ in range(1_000)))
        return early

    assert run_virtually(ask()) == 0


@pytest.mark.parametrize("clock_runs_fast_by", [0.0, 0.3])
def test_a_sleep_that_ends_early_is_slept_on(clock_runs_fast_by: float) -> None:
    async def short_sleep(seconds: float) -> None:
        await asyncio.sleep(seconds * (1 - clock_runs_fast_by))

    async def ask() -> float:
        model = Scripted(failing(1, lambda: RateLimited("m", 10.0)))
        await retrying(model, sleep=short_sleep).answer(a_question(FAR))
        return model.times[1] - model.times[0]

    assert run_virtually(ask()) >= 10.0


async def storm(calls: int, per_s: int, clock: Callable[[], float]) -> tuple[int, Counter[str]]:
    """Ask a model that always fails, so many times, at a steady rate; returns what it saw."""
    model = Scripted(always(server_failed))
    retry = Retrying(model, RetryBudget(clock=clock), clock=clock)

    async def one(at: int) -> None:
        await asyncio.sleep(at / per_s)
        with pytest.raises(ServerFailed):
            await retry.answer(a_question(clock() + 60, document_id=str(at)))

    await asyncio.gather(*(one(at) for at in range(calls)))
    return len(model.asked), Counter(question.request.document_id for _, question in model.asked)


@pytest.mark.parametrize(("calls", "per_s"), [(6_000, 100), (60, 1), (3_000, 3_000)])
def test_a_provider_that_fails_for_a_minute_sees_a_tenth_more_than_the_calls(calls: int, per_s: int) -> None:
    """Promise 13: 100 % 503 for 60 s: at most 1.1 times the calls and a floor, at most 3 attempts each."""
    upstream, attempts = run_virtually(storm(calls, per_s, now))
    assert calls + BUDGET_FLOOR <= upstream <= 1.1 * calls + BUDGET_FLOOR
    assert max(attempts.values()) <= 3


@pytest.mark.long
def test_no_retry_storm_in_real_time() -> None:
    """Promise 13 by the real clock."""
    upstream, attempts = asyncio.run(storm(6_000, 100, time.monotonic))
    assert upstream <= 1.1 * 6_000 + BUDGET_FLOOR
    assert max(attempts.values()) <= 3


def test_the_budget_comes_back_when_the_window_has_passed() -> None:
    clock = 0.0
    budget = RetryBudget(share=0.1, floor=2, window_s=60, clock=lambda: clock)
    for _ in range(30):
        budget.count_call()
    assert [budget.take() for _ in range(6)] == [True] * 5 + [False]
    clock = 61.0
    assert [budget.take() for _ in range(3)] == [True, True, False]  # the floor alone: the calls are gone too
    clock = 122.0
    assert budget.take()
