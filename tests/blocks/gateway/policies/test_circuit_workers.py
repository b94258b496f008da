"""Circuits of several workers that share a real database, by the real clock."""

import asyncio
from collections import Counter

from blocks.database.engine import Database
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.gateway.errors import CallFailed, OutOfCredit
from blocks.gateway.policies.circuit import CircuitBreaking, CircuitRules, Circuits
from blocks.gateway.policies.shared_state import CircuitReport
from tests.doubles.failing_models import REPLY, Scripted, a_question

RULES = CircuitRules(person_pause_s=2.0, pause_s=2.0)


async def outcome(breaking: CircuitBreaking) -> str:
    try:
        await breaking.answer(a_question(asyncio.get_running_loop().time() + 10))
    except CallFailed as error:
        return error.kind
    return "ok"


def test_200_callers_of_two_workers_make_one_probe(database: Database) -> None:
    """Promise 15, over workers."""
    workers = [Circuits(DatabaseCircuitStates(database, CircuitReport), RULES) for _ in range(2)]
    is_paid = False
    model = Scripted(lambda _at, _question: REPLY if is_paid else OutOfCredit("m"), takes_s=0.2)
    breaking = [CircuitBreaking(model, worker.get("e")) for worker in workers]

    async def run() -> tuple[Counter[str], Counter[str]]:
        nonlocal is_paid
        assert await outcome(breaking[0]) == "out_of_credit"
        for worker in workers:
            await worker.sync()
        assert await outcome(breaking[1]) == "breaker_open"
        is_paid = True
        await asyncio.sleep(2.3)
        half_open = await asyncio.gather(*(outcome(one) for one in breaking for _ in range(100)))
        for worker in (*workers, *workers):  # either may have sent the probe, and has to tell the other
            await worker.sync()
        closed = await asyncio.gather(*(outcome(one) for one in breaking for _ in range(100)))
        return Counter(half_open), Counter(closed)

    assert asyncio.run(run()) == ({"ok": 1, "breaker_open": 199}, {"ok": 200})
    assert DatabaseCircuitStates(database, CircuitReport).load() == {}
