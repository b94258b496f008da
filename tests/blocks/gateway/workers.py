"""Whole gateways over a real database, as workers have them, whose model is the provider double's."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from pydantic import SecretStr
from sqlalchemy import RowMapping, select

from blocks.database.engine import Database
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.limit_leases import DatabaseLimitLeases
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.models.reply_cache import DatabaseReplyCache
from blocks.database.tables import budgets, model_calls
from blocks.errors import WinnowError
from blocks.gateway.gateway import Gateway, RunGateway, RunTerms, SharedState
from blocks.gateway.model import Question
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.registry import registry_state
from tests.doubles.failing_models import a_model, a_question
from tests.doubles.model_provider.handle import ModelProviderDouble

PRICES = {"*": {"input": "0.4", "output": "1.6"}}
KEYS = {"env:K": SecretStr("sk-of-tests")}


def register(database: Database, provider: ModelProviderDouble, **values: object) -> None:
    """Put a model of the double, `m` unless another name is given, into the registry."""
    told = {"endpoint": f"{provider.url}/v1", "key": "env:K", "json_mode": "json_schema", "max_output_tokens": 400}
    told |= {"input_price": Decimal("0.4"), "output_price": Decimal("1.6")}
    DatabaseRegistry(database, registry_state).put(a_model(**(told | values)))


class Worker:
    """A process with a gateway of its own, as far as the others can tell."""

    def __init__(self, database: Database) -> None:
        ledger = DatabaseLedger(database)
        shared = SharedState(
            registry=DatabaseRegistry(database, registry_state),
            ledger=ledger,
            circuits=DatabaseCircuitStates(database, CircuitReport),
            leases=DatabaseLimitLeases(database, ledger.worker_id),
            replies=DatabaseReplyCache(database),
        )
        self.gateway = Gateway(shared, KEYS)
        self.run: RunGateway = self.gateway.for_run(RunTerms(reads_cache=False))

    async def look(self) -> None:
        """Look at what workers share, as the gateway does by itself once a second."""
        await self.gateway._refresh()

    async def ask(self, text: str = "Total due 9.00", name: str = "m", seconds: float = 30.0) -> str:
        """Ask about a document of this text, of which it is named; tells how that ended."""
        return await self.put(a_question(0, text, document_id=text), name, seconds)

    async def put(self, question: Question, name: str = "m", seconds: float = 30.0) -> str:
        """Ask a question, with so many seconds for it; tells how that ended."""
        try:
            await self.run.answer(name, replace(question, deadline=time.monotonic() + seconds))
        except WinnowError as error:
            return error.kind
        return "ok"

    async def ask_all(self, number: int, name: str = "m") -> Counter[str]:
        """Ask about so many documents at once; counts how that ended."""
        return Counter(await asyncio.gather(*(self.ask(f"Total due {at}.00", name) for at in range(number))))


@asynccontextmanager
async def workers(database: Database, number: int = 1) -> AsyncIterator[Sequence[Worker]]:
    """So many workers over one database, closed when the block ends."""
    made = [await asyncio.to_thread(Worker, database) for _ in range(number)]
    try:
        yield made
    finally:
        for one in made:
            await one.gateway.close()


def ledger_rows(database: Database) -> Sequence[RowMapping]:
    """The ledger's rows; fails where money is still reserved."""
    with database.read() as connection:
        rows = connection.execute(select(model_calls)).mappings().all()
        reserved = connection.execute(select(budgets.c.reserved_usd)).scalars().all()
    assert {*reserved, *(row["reserved_usd"] for row in rows)} <= {Decimal(0)}
    return rows
