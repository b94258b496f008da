"""Whole gateways over one database against the provider double: what workers keep together, and what one adapts to."""

import asyncio
from collections import Counter

from blocks.database.engine import Database
from tests.blocks.gateway.workers import register, workers
from tests.doubles.model_provider.handle import ModelProviderDouble


def test_two_workers_together_keep_a_limit_and_one_that_is_left_alone_has_all_of_it(
    database: Database, model_provider: ModelProviderDouble
) -> None:
    register(database, model_provider, in_flight=8)

    async def run() -> tuple[int, Counter[str], int]:
        async with workers(database, 2) as (one, other):
            await one.ask()  # who has asked a model has a lease on its limits
            await other.ask()
            await one.look()
            model_provider.script(latency_s=0.15)
            ended = sum(await asyncio.gather(one.ask_all(24), other.ask_all(24)), Counter[str]())
            together = model_provider.state()["high_water"]
            await other.gateway.close()
            await one.look()
            model_provider.script(latency_s=0.15)
            return together, ended + await one.ask_all(24), model_provider.state()["high_water"]

    together, ended, alone = asyncio.run(run())
    assert ended == {"ok": 72}
    assert 4 < together <= 8
    assert 4 < alone <= 8
