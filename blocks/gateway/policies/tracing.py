"""A span and metrics for every attempt at a model, by OpenTelemetry's conventions for generative AI.

Nothing of a document is in a span unless prompts are kept anyway. Each attempt is a span, so that retries are seen. The
attempts for a document in a run are below the span of its stage score.

Where nothing is sent a call passes through at the cost of a comparison, and nothing of OpenTelemetry is imported.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blocks.errors import WinnowError
from blocks.gateway.errors import CallFailed, ReplyRefused
from blocks.gateway.model import Model, ModelReply, Question, Usage
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.providers.catalogue import PROVIDERS, telemetry_name
from blocks.gateway.registry.registry import RegisteredModel
from blocks.records import TEST_LANE
from blocks.telemetry import conventions as names
from blocks.telemetry.conventions import Name, Value
from blocks.telemetry.document_spans import score_span_id, trace_id_of
from blocks.telemetry.telemetry import TELEMETRY, Telemetry, fail

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_FINISH_REASONS = {
    "truncated_reply": "length",
    "content_filtered": "content_filter",
}
_OF_SPANS_ALONE = {names.MAX_TOKENS, names.OUTPUT_TYPE}


class Traced(Wrapper):
    """Makes every attempt a span, and measures it. With `keep_texts` the span has the prompt and the reply."""

    def __init__(
        self, model: Model, registered: RegisteredModel, *, keep_texts: bool = False, telemetry: Telemetry = TELEMETRY
    ) -> None:
        super().__init__(model)
        self._registered = registered
        self._keep_texts = keep_texts
        self._telemetry = telemetry
        self._operation = PROVIDERS[registered.provider].telemetry_operation
        self._attributes = _of_model(registered, self._operation)

    async def answer(self, question: Question) -> ModelReply:
        """The model's reply. Raises what the model raises."""
        if self._telemetry.spans is None and self._telemetry.metrics is None:
            return await self._model.answer(question)
        return await self._answer(question)

    async def _answer(self, question: Question) -> ModelReply:
        span, attempt, started_at = self._start_span(question), _Attempt(), time.perf_counter()
        try:
            reply = await self._model.answer(question)
            attempt = _replied(reply, keep_texts=self._keep_texts)
        except asyncio.CancelledError:
            attempt.error_type = "cancelled"
            raise
        except CallFailed as failed:
            attempt = _failed(failed, keep_texts=self._keep_texts)
            raise
        except WinnowError as error:
            attempt.error_type = error.kind
            raise
        finally:
            self._end(span, attempt, time.perf_counter() - started_at)
        return reply

    def _start_span(self, question: Question) -> "Span | None":
        """The span of an attempt; None if its trace is not sampled, or no spans are sent."""
        spans, run_id, document_id = self._telemetry.spans, question.run_id, question.request.document_id
        if spans is None or not spans.is_sampled(trace_id := trace_id_of(run_id, document_id)):
            return None
        from opentelemetry.trace import SpanKind

        of_model = spans.conventions.attributes(self._attributes)
        return spans.start(
            f"{self._operation} {self._registered.upstream}",
            trace_id,
            parent_id=0 if question.lane == TEST_LANE else score_span_id(run_id, document_id),
            kind=SpanKind.CLIENT,
            attributes={**of_model, "winnow.model": self._registered.name, **_of_question(question)},
        )

    def _end(self, span: "Span | None", attempt: "_Attempt", duration_s: float) -> None:
        spans, metrics = self._telemetry.spans, self._telemetry.metrics
        if span is not None:
            if spans is not None:
                span.set_attributes(spans.conventions.attributes(attempt.attributes))
            span.set_attributes(attempt.own)
            if attempt.error_type:
                fail(span, attempt.error_type)
            span.end()
        if metrics is not None:
            known = {name: value for name, value in self._attributes.items() if name not in _OF_SPANS_ALONE}
            if version := attempt.attributes.get(names.RESPONSE_MODEL):
                known[names.RESPONSE_MODEL] = version
            usage = attempt.usage if attempt.usage is not None and attempt.usage.is_stated else None
            metrics.record(known, duration_s, usage, attempt.error_type)


@dataclass(slots=True)
class _Attempt:
    """How an attempt ended. `attributes` are of the conventions, `own` are Winnow's."""

    error_type: str = "unexpected"
    usage: Usage | None = None
    attributes: dict[Name, Value] = field(default_factory=dict)
    own: dict[str, Value] = field(default_factory=dict)


def _replied(reply: ModelReply, *, keep_texts: bool) -> _Attempt:
    attributes = _counts(reply.usage) | _texts(keep_texts, reply.sent_text, reply.received_text, "stop")
    if reply.model_version:
        attributes[names.RESPONSE_MODEL] = reply.model_version
    own: dict[str, Value] = {"winnow.is_repaired": reply.is_repaired, "winnow.first_byte_ms": reply.first_byte_ms}
    return _Attempt("", reply.usage, attributes, own)


def _failed(failed: CallFailed, *, keep_texts: bool) -> _Attempt:
    finish = _FINISH_REASONS.get(failed.kind)
    received = failed.reply_text if isinstance(failed, ReplyRefused) else None
    attributes = _texts(keep_texts, failed.sent_text, received, finish or "error")
    if failed.usage is not None:
        attributes |= _counts(failed.usage)
    if finish:
        attributes[names.FINISH_REASONS] = (finish,)
    return _Attempt(failed.kind, failed.usage, attributes)


def _of_model(model: RegisteredModel, operation: str) -> Mapping[Name, Value]:
    """The attributes of every attempt at a model."""
    provider = PROVIDERS[model.provider]
    attributes: dict[Name, Value] = {
        names.OPERATION: operation,
        names.PROVIDER: provider.telemetry_name,
        names.REQUEST_MODEL: model.upstream,
        names.MAX_TOKENS: model.max_output_tokens,
        names.OUTPUT_TYPE: "json",
    }
    try:
        address = urlsplit(model.endpoint or provider.endpoint)
        host, port = address.hostname, address.port or (80 if address.scheme == "http" else 443)
    except ValueError:  # no address; the call itself will say so
        return attributes
    if host:
        attributes |= {names.PROVIDER: telemetry_name(model), names.SERVER_ADDRESS: host, names.SERVER_PORT: port}
    return attributes


def _of_question(question: Question) -> Mapping[str, Value]:
    return {
        "winnow.run_id": question.run_id,
        "winnow.document_id": question.request.document_id,
        "winnow.document_type": question.request.document_type.name,
        "winnow.step": question.step,
        "winnow.attempt": question.attempt,
        "winnow.lane": question.lane,
    }


def _counts(usage: Usage) -> dict[Name, Value]:
    if not usage.is_stated:
        return {}
    parts = {
        names.CACHE_READ_TOKENS: usage.cached_tokens,
        names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
    }
    counts = {names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens}
    return {**counts, **{name: count for name, count in parts.items() if count}}


def _texts(keep_texts: bool, sent: str | None, received: str | None, finish: str) -> dict[Name, Value]:
    """The prompt and the reply, where they are kept."""
    texts: dict[Name, Value] = {}
    if keep_texts and sent:
        texts[names.INPUT_MESSAGES] = _messages("user", sent)
    if keep_texts and received:
        texts[names.OUTPUT_MESSAGES] = _messages("assistant", received, finish)
    return texts


def _messages(role: str, text: str, finish: str = "") -> str:
    message: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": text}]}
    return json.dumps([message | ({"finish_reason": finish} if finish else {})])
