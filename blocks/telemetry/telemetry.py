"""Where this process sends its spans and metrics: to an OTLP endpoint, or nowhere.

Where none is configured, `TELEMETRY.spans` and `TELEMETRY.metrics` are None, to whoever would send. Nothing of
OpenTelemetry's SDK is then imported.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.settings import Settings
from blocks.telemetry.conventions import ERROR_TYPE, OLDER, Conventions, Value

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Link, Span, SpanContext, SpanKind

    from blocks.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

SCOPE = "winnow"
TRACES_PATH, METRICS_PATH = "/v1/traces", "/v1/metrics"
OTLP = "otlp"
"""The exporter that Winnow has; any other name in the variables of exporters sends nothing."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An OTLP endpoint (HTTP, protobuf), what is sent there, and under which names. No endpoint: nothing is sent.

    `queue_size` spans wait at most; more are dropped, and the log says so.
    """

    endpoint: str | None = None
    sends_spans: bool = True
    sends_metrics: bool = True
    conventions: Conventions = OLDER
    queue_size: int = 16_384

    @classmethod
    def of(cls, settings: Settings) -> "Destination":
        """That of the settings."""
        return cls(
            settings.otlp_endpoint.get_secret_value().rstrip("/") if settings.otlp_endpoint else None,
            settings.traces_exporter == OTLP,
            settings.metrics_exporter == OTLP,
            Conventions.chosen_by(settings.semconv_opt_in),
            settings.span_queue_size,
        )


class SpanSender:
    """Makes spans whose ids may be given, so that any process can add to a trace. Thread-safe."""

    def __init__(self, provider: "TracerProvider", conventions: Conventions) -> None:
        self.conventions = conventions
        self.provider = provider
        self._tracer = provider.get_tracer(SCOPE)

    def is_sampled(self, trace_id: int) -> bool:
        """Whether the sampler keeps the trace. Every process answers alike, if the sampler decides by the id."""
        from opentelemetry.context import Context

        kept = self.provider.sampler.should_sample(Context(), trace_id, "document").decision
        return bool(kept.is_sampled())  # type: ignore[no-untyped-call]  # the SDK left its type out

    def start(  # noqa: PLR0913 - all but two are given by name
        self,
        name: str,
        trace_id: int,
        *,
        parent_id: int = 0,
        span_id: int = 0,
        kind: "SpanKind | None" = None,
        attributes: Mapping[str, Value] | None = None,
        links: "tuple[Link, ...]" = (),
        started_ns: int | None = None,
    ) -> "Span":
        """A span of the trace, below the span `parent_id`; 0: without a parent. `span_id` 0 is one by chance.

        Nobody asks for a child in a trace that is not sampled. `started_ns` counts from the Unix epoch; None: now.
        """
        from opentelemetry.trace import SpanKind

        token = _given_ids.set((trace_id, span_id))
        try:
            return self._tracer.start_span(
                name,
                context=self._below(trace_id, parent_id),
                kind=kind or SpanKind.INTERNAL,
                attributes=attributes,
                links=links,
                start_time=started_ns,
            )
        finally:
            _given_ids.reset(token)

    def _below(self, trace_id: int, parent_id: int) -> "Context":
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, set_span_in_context

        if not parent_id:
            return Context()  # not Prefect's current span: samplers decide by the trace's id
        return set_span_in_context(NonRecordingSpan(span_context(trace_id, parent_id)), Context())


def span_context(trace_id: int, span_id: int) -> "SpanContext":
    """The context of a span of a sampled trace, which another process may have made."""
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class Telemetry:
    """What this process sends; nothing until it is configured."""

    def __init__(self) -> None:
        self.spans: SpanSender | None = None
        self.metrics: Metrics | None = None
        self._destination = Destination()
        self._meters: MeterProvider | None = None
        self._lock = threading.Lock()

    def configure(self, destination: Destination) -> bool:
        """Send to the destination from now on; one without an endpoint sends what waits, and nothing after it.

        Returns whether anything is sent. OpenTelemetry itself sends what waits when the process exits.

        Every part of a process may ask for it: where all is sent there already, nothing changes.
        What else OTLP exporters take (headers, certificates, the service's name, sampling) OpenTelemetry reads itself,
        from its own variables. Where the extra `otel` is missing the log says so and nothing is sent: the variable of
        the endpoint may be there for other programs.
        """
        with self._lock:
            if destination != self._destination:
                self._stop()
                self._destination = destination
                if destination.endpoint:
                    self._start(destination, destination.endpoint)
            return self.spans is not None or self.metrics is not None

    def _start(self, destination: Destination, endpoint: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            logger.warning("spans are not sent: OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra `otel` not installed")
            return
        from blocks.telemetry.metrics import Metrics

        if destination.sends_spans:
            provider = TracerProvider(resource=_resource(), id_generator=_id_generator())
            exporter = OTLPSpanExporter(endpoint=endpoint + TRACES_PATH)
            provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=destination.queue_size))
            self.spans = SpanSender(provider, destination.conventions)
        if destination.sends_metrics:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint + METRICS_PATH))
            self._meters = MeterProvider([reader], resource=_resource())
            self.metrics = Metrics(self._meters.get_meter(SCOPE), destination.conventions)

    def _stop(self) -> None:
        spans, meters = self.spans, self._meters
        self.spans = self.metrics = self._meters = None
        if spans is not None:
            spans.provider.shutdown()
        if meters is not None:
            meters.shutdown()


TELEMETRY = Telemetry()

_given_ids: ContextVar[tuple[int, int]] = ContextVar("winnow_span_ids", default=(0, 0))


def configure_telemetry(settings: Settings) -> bool:
    """Send spans and metrics of this process where the settings say. Returns whether anything is sent."""
    return TELEMETRY.configure(Destination.of(settings))


def digest_id(bits: int, *parts: str) -> int:
    """An id of a span (64 bits) or of a trace (128 bits), as every process computes it. It is never 0."""
    digest = hashlib.sha256(" ".join(parts).encode()).digest()
    return int.from_bytes(digest[: bits // 8], "big") or 1


def fail(span: "Span", error_type: str) -> None:
    """Mark a span as failed by the kind of the error: its message may quote a document or a reply."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute(str(ERROR_TYPE.latest), error_type)
    span.set_status(Status(StatusCode.ERROR, error_type))


def _id_generator() -> "IdGenerator":
    """The ids that were given, or else ids by chance."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class GivenIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _given_ids.get()[0] or super().generate_trace_id()

        def generate_span_id(self) -> int:
            return _given_ids.get()[1] or super().generate_span_id()

    return GivenIds()


def _resource() -> "Resource":
    """Who sends: ``winnow``, or what OpenTelemetry's own variables say."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "winnow"}))
    return found
