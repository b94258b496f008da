"""Models that fail on command, for the policies around a model; what reached them is kept."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.gateway.model import ModelReply, ModelRequest, Question, Usage
from blocks.gateway.registry.registry import RegisteredModel
from blocks.records import Page

BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "total": DocumentField(type=FieldType.MONEY, aliases=("Total due", "Gesamtbetrag")),
        "day": DocumentField(type=FieldType.DATE, aliases=("Invoice date",)),
    },
)
REPLY = ModelReply(usage=Usage(input_tokens=100, output_tokens=20, cost_usd=Decimal("0.01")))


def a_question(deadline: float, *texts: str, document_id: str = "d") -> Question:
    """A question about a bill with these pages."""
    pages = tuple(
        Page(number=at, method="parsed", text=text) for at, text in enumerate(texts or ("Total due 9.00",), 1)
    )
    return Question(
        request=ModelRequest(document_id=document_id, document_type=BILL, pages=pages), run_id="r", deadline=deadline
    )


def a_model(**given: object) -> RegisteredModel:
    """An entry of the registry."""
    return RegisteredModel.model_validate({"name": "m", "provider": "openai", "upstream": "gpt", **given})


class Scripted:
    """A model whose n-th call, from 0, ends as `script` says: with a reply, or with the error that it returns.

    It takes `takes_s`, and then waits `until` an event is set. `asked` has each question with the loop's time at which
    it came, `busiest` the most calls that were under way at once.
    """

    name = "m"
    version = "openai:gpt"

    def __init__(
        self,
        script: Callable[[int, Question], ModelReply | BaseException] | None = None,
        takes_s: float = 0.0,
        until: asyncio.Event | None = None,
    ) -> None:
        self._script = script or (lambda _at, _question: REPLY)
        self._takes_s = takes_s
        self._until = until
        self.asked: list[tuple[float, Question]] = []
        self.under_way = self.busiest = 0

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.asked]

    async def answer(self, question: Question) -> ModelReply:
        at = len(self.asked)
        self.asked.append((asyncio.get_running_loop().time(), question))
        self.under_way += 1
        self.busiest = max(self.busiest, self.under_way)
        try:
            if self._takes_s:
                await asyncio.sleep(self._takes_s)
            if self._until is not None:
                await self._until.wait()
        finally:
            self.under_way -= 1
        said = self._script(at, question)
        if isinstance(said, BaseException):
            raise said
        return said
