"""Whole gateways over one database against the provider double: what workers keep together, and what one adapts to."""

import asyncio
import math
import time
from collections import Counter
from decimal import Decimal
from email.utils import formatdate
from typing import Any

from blocks.database.engine import Database
from tests.blocks.gateway.workers import PRICES, ledger_rows, register, workers
from tests.doubles.failing_models import a_question
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


def test_what_a_provider_says_of_its_limits_is_kept_to(
    sqlite_database: Database, model_provider: ModelProviderDouble
) -> None:
    """The registry knows of no limit per minute: only the headers tell of it."""
    register(sqlite_database, model_provider, in_flight=8)
    model_provider.script(latency_s=0.05, limits={"requests": 10, "window_s": 1.0})

    async def run() -> Counter[str]:
        async with workers(sqlite_database) as (worker,):
            await worker.ask()
            return await worker.ask_all(23)

    assert asyncio.run(run()) == {"ok": 23}
    statuses = Counter(entry["status"] for entry in model_provider.log())
    assert statuses[200] == 24
    assert statuses[429] <= 5, "without a look at the headers it is about ten"


def test_a_circuit_that_one_worker_opens_keeps_the_other_from_calling(
    database: Database, model_provider: ModelProviderDouble
) -> None:
    register(database, model_provider)

    async def run() -> list[str]:
        async with workers(database, 2) as (one, other):
            before = [await one.ask(), await other.ask()]
            model_provider.script(rules=[{"do": {"error": "out_of_credit"}}])
            failed = await one.ask()
            await one.look()
            await other.look()
            return [*before, failed, await other.ask(), await other.ask()]

    assert asyncio.run(run()) == ["ok", "ok", "out_of_credit", "breaker_open", "breaker_open"]
    assert len(model_provider.log()) == 1


def test_a_worker_that_begins_knows_of_circuits_that_are_open(
    database: Database, model_provider: ModelProviderDouble
) -> None:
    register(database, model_provider)
    model_provider.script(rules=[{"do": {"error": "out_of_credit"}}])

    async def run() -> list[str]:
        async with workers(database, 2) as (one, other):
            failed = await one.ask()
            await one.look()
            return [failed, await other.ask()]

    assert asyncio.run(run()) == ["out_of_credit", "breaker_open"]
    assert len(model_provider.log()) == 1


def test_a_document_that_does_not_fit_the_window_is_sent_shortened_or_not_at_all(
    sqlite_database: Database, model_provider: ModelProviderDouble
) -> None:
    register(sqlite_database, model_provider, context_window=3_000)
    model_provider.script(keep_bodies=True)
    filler = "nothing of note on this page " * 600

    async def run() -> list[str]:
        async with workers(sqlite_database) as (worker,):
            fits = a_question(0, "Total due 9.00", filler, "Invoice date 1 May 2024")
            return [await worker.put(fits), await worker.put(a_question(0, filler))]

    assert asyncio.run(run()) == ["ok", "context_too_long"]
    (entry,) = model_provider.log()
    sent = str(entry["body"]["messages"])
    assert "Total due 9.00" in sent
    assert "1 May 2024" in sent
    assert "nothing of note" not in sent


def test_a_latency_that_doubles_costs_time_and_nothing_else(
    sqlite_database: Database, model_provider: ModelProviderDouble
) -> None:
    register(sqlite_database, model_provider, in_flight=8)
    slower = {"name": "slower", "when": {"after": 60}, "do": {"delay_s": 0.2}}
    model_provider.script(latency_s=0.1, rules=[slower], prices=PRICES)

    async def run() -> Counter[str]:
        async with workers(sqlite_database) as (worker,):
            return await worker.ask_all(120)

    assert asyncio.run(run()) == {"ok": 120}
    assert model_provider.state()["high_water"] <= 8
    assert Counter(entry["rule"] for entry in model_provider.log()) == {"": 60, "slower": 60}
    rows = ledger_rows(sqlite_database)
    assert Counter(row["outcome"] for row in rows) == {"ok": 120}
    spent = sum((row["cost_usd"] + row["unconfirmed_usd"] for row in rows), Decimal(0))
    assert spent == model_provider.total_usd() > 0


WAIT_S = 1.6


def refusals(date: str) -> dict[str, dict[str, Any]]:
    """429s that ask for `WAIT_S` in every form, the last one for that date; by the name of the model that says so."""
    return {
        "seconds": {"headers": {"retry-after": f"{WAIT_S}"}, "body": ""},
        "ms": {"headers": {"retry-after-ms": f"{WAIT_S * 1_000:.0f}"}, "body": ""},
        "prose": {"body": f'{{"error": {{"message": "Please try again in {WAIT_S * 1_000:.0f}ms."}}}}'},
        "google": {"body": f'{{"error": {{"details": [{{"retryDelay": "{WAIT_S}s"}}]}}}}'},
        "body": {"body": f'{{"error": {{"retry_after": {WAIT_S}}}}}'},
        "reset": {"headers": {"x-ratelimit-reset-requests": f"{WAIT_S}s"}, "body": "{}"},
        "date": {"headers": {"retry-after": date}, "body": ""},
    }


def test_no_call_comes_earlier_than_a_provider_asks_for(
    sqlite_database: Database, model_provider: ModelProviderDouble
) -> None:
    """Promise 14 over HTTP, by the double's log: seven forms, each by a model of its own, to six documents at once."""
    moment = math.ceil(time.time()) + 2
    said = refusals(formatdate(moment, usegmt=True))
    texts = [(name, f"{name} {at}: total due 9.00") for name in said for at in range(6)]
    model_provider.script(
        rules=[{"when": {"containing": text}, "times": 1, "do": {"status": 429} | said[name]} for name, text in texts],
        latency_s=0.05,
        keep_bodies=True,
    )
    for name in said:
        register(sqlite_database, model_provider, name=name, endpoint=f"{model_provider.url}/{name}/v1")

    async def run() -> Counter[str]:
        async with workers(sqlite_database) as (worker,):
            return Counter(await asyncio.gather(*(worker.ask(text, name) for name, text in texts)))

    assert asyncio.run(run()) == {"ok": len(texts)}
    log = [(entry["received_at"], entry["status"], str(entry["body"]["messages"])) for entry in model_provider.log()]
    until = moment - (time.time() - time.monotonic())
    for name, text in texts:
        (refused_at, refused), (answered_at, answered) = [(at, status) for at, status, sent in log if text in sent]
        assert (refused, answered) == (429, 200)
        assert answered_at >= (until if name == "date" else refused_at + WAIT_S), name
