"""A span for every attempt at a model, by OpenTelemetry's semantic conventions for generative AI.

The conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/. Any backend that takes OTLP shows the
calls: Langfuse, Phoenix, a collector. Nothing of a document is in a span unless prompts are kept anyway. Each attempt
is a span, so that retries are seen. The attempts for a document in a run are one trace, whichever worker made them: its
id is a digest of the two. A trace per run would be too large for backends, which break at about ten thousand spans.

Where tracing is not configured a call passes through at the cost of one comparison, and nothing of OpenTelemetry is
imported.
"""

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blocks.errors import WinnowError
from blocks.gateway.errors import CallFailed, ReplyRefused
from blocks.gateway.model import Model, ModelReply, Question, Usage
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.providers.catalogue import PROVIDERS, telemetry_name
from blocks.gateway.registry.registry import RegisteredModel
from blocks.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger(__name__)

SCOPE = "winnow.gateway"
TRACES_PATH = "/v1/traces"

_FINISH_REASONS = {
    "truncated_reply": "length",
    "content_filtered": "content_filter",
}


class Tracing:
    """Where this process sends its spans; nowhere until it is configured."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self._provider: TracerProvider | None = None
        self._endpoint: str | None = None
        self._lock = threading.Lock()

    def configure(self, endpoint: str | None) -> bool:
        """Send spans to the OTLP endpoint (HTTP, protobuf) from now on; None sends what waits, and none after it.

        Returns whether spans are sent. OpenTelemetry itself sends what waits when the process exits.

        Every part of a process may ask for it: where spans are sent there already, nothing changes.
        What else OTLP exporters take (headers, certificates, the service's name) OpenTelemetry reads itself, from its
        own variables. Where the extra `otel` is missing the log says so and nothing is sent: the variable of the
        endpoint may be there for other programs.
        """
        with self._lock:
            if endpoint != self._endpoint:
                self._stop()
                self._endpoint = endpoint
                if endpoint:
                    self._start(endpoint)
            return self.tracer is not None

    def _start(self, endpoint: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            logger.warning("spans are not sent: OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra `otel` not installed")
            return
        provider = TracerProvider(resource=_resource(), id_generator=_trace_ids())
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._provider = provider
        self.tracer = provider.get_tracer(SCOPE)

    def _stop(self) -> None:
        provider, self._provider, self.tracer, self._endpoint = self._provider, None, None, None
        if provider is not None:
            provider.shutdown()


TRACING = Tracing()

_trace_id: ContextVar[int] = ContextVar("winnow_trace_id", default=0)


def trace_id_of(run_id: str, document_id: str) -> int:
    """The id of the trace of a document in a run."""
    return int(hashlib.sha256(f"{run_id} {document_id}".encode()).hexdigest()[:32], 16)


def _trace_ids() -> "IdGenerator":
    """Ids of spans by chance, and of traces by what the call is about."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class TraceIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _trace_id.get() or super().generate_trace_id()

    return TraceIds()


def configure_tracing(settings: Settings) -> bool:
    """Send the spans of this process where the settings say. Returns whether they are sent anywhere."""
    endpoint = settings.otlp_endpoint
    return TRACING.configure(endpoint.get_secret_value() if endpoint else None)


class Traced(Wrapper):
    """Makes every attempt a span. With `keep_texts` the span has the prompt and the reply."""

    def __init__(
        self, model: Model, registered: RegisteredModel, *, keep_texts: bool = False, tracing: Tracing = TRACING
    ) -> None:
        super().__init__(model)
        self._registered = registered
        self._keep_texts = keep_texts
        self._tracing = tracing
        self._operation = PROVIDERS[registered.provider].telemetry_operation
        self._attributes = _of_model(registered, self._operation)

    async def answer(self, question: Question) -> ModelReply:
        """The model's reply. Raises what the model raises."""
        tracer = self._tracing.tracer
        if tracer is None:
            return await self._model.answer(question)
        return await self._answer(tracer, question)

    async def _answer(self, tracer: "Tracer", question: Question) -> ModelReply:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        _trace_id.set(trace_id_of(question.run_id, question.request.document_id))
        span = tracer.start_span(
            f"{self._operation} {self._registered.upstream}",
            context=Context(),  # without a parent, so that samplers decide by the trace's id
            kind=SpanKind.CLIENT,
            attributes={**self._attributes, **_of_question(question)},
        )
        error_type = "unexpected"
        try:
            reply = await self._model.answer(question)
            error_type = ""
            self._record_reply(span, reply)
        except asyncio.CancelledError:
            error_type = "cancelled"
            raise
        except WinnowError as error:
            error_type = error.kind
            if isinstance(error, CallFailed):
                self._record_failure(span, error)
            raise
        finally:
            if error_type:
                _fail(span, error_type)
            span.end()
        return reply

    def _record_reply(self, span: "Span", reply: ModelReply) -> None:
        span.set_attribute("winnow.is_repaired", reply.is_repaired)
        span.set_attribute("winnow.first_byte_ms", reply.first_byte_ms)
        if reply.model_version:
            span.set_attribute("gen_ai.response.model", reply.model_version)
        span.set_attributes(_counts(reply.usage))
        self._record_texts(span, reply.sent_text, reply.received_text, "stop")

    def _record_failure(self, span: "Span", failed: CallFailed) -> None:
        finish = _FINISH_REASONS.get(failed.kind)
        if finish:
            span.set_attribute("gen_ai.response.finish_reasons", (finish,))
        if failed.usage is not None:
            span.set_attributes(_counts(failed.usage))
        received = failed.reply_text if isinstance(failed, ReplyRefused) else None
        self._record_texts(span, failed.sent_text, received, finish or "error")

    def _record_texts(self, span: "Span", sent: str | None, received: str | None, finish: str) -> None:
        if not self._keep_texts:
            return
        if sent:
            span.set_attribute("gen_ai.input.messages", _messages("user", sent))
        if received:
            span.set_attribute("gen_ai.output.messages", _messages("assistant", received, finish))


def _of_model(model: RegisteredModel, operation: str) -> Mapping[str, str | int]:
    """The attributes of every span of a model."""
    provider = PROVIDERS[model.provider]
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider.telemetry_name,
        "gen_ai.request.model": model.upstream,
        "gen_ai.request.max_tokens": model.max_output_tokens,
        "gen_ai.output.type": "json",
        "winnow.model": model.name,
    }
    try:
        address = urlsplit(model.endpoint or provider.endpoint)
        host, port = address.hostname, address.port or (80 if address.scheme == "http" else 443)
    except ValueError:  # no address; the call itself will say so
        return attributes
    if host:
        attributes |= {"gen_ai.provider.name": telemetry_name(model), "server.address": host, "server.port": port}
    return attributes


def _of_question(question: Question) -> Mapping[str, str | int]:
    return {
        "winnow.run_id": question.run_id,
        "winnow.document_id": question.request.document_id,
        "winnow.document_type": question.request.document_type.name,
        "winnow.step": question.step,
        "winnow.attempt": question.attempt,
        "winnow.lane": question.lane,
    }


def _counts(usage: Usage) -> Mapping[str, int]:
    if not usage.is_stated:
        return {}
    counts = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    parts = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return counts | {name: count for name, count in parts.items() if count}


def _messages(role: str, text: str, finish: str = "") -> str:
    message: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": text}]}
    return json.dumps([message | ({"finish_reason": finish} if finish else {})])


def _fail(span: "Span", error_type: str) -> None:
    """Mark a span as failed by the kind of the error: its message may quote a reply."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR, error_type))


def _resource() -> "Resource":
    """Who sends the spans: ``winnow``, or what OpenTelemetry's own variables say."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "winnow"}))
    return found
