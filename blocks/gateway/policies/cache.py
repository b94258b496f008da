"""Pays once for equal requests: validated replies are stored by a digest of the request and of the model.

The key covers all that is sent and all that the reply is judged by, so any change asks the model again. It names the
model, so a fallback's reply is never taken for the primary's. A reply to a shortened request has notes that the request
lacks, and is not stored: a model with a larger window should see all pages.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache

from pydantic import ValidationError

from blocks.document_types.schema import DocumentType
from blocks.gateway.errors import DeadlinePassed
from blocks.gateway.model import Model, ModelReply, ModelRequest, Question, Usage, criteria_of
from blocks.gateway.policies.reply_store import ReplyStore
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.prompts import prompt_digest
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.replies.reading import JUDGE_VERSION
from blocks.gateway.replies.reply_schema import schema_of
from blocks.records import TEST_LANE, CriterionReading, FieldReading, Record

logger = logging.getLogger(__name__)

RecordHit = Callable[[Question, str], Awaitable[None]]
"""Writes a question that the cache answered, and the key of its reply, to the ledger."""


class StoredReply(Record):
    """A stored reply: the readings and the model, without costs."""

    fields: dict[str, FieldReading]
    criteria: tuple[CriterionReading, ...]
    model: str
    model_version: str
    is_repaired: bool
    is_unwrapped: bool
    notes: tuple[str, ...]


_STORED = set(StoredReply.model_fields)


def request_key(model: RegisteredModel, request: ModelRequest) -> str:
    """SHA-256 of the request as sent to this model, without its random fence, and of all that its reply is judged by.

    The JSON mode, prices, limits and switches do not count. Raises `PromptFailed`.
    """
    sampling = "temperature 0"
    settings = [JUDGE_VERSION, sampling, model.name, model.version, model.max_output_tokens, model.logprobs]
    parts = [*settings, sorted(model.headers.items()), sorted(request.written.items()), request.notes]
    parts += [model.extra_body] if model.extra_body else []
    parts += [(image.page, image.media_type, hashlib.sha256(image.content).hexdigest()) for image in request.images]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for text in (
        _form(request.document_type, request.asked),
        prompt_digest(request),
        *(f"{page.number} {page.text}" for page in request.pages),
    ):
        content = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(content))
        digest.update(content)
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _form(document_type: DocumentType, asked: tuple[str, ...]) -> str:
    """SHA-256 of the schema of the reply, and of the fields and criteria by which it is judged."""
    fields = [(name, document_type.fields[name].model_dump_json()) for name in asked]
    criteria = [criterion.model_dump_json() for criterion in criteria_of(document_type, asked)]
    content = json.dumps([schema_of(document_type, asked).schema, fields, criteria])
    return hashlib.sha256(content.encode()).hexdigest()


class Cached(Wrapper):
    """Asks the model only what has not been answered yet.

    Of equal questions at once only the first is asked; if it fails, the next. With `is_read` off no stored reply is
    used, and new replies replace stored ones. Questions of the lane `test` and corrections pass by.
    """

    def __init__(
        self,
        model: Model,
        registered: RegisteredModel,
        reply_store: ReplyStore,
        record_hit: RecordHit,
        *,
        is_read: bool = True,
    ) -> None:
        super().__init__(model)
        self._registered = registered
        self._reply_store = reply_store
        self._record_hit = record_hit
        self._is_read = is_read

    async def answer(self, question: Question) -> ModelReply:
        """A stored reply, with `is_cached` and without usage, or the model's. Raises what the model raises."""
        if question.lane == TEST_LANE or question.correction is not None:
            return await self._model.answer(question)
        key = request_key(self._registered, question.request)
        question = replace(question, digest=key)
        if not self._is_read:
            return await self._ask(question, key)
        flights = self._reply_store.flights
        while (flight := flights.get(key)) is not None:
            if (shared := await self._landed(flight, question)) is not None:
                return await self._hit(question, key, shared)
        flight = flights[key] = asyncio.get_running_loop().create_future()
        reply: ModelReply | None = None
        try:
            stored = self._valid(question.request, await self._reply_store.find(key, question.deadline))
            reply = stored or await self._ask(question, key)
        finally:
            del flights[key]
            flight.set_result(reply)
        return reply if stored is None else await self._hit(question, key, stored)

    async def _ask(self, question: Question, key: str) -> ModelReply:
        reply = await self._model.answer(question)
        if reply.model == self.name and set(reply.notes) <= set(question.request.notes):
            content = reply.model_dump_json(include=_STORED).encode()
            self._reply_store.keep(key, self.name, content, replaces=not self._is_read)
        return reply

    async def _hit(self, question: Question, key: str, reply: ModelReply) -> ModelReply:
        await self._record_hit(question, key)
        return reply.model_copy(update={"is_cached": True, "usage": Usage(), "latency_ms": 0, "first_byte_ms": 0})

    def _valid(self, request: ModelRequest, content: bytes | None) -> ModelReply | None:
        """A stored reply, if it is this model's and has only asked fields."""
        if content is None:
            return None
        try:
            stored = StoredReply.model_validate_json(content)
        except ValidationError:
            logger.warning("a stored reply of %s cannot be read: the model is asked again", self.name)
            return None
        if stored.model != self.name or not set(stored.fields) <= set(request.asked):
            logger.warning("a stored reply is not of %s or not to this request: the model is asked again", self.name)
            return None
        return ModelReply.model_validate(stored.model_dump())

    async def _landed(self, flight: "asyncio.Future[ModelReply | None]", question: Question) -> ModelReply | None:
        """The reply to an equal question under way; None where it failed. Raises `DeadlinePassed`."""
        left_s = question.deadline - time.monotonic()
        done, _ = await asyncio.wait({flight}, timeout=max(left_s, 0))
        if not done:
            timeout_s = question.timeout_s or self._registered.timeout_s
            raise DeadlinePassed(self.name, timeout_s, "an equal question under way")
        return flight.result()
