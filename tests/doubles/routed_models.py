"""A gateway for tests of routes and of the score stage: models that answer, fail and wait as the test says.

`take` takes a document along its route as the score stage does.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from blocks.document_types.schema import DocumentField, DocumentType, FieldType, RouteStep
from blocks.evidence.document_reading import DocumentReading
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.merge import built_in_answer
from blocks.gateway.routing.plan import asks_models, plan_route
from blocks.gateway.routing.route import Route, Routed
from blocks.gateway.routing.steps import Assignment
from blocks.reader.reading import read
from blocks.records import CriterionReading, Evidence, FieldReading, Page, Signals

TEXT = "Day: 1 May 2024\nTotal: 9.00\nShipping 4.50\nThank you"
PAGES = (Page(number=1, method="parsed", text=TEXT),)

Answer = Callable[[Question], ModelReply | Exception]


class ScriptedGateway:
    """Answers every model's name by its script, and keeps the questions in order.

    A script of `local` is what the built-in reader reads; without one it reads the pages.
    """

    def __init__(
        self, answers: Mapping[str, Answer], models: Sequence[RegisteredModel] | None = None, *, wait_s: float = 0.0
    ) -> None:
        self.answers = dict(answers)
        self.models = tuple(model(name) for name in answers if name != "local") if models is None else tuple(models)
        self.asked: list[tuple[str, Question]] = []
        self.wait_s = wait_s
        self.under_way = self.most_under_way = 0
        self.cancelled = 0

    def registry(self) -> RegistryState:
        return RegistryState(self.models)

    async def answer(self, name: str, question: Question) -> ModelReply:
        self.asked.append((name, question))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.wait_s)
            given = self.answers[name](question)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if isinstance(given, Exception):
            raise given
        version = given.model_version if given.model else given.model_version or "v1"
        return given.model_copy(update={"model": name, "model_version": version})

    def gateway(self) -> "ScriptedGateway":
        return self

    def reading(self, document_type: DocumentType, pages: tuple[Page, ...], document_id: str = "d") -> DocumentReading:
        """What the built-in reader reads."""
        reading = read(document_type, pages)
        if "local" not in self.answers:
            return reading
        request = ModelRequest(document_id=document_id, document_type=document_type, pages=pages)
        scripted = self.answers["local"](Question(request, run_id="run", deadline=0))
        if isinstance(scripted, Exception):
            raise scripted
        return replace(reading, version="v1", fields=scripted.fields, criteria=scripted.criteria)

    def assignment(
        self,
        document_type: DocumentType,
        pages: tuple[Page, ...] = PAGES,
        models: Sequence[str] = (),
        document_id: str = "d",
        **more: Any,
    ) -> Assignment:
        """A document with its reading and its planned steps."""
        reading = self.reading(document_type, pages, document_id)
        steps = plan_route(document_type, self.registry(), models)
        return Assignment(document_id, document_type, pages, "run", reading, steps, **more)

    @property
    def names(self) -> list[str]:
        """Who was asked, in order."""
        return [name for name, _ in self.asked]


def take(assignment: Assignment, gateway: ScriptedGateway, wait_limit_s: float = 0) -> Routed:
    """The document's route, as the score stage takes it: without a gateway where no step asks a model."""
    if not asks_models(assignment.steps):
        return Routed(built_in_answer(assignment.document_type, assignment.reading))
    return asyncio.run(Route(gateway, wait_limit_s).take(assignment))


def model(name: str, **more: object) -> RegisteredModel:
    """A registered model of no price list: it costs nothing."""
    values = {"provider": "openai", "upstream": name, "endpoint": "http://127.0.0.1:1", "input_price": 0}
    return RegisteredModel.model_validate(values | {"name": name, "output_price": 0} | more)


def reads(stated: float = 0.99, criteria: Mapping[str, float] | None = None, **values: str | None) -> Answer:
    """A model that reads these values, and quotes the line of `TEXT` that holds each."""
    lines = {"day": "Day: 1 May 2024", "total": "Total: 9.00"}

    def answer(question: Question) -> ModelReply:
        fields = {
            name: FieldReading(
                value=value,
                confidence=stated,
                evidence=(Evidence(page=1, quote=_quote(value, lines.get(name, ""))),),
                signals=Signals(stated=stated),
            )
            for name, value in values.items()
            if value is not None and name in question.request.asked
        }
        graded = tuple(CriterionReading(name=n, grade=g, confidence=0.9) for n, g in (criteria or {}).items())
        return ModelReply(fields=fields, criteria=graded)

    return answer


def _quote(value: str, line: str) -> str:
    """The line if it holds the value; else whatever line does, so that a wrong value has a real quote."""
    if value in line or value[:4].isdigit():
        return line
    return next((one for one in TEXT.splitlines() if value in one), value)


def fails(error: Exception) -> Answer:
    """A model that fails this way every time."""
    return lambda _: error


def bill(*route: RouteStep, **more: object) -> DocumentType:
    """A type with a day and a total, both required and both printed with their labels on `PAGES`."""
    fields = {
        "day": DocumentField(type=FieldType.DATE, required=True, aliases=("Day",)),
        "total": DocumentField(type=FieldType.MONEY, required=True, aliases=("Total",)),
    }
    values = {"name": "bill", "title": "Bill", "fields": fields, "route": route} | more
    return DocumentType.model_validate({key: value for key, value in values.items() if value != ()})
