"""The policies around one model, as the gateway stacks them, against providers in trouble."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

from blocks.gateway.errors import CallFailed, RateLimited, RequestRefused, ServerFailed, WrongSchema
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.circuit import CircuitBreaking, Circuits
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.policies.retries import BUDGET_FLOOR, RetryBudget, Retrying
from blocks.gateway.policies.wrapper import behind
from tests.doubles.failing_models import REPLY, Scripted, a_model, a_question
from tests.doubles.virtual_time import now, run_virtually


def stacked(model: Model, **given: object) -> Model:
    circuit = Circuits(clock=now).get("e")
    policies: list[Callable[[Model], Model]] = [
        Correcting,
        partial(Retrying, budget=RetryBudget(clock=now), clock=now),
        partial(CircuitBreaking, circuit=circuit, clock=now),
        partial(Limited, limits=Limits(a_model(**given), clock=now), check=circuit.check),
    ]
    return behind(model, policies)


async def outcomes(model: Model, calls: int, per_s: float, timeout_s: float = 60.0) -> Counter[str]:
    async def one(at: int) -> str:
        await asyncio.sleep(at / per_s)
        try:
            await model.answer(a_question(now() + timeout_s, document_id=str(at)))
        except CallFailed as error:
            return error.kind
        return "ok"

    return Counter(await asyncio.gather(*(one(at) for at in range(calls))))


def test_300_callers_outlive_a_rate_limit_that_few_of_them_meet() -> None:
    async def run() -> tuple[Counter[str], int]:
        opens_at = now() + 20

        def script(_at: int, _question: Question) -> ModelReply | BaseException:
            return REPLY if now() >= opens_at else RateLimited("m", opens_at - now())

        model = Scripted(script, takes_s=0.2)
        return await outcomes(stacked(model, in_flight=16), 300, per_s=1e6), len(model.asked)

    ended, asked = run_virtually(run())
    assert ended == {"ok": 300}
    assert asked == 316


def test_a_minute_of_503_costs_the_provider_a_handful_of_calls_and_is_over_when_it_is() -> None:
    """Promises 13 and 15 together: 100 calls a second for two minutes, all of them failing in the first one."""

    async def run() -> tuple[Counter[str], int, int]:
        well_at = now() + 60

        def script(_at: int, _question: Question) -> ModelReply | BaseException:
            return REPLY if now() >= well_at else ServerFailed("m", 503)

        model = Scripted(script, takes_s=0.05)
        ended = await outcomes(stacked(model), 12_000, per_s=100)
        return ended, sum(1 for at in model.times if at < well_at), len(model.asked)

    ended, while_down, asked = run_virtually(run())
    assert while_down <= 8 + 16 + BUDGET_FLOOR  # until it opens, and the probes
    assert set(ended) <= {"ok", "server_failed", "breaker_open"}
    assert ended["ok"] >= 4_000  # the pauses double to 40 s: the last one may run into the healthy minute
    assert asked - while_down == ended["ok"]


def test_a_mixture_of_every_fault_ends_every_call_once_within_the_limits() -> None:
    async def run() -> tuple[Counter[str], list[Question], int]:
        chance = random.Random(11)
        faults: list[Callable[[], CallFailed]] = [
            lambda: ServerFailed("m", 500),
            lambda: RateLimited("m", 0.3),
            lambda: RequestRefused("m", 400),
            lambda: WrongSchema("m", "fields: missing"),
        ]

        def script(_at: int, _question: Question) -> ModelReply | BaseException:
            drawn = chance.randrange(20)
            return faults[drawn]() if drawn < len(faults) else REPLY

        model = Scripted(script, takes_s=0.1)
        ended = await outcomes(stacked(model, in_flight=20, rpm=6_000), 2_000, per_s=50)
        return ended, [question for _, question in model.asked], model.busiest

    ended, asked, busiest = run_virtually(run())
    assert sum(ended.values()) == 2_000
    assert ended["ok"] > 1_850
    assert ended["breaker_open"] == ended["limits_reached"] == 0
    assert busiest <= 20
    attempts = Counter(question.request.document_id for question in asked)
    assert max(attempts.values()) <= 5
    numbered = Counter((question.request.document_id, question.attempt) for question in asked)
    assert set(numbered.values()) == {1}  # no attempt of a document has the number of another
