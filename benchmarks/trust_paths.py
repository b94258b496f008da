"""The ways by which a reader's reply comes to be believed or not: judged by itself, or on a route.

`judge` takes a reply to every field as it is: read, cross-checked, validated. `walk` takes documents along the shipped
route of their type, or through one model in place of it, as `winnow run` does, without network and database.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readers import Case, truthful_reply

from blocks.evidence.cross_check import cross_check
from blocks.evidence.document_reading import DocumentReading
from blocks.gateway.model import ModelReply, ModelRequest, Question, Usage
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import Finish, WireReply
from blocks.gateway.routing.plan import plan_route
from blocks.gateway.routing.route import Route, Routed
from blocks.gateway.routing.steps import Assignment
from blocks.reader.reading import read
from blocks.records import Classification, Document, FieldReading, Scoring, Stage, Status, Validation
from tasks.validate.stage import ValidateStage

READER = "reader"
ReplyOf = Callable[[Case], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a document. `from_reader`: the fields that a route took from the reader; None without a route."""

    validation: Validation
    from_reader: frozenset[str] | None = None

    @property
    def is_accepted(self) -> bool:
        return self.validation.status is Status.ACCEPTED


def is_answerable(case: Case) -> bool:
    """Whether the page shows every required value, and nothing else sends the document to review."""
    fields = truthful_reply(case)["fields"]
    required = (field for field, rules in case.document_type.fields.items() if rules.required)
    return all(fields.get(field) for field in required) and not case.extraction.hidden_text.strip()


def judge(replies: Sequence[tuple[Case, dict[str, Any]]], seen: Mapping[str, DocumentReading]) -> list[Verdict]:
    """Replies to every field, each cross-checked and validated by itself."""
    scored = []
    for case, reply in replies:
        request = ModelRequest(document_id=case.name, document_type=case.document_type, pages=case.extraction.pages)
        question = Question(request, run_id="", deadline=time.monotonic() + 60)
        readings = cross_check(_read(question, reply).fields, case.document_type, seen[case.name])
        scored.append((case, readings))
    return [Verdict(validation) for validation in _validated(scored)]


def walk(cases: Sequence[Case], reply_of: ReplyOf, models: tuple[str, ...] = ()) -> list[Verdict]:
    """Documents on the route of their type, whose cheap tier is the reader; `models` replace the route."""
    gateway = _ReaderGateway({case.name: case for case in cases}, reply_of)

    async def through() -> list[Routed]:
        route = Route(gateway)
        return [await route.take(_assignment(case, gateway.registry(), models)) for case in cases]

    routed = asyncio.run(through())
    given = _validated([(case, answered.answer.fields) for case, answered in zip(cases, routed, strict=True)])
    return [Verdict(validation, _from_reader(answered)) for answered, validation in zip(routed, given, strict=True)]


def _assignment(case: Case, registry: RegistryState, models: tuple[str, ...]) -> Assignment:
    document_type, pages = case.document_type, case.extraction.pages
    steps = plan_route(document_type, registry, models)
    return Assignment(case.name, document_type, pages, "run", read(document_type, pages), steps)


class _ReaderGateway:
    """A reader that answers what it is asked."""

    def __init__(self, cases: Mapping[str, Case], reply_of: ReplyOf) -> None:
        self._cases, self._reply_of = cases, reply_of
        endpoint = "http://127.0.0.1:9"
        free = {"input_price": 0, "output_price": 0}
        self._model = RegisteredModel.model_validate(
            {"name": READER, "provider": "openai", "upstream": "x", "endpoint": endpoint, "tier": "cheap", **free}
        )

    def registry(self) -> RegistryState:
        return RegistryState((self._model,))

    async def answer(self, name: str, question: Question) -> ModelReply:
        reply = self._reply_of(self._cases[question.request.document_id])
        wanted = {field: reply["fields"].get(field) for field in question.request.asked}
        return _read(question, {"fields": wanted})


def _read(question: Question, reply: dict[str, Any]) -> ModelReply:
    """A reply as the judge lets it pass."""
    return read_reply(question, READER, WireReply(text=json.dumps(reply), finish=Finish.STOP, usage=Usage()))


def _from_reader(routed: Routed) -> frozenset[str]:
    sources = routed.answer.sources.items()
    return frozenset(
        place.removeprefix("field:")
        for place, source in sources
        if place.startswith("field:") and source.startswith(f"{READER}@")
    )


def _validated(scored: Sequence[tuple[Case, Mapping[str, FieldReading]]]) -> list[Validation]:
    types = {case.document_type.name: case.document_type for case, _ in scored}
    documents = [_document(str(at), case, readings) for at, (case, readings) in enumerate(scored)]
    outcomes = {outcome.document_id: outcome for outcome in ValidateStage(types).work(documents)}
    return [Validation.model_validate_json(outcomes[str(at)].payload or b"") for at in range(len(scored))]


def _document(document_id: str, case: Case, readings: Mapping[str, FieldReading]) -> Document:
    name = case.document_type.name
    scoring = Scoring(document_type=name, model="reader@1", fields=dict(readings))
    given = Classification(document_type=name, confidence=1.0, method="given")
    inputs = {
        Stage.EXTRACT: case.extraction.model_dump_json().encode(),
        Stage.CLASSIFY: given.model_dump_json().encode(),
        Stage.SCORE: scoring.model_dump_json().encode(),
    }
    return Document(document_id, "file:///x", "text/plain", 1, given_type=name, document_type=name, inputs=inputs)
