"""The gateway of a process is closed when the last of those that use it ends, and can be asked again."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from blocks.database.engine import Database
from blocks.database.tables import limit_leases, reply_cache
from blocks.gateway.event_loop import gateway_loop
from blocks.gateway.gateway import RunTerms
from blocks.gateway.model import ModelRequest, Question
from blocks.gateway.registry.registry import RegisteredModel
from tasks.runs.models import hold_gateway, open_gateway, open_registry
from tests.blocks.gateway.questions import BILL, PAGES, valid_reply
from tests.doubles.fake_model import FakeModel


def ask(database: Database, document_id: str) -> None:
    """Ask the model of one document; its reply is new, so that it is to be kept."""
    pages = tuple(page.model_copy(update={"text": f"{page.text} {document_id}"}) for page in PAGES)
    request = ModelRequest(document_id=document_id, document_type=BILL, pages=pages)
    question = Question(request, run_id="r", deadline=time.monotonic() + 20)
    gateway_loop().submit(open_gateway(database).for_run(RunTerms()).answer("fake", question)).result(30)


@pytest.fixture
def fake_model() -> Iterator[FakeModel]:
    with FakeModel(lambda _: valid_reply()) as model:
        yield model


def left(database: Database) -> tuple[int, int]:
    """How many leases there are, and how many replies are kept."""
    with database.read() as connection:
        counts = [connection.execute(select(func.count()).select_from(one)) for one in (limit_leases, reply_cache)]
        return counts[0].scalar_one(), counts[1].scalar_one()


def test_the_last_run_of_a_process_leaves_nothing_waiting_and_no_lease(
    database: Database, fake_model: FakeModel
) -> None:
    model = RegisteredModel(
        name="fake",
        provider="openai",
        upstream="held",
        endpoint=fake_model.url,
        input_price=Decimal(1),
        output_price=Decimal(1),
    )
    open_registry(database).put(model)
    with hold_gateway(database):
        ask(database, "a")
        with pytest.raises(ZeroDivisionError), hold_gateway(database):
            raise ZeroDivisionError
        assert left(database)[0] == 1, "one of the two runs goes on"
    assert left(database) == (0, 1)
    with hold_gateway(database):
        ask(database, "b")
        assert left(database)[0] == 1
    assert left(database) == (0, 2)
