"""The order of policies, as the gateway lists it and as the documentation shows it."""

import re
from collections.abc import Callable
from pathlib import Path

from blocks.database.engine import Database
from blocks.gateway.gateway import RunTerms
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.wrapper import Wrapper, behind
from blocks.gateway.spending.prices import Price
from tests.blocks.gateway.workers import Worker
from tests.doubles.failing_models import Scripted, a_model, a_question
from tests.doubles.virtual_time import run_virtually

DOCS = Path(__file__).parents[4] / "docs"


def order_of(database: Database) -> list[str]:
    policies = Worker(database).gateway.policies(a_model(), RunTerms(), Price(()))
    return [policy.func.__name__ for policy in policies]


def test_the_documentation_shows_the_policies_in_their_order(sqlite_database: Database) -> None:
    order = order_of(sqlite_database)
    print(" > ".join(order))
    picture = re.search(r"^route ─► (.*) ─► WireModel", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    assert picture is not None
    assert picture[1].split(" ─► ") == order
    record = (DOCS / "decisions" / "gateway-policies.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", record, re.MULTILINE) == order


def test_the_first_policy_is_the_outermost() -> None:
    seen: list[str] = []

    def noting(name: str) -> Callable[[Model], Model]:
        class Noting(Wrapper):
            async def answer(self, question: Question) -> ModelReply:
                seen.append(name)
                return await self._model.answer(question)

        return Noting

    model: Model = behind(Scripted(), [noting("first"), noting("second")])
    run_virtually(model.answer(a_question(1e9)))
    assert seen == ["first", "second"]
    assert (model.name, model.version) == (Scripted.name, Scripted.version)
