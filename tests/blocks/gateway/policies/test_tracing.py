"""Spans of model calls, as a backend receives them over OTLP."""

import asyncio
import gzip
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from blocks.gateway.errors import CallFailed, RateLimited, TruncatedReply
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.policies.tracing import Traced, Tracing, configure_tracing, trace_id_of
from blocks.gateway.registry.registry import RegisteredModel
from blocks.settings import Settings
from tests.blocks.gateway.questions import PAGE_1, ask

CANARY = "sk-canary-9876543210"
REGISTERED = RegisteredModel(
    name="m", provider="openai", upstream="gpt-4.1-mini", endpoint="http://127.0.0.1:8080/v1", headers={"x-key": CANARY}
)
USAGE = Usage(input_tokens=120, output_tokens=30, cached_tokens=100, reasoning_tokens=7)

Span = dict[str, Any]


class Receiver:
    """An OTLP backend: decodes what is posted to it."""

    def __init__(self) -> None:
        self.bodies: list[ExportTraceServiceRequest] = []
        self.raw: list[bytes] = []
        self.paths: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.raw.append(body)
                receiver.paths.append(self.path)
                receiver.bodies.append(ExportTraceServiceRequest.FromString(body))
                content = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_request(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Span]:
        found = [
            span
            for body in self.bodies
            for resource in body.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return [
            {
                "name": span.name,
                "kind": span.kind,
                "status": (span.status.code, span.status.message),
                "lasts_ns": span.end_time_unix_nano - span.start_time_unix_nano,
                "events": len(span.events),
                **{one.key: _plain(one.value) for one in span.attributes},
            }
            for span in found
        ]

    def service(self) -> str:
        attributes = self.bodies[0].resource_spans[0].resource.attributes
        return next(str(one.value.string_value) for one in attributes if one.key == "service.name")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _plain(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def tracing(receiver: Receiver) -> Iterator[Tracing]:
    made = Tracing()
    assert made.configure(receiver.url)
    yield made
    made.configure(None)


def flush(tracing: Tracing) -> bool:
    assert tracing._provider is not None
    return tracing._provider.force_flush()


class Scripted:
    """A model that gives what it is told to."""

    name = "m"
    version = "openai:gpt-4.1-mini"

    def __init__(self, outcome: ModelReply | Exception) -> None:
        self._outcome = outcome

    async def answer(self, question: Question) -> ModelReply:
        await asyncio.sleep(0.01)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def answered(**changes: Any) -> ModelReply:
    said: dict[str, Any] = {"sent_text": PAGE_1, "received_text": '{"fields": {}}', "usage": USAGE}
    return ModelReply(model="m", model_version="gpt-4.1-mini-2025-04-14", **(said | changes))


def trace(tracing: Tracing, receiver: Receiver, outcome: ModelReply | Exception, **changes: Any) -> Span:
    model = Traced(Scripted(outcome), changes.pop("registered", REGISTERED), tracing=tracing, **changes)
    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)):
            asyncio.run(model.answer(ask(step=1, attempt=2)))
    else:
        assert asyncio.run(model.answer(ask(step=1, attempt=2))) == outcome
    assert flush(tracing)
    [span] = receiver.spans()
    return span


def test_a_call_is_a_span_of_the_conventions(tracing: Tracing, receiver: Receiver) -> None:
    span = trace(tracing, receiver, answered())
    assert receiver.paths == ["/v1/traces"]
    assert receiver.service() == "winnow"
    assert span.pop("lasts_ns") >= 10_000_000
    assert span == {
        "name": "chat gpt-4.1-mini",
        "kind": 3,  # CLIENT
        "status": (0, ""),
        "events": 0,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "winnow.model": "m",
        "winnow.run_id": "run",
        "winnow.document_id": "d1",
        "winnow.document_type": "bill",
        "winnow.step": 1,
        "winnow.attempt": 2,
        "winnow.lane": "run",
        "winnow.is_repaired": False,
        "winnow.first_byte_ms": 0,
    }


def test_the_attempts_for_a_document_in_a_run_are_one_trace(tracing: Tracing, receiver: Receiver) -> None:
    model = Traced(Scripted(answered()), REGISTERED, tracing=tracing)
    other = ask().request.model_copy(update={"document_id": "d2"})

    async def attempts() -> None:
        await asyncio.gather(*(model.answer(question) for question in (ask(), ask(other), ask(attempt=2))))

    asyncio.run(attempts())
    assert flush(tracing)
    spans = [s for body in receiver.bodies for r in body.resource_spans for scope in r.scope_spans for s in scope.spans]
    traces: dict[int, set[bytes]] = {}
    for span in spans:
        assert not span.parent_span_id
        traces.setdefault(int.from_bytes(span.trace_id, "big"), set()).add(span.span_id)
    assert {trace: len(ids) for trace, ids in traces.items()} == {
        trace_id_of("run", "d1"): 2,
        trace_id_of("run", "d2"): 1,
    }


