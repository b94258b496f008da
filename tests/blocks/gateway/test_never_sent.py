"""What is never sent: it costs nothing, says nothing of the endpoint, and allows nothing to be repeated."""

import asyncio
import time
from contextlib import aclosing
from decimal import Decimal

import pytest

from blocks.database.engine import Database
from blocks.database.models.ledger import DatabaseLedger
from blocks.gateway.errors import CallFailed, CircuitOpen, OutOfCredit, ServerFailed
from blocks.gateway.policies.circuit import CircuitBreaking, Circuits
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.policies.metering import Metered
from blocks.gateway.policies.retries import RetryBudget, Retrying
from blocks.gateway.providers.transport import Transport
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import LedgerWriter
from blocks.gateway.spending.prices import INPUT, OUTPUT, Price
from blocks.ledger import Caps
from tests.database_fixtures import budget_of
from tests.doubles.failing_models import Scripted, a_model, a_question

PRICE = Price(((None, {INPUT: Decimal(3), OUTPUT: Decimal(15)}),))


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_calls_cancelled_while_they_wait_for_room_cost_nothing(sqlite_database: Database) -> None:
    async def run() -> int:
        model, limits = Scripted(takes_s=30), Limits(a_model(in_flight=1))
        ledger_writer = LedgerWriter(DatabaseLedger(sqlite_database), Rounds())
        chain = CircuitBreaking(
            Metered(
                Limited(model, limits),
                ledger_writer,
                price_of=lambda _: PRICE,
                max_output_tokens=4_096,
                caps=lambda _: Caps(run_usd=Decimal(10)),
            ),
            Circuits().get("e"),
        )
        deadline = time.monotonic() + 60
        calls = [asyncio.create_task(chain.answer(a_question(deadline, document_id=str(at)))) for at in range(8)]
        while limits.waiting < 7:
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await ledger_writer.close()
        return len(model.asked)

    assert asyncio.run(run()) == 1
    spent, reserved = budget_of(sqlite_database, "run", "r")
    max_usd = PRICE.max_cost(0, 0, 4_096)
    assert max_usd <= spent + reserved < 2 * max_usd  # the one that was sent, and none of the seven that were not


def test_a_request_cancelled_before_it_had_a_connection_says_so() -> None:
    async def run() -> object:
        async with aclosing(Transport()) as transport:
            post = transport.post("http://127.0.0.1:9", {}, b"", time.monotonic() + 9, "m", 9.0)
            call = asyncio.create_task(post)
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await call
            return getattr(cancelled.value, "was_sent", None)

    assert asyncio.run(run()) is False


def test_a_probe_that_our_own_limits_keep_back_does_not_close_the_circuit() -> None:
    clock = Clock()
    circuit = Circuits(clock=clock).get("e")
    model = Scripted(lambda _at, _q: ServerFailed("m", 503, retry_after_s=120), takes_s=0.01)
    chain = CircuitBreaking(Limited(model, Limits(a_model(), clock=clock)), circuit, clock=clock)

    async def one() -> None:
        with pytest.raises(CallFailed):
            await chain.answer(a_question(clock() + 60))

    async def run() -> None:
        await asyncio.gather(*(one() for _ in range(8)))
        clock.now += 6
        await one()

    asyncio.run(run())
    assert (circuit.report().is_open, len(model.asked)) == (True, 8)


def test_a_waiting_call_is_not_sent_once_the_circuit_opens() -> None:
    clock = Clock()
    circuit = Circuits(clock=clock).get("e")
    model = Scripted(lambda at, _q: OutOfCredit("m") if at < 2 else ServerFailed("m", 503), takes_s=0.01)
    limited = Limited(model, Limits(a_model(in_flight=2)), circuit.check)
    chain = CircuitBreaking(limited, circuit, clock=clock)

    async def one() -> str:
        with pytest.raises(CallFailed) as failed:
            await chain.answer(a_question(time.monotonic() + 60))
        return failed.value.kind

    async def run() -> list[str]:
        ended = await asyncio.gather(*(one() for _ in range(32)))
        clock.now += 31
        return [*ended, await one()]  # the probe goes through, although the circuit is open

    kinds = asyncio.run(run())
    assert kinds == ["out_of_credit"] * 2 + [CircuitOpen.kind] * 30 + ["server_failed"]
    assert len(model.asked) == 3


def test_calls_that_were_never_sent_allow_nothing_to_be_repeated() -> None:
    budget = RetryBudget(floor=2)
    refused = Retrying(Scripted(lambda _at, _q: CircuitOpen("m", "x", 5)), budget)

    async def run() -> None:
        for _ in range(100):
            with pytest.raises(CircuitOpen):
                await refused.answer(a_question(1e9))

    asyncio.run(run())
    assert [budget.take() for _ in range(3)] == [True, True, False]