def test_names_are_those_of_the_conventions_own_registry(tracing: Tracing, receiver: Receiver) -> None:
    from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, server_attributes

    known = {
        value
        for module in (gen_ai_attributes, error_attributes, server_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    failed = TruncatedReply("m")
    failed.usage, failed.sent_text = USAGE, "sent"
    span = trace(tracing, receiver, failed, keep_texts=True)
    named = {name for name in span if name.startswith(("gen_ai.", "error.", "server."))}
    assert len(named) > 10
    assert named - known == set()


@pytest.mark.parametrize(
    ("provider", "endpoint", "expected"),
    [
        ("openai", "", ("chat", "openai", "api.openai.com", 443)),
        ("openai-responses", "", ("chat", "openai", "api.openai.com", 443)),
        ("anthropic", "", ("chat", "anthropic", "api.anthropic.com", 443)),
        ("gemini", "", ("generate_content", "gcp.gemini", "generativelanguage.googleapis.com", 443)),
        ("openai", "https://x.openai.azure.com/openai/v1", ("chat", "azure.ai.openai", "x.openai.azure.com", 443)),
        (
            "openai-responses",
            "https://x.cognitiveservices.azure.com/openai/v1",
            ("chat", "azure.ai.openai", "x.cognitiveservices.azure.com", 443),
        ),
        (
            "anthropic",
            "https://x.services.ai.azure.com/anthropic/v1",
            ("chat", "anthropic", "x.services.ai.azure.com", 443),
        ),
        ("openai", "http://localhost/v1", ("chat", "openai", "localhost", 80)),
        ("openai", "http://[nonsense", ("chat", "openai", None, None)),
    ],
)
def test_who_serves_a_model_is_told(
    tracing: Tracing, receiver: Receiver, provider: Any, endpoint: str, expected: tuple[object, ...]
) -> None:
    registered = REGISTERED.model_copy(update={"provider": provider, "endpoint": endpoint})
    span = trace(tracing, receiver, answered(), registered=registered)
    names = ("gen_ai.operation.name", "gen_ai.provider.name", "server.address", "server.port")
    assert tuple(span.get(name) for name in names) == expected


def test_a_failure_is_told_by_its_kind_alone(tracing: Tracing, receiver: Receiver) -> None:
    failed = TruncatedReply("m")
    failed.usage, failed.reply_text, failed.sent_text = USAGE, '{"total": "Jane Roe', PAGE_1
    span = trace(tracing, receiver, failed)
    assert span["status"] == (2, "truncated_reply")
    assert span["error.type"] == "truncated_reply"
    assert span["gen_ai.response.finish_reasons"] == ["length"]
    assert span["gen_ai.usage.output_tokens"] == 30
    assert span["events"] == 0


@pytest.mark.parametrize("failure", [RateLimited("m", 3), ValueError("a bug")], ids=["typed", "bug"])
def test_every_attempt_that_fails_ends_its_span(tracing: Tracing, receiver: Receiver, failure: Exception) -> None:
    span = trace(tracing, receiver, failure)
    assert span["error.type"] == ("rate_limited" if isinstance(failure, CallFailed) else "unexpected")


def test_an_attempt_that_is_cancelled_ends_its_span(tracing: Tracing, receiver: Receiver) -> None:
    async def cancel() -> None:
        task = asyncio.create_task(Traced(Scripted(answered()), REGISTERED, tracing=tracing).answer(ask()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    flush(tracing)
    assert [span["error.type"] for span in receiver.spans()] == ["cancelled"]


def test_nothing_of_a_document_and_no_key_is_sent(tracing: Tracing, receiver: Receiver) -> None:
    failed = TruncatedReply("m")
    failed.sent_text, failed.reply_text = f"{PAGE_1} {CANARY}", PAGE_1
    trace(tracing, receiver, failed)
    asyncio.run(Traced(Scripted(answered()), REGISTERED, tracing=tracing).answer(ask()))
    flush(tracing)
    sent = b"".join(receiver.raw)
    assert len(receiver.spans()) == 2
    for secret in (CANARY, "Baker", "Flour", "fields"):
        assert secret.encode() not in sent


def test_what_was_said_is_sent_where_prompts_are_kept(tracing: Tracing, receiver: Receiver) -> None:
    span = trace(tracing, receiver, answered(), keep_texts=True)
    assert json.loads(span["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": PAGE_1}]}
    ]
    assert json.loads(span["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": '{"fields": {}}'}], "finish_reason": "stop"}
    ]
    assert CANARY.encode() not in b"".join(receiver.raw)


def test_counts_that_the_provider_did_not_state_are_left_out(tracing: Tracing, receiver: Receiver) -> None:
    span = trace(tracing, receiver, answered(usage=Usage(is_stated=False)))
    assert not any(name.startswith("gen_ai.usage") for name in span)


def test_settings_turn_it_on_and_closing_sends_what_waits(receiver: Receiver) -> None:
    from blocks.gateway.policies.tracing import TRACING

    assert not configure_tracing(Settings(otlp_endpoint=None))
    assert configure_tracing(Settings(otlp_endpoint=f"{receiver.url}/"))
    model = Traced(Scripted(answered()), REGISTERED)
    asyncio.run(model.answer(ask()))
    TRACING.configure(None)
    asyncio.run(model.answer(ask()))
    assert [span["name"] for span in receiver.spans()] == ["chat gpt-4.1-mini"]


def test_configuring_it_again_for_the_same_endpoint_changes_nothing(tracing: Tracing, receiver: Receiver) -> None:
    tracer = tracing.tracer
    assert tracing.configure(receiver.url)
    assert tracing.tracer is tracer
    assert not tracing.configure(None)
    assert tracing.tracer is None


def test_a_backend_that_is_gone_holds_up_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    gone = Receiver()
    tracing = Tracing()
    tracing.configure(gone.url)
    gone.close()
    reply = asyncio.run(Traced(Scripted(answered()), REGISTERED, tracing=tracing).answer(ask()))
    tracing.configure(None)
    assert reply == answered()


def test_without_an_endpoint_nothing_of_opentelemetrys_sdk_is_loaded() -> None:
    code = (
        "import sys, blocks.gateway.policies.tracing as t\n"
        "before = set(sys.modules)\n"
        "assert t.TRACING.configure(None) is False\n"
        "t.TRACING.configure(None)\n"
        "assert t.TRACING.tracer is None\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_where_the_extra_is_missing_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    tracing = Tracing()
    assert not tracing.configure("http://127.0.0.1:9")
    assert tracing.tracer is None
    assert "otel" in caplog.text
