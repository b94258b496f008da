"""Spans of model calls, as a backend receives them over OTLP."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.gateway.errors import CallFailed, RateLimited, TruncatedReply
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.policies.tracing import Traced
from blocks.gateway.registry.registry import RegisteredModel
from blocks.records import TEST_LANE
from blocks.settings import Settings
from blocks.telemetry import conventions
from blocks.telemetry.conventions import OPT_IN, Conventions
from blocks.telemetry.document_spans import score_span_id, trace_id_of
from blocks.telemetry.telemetry import Destination, Telemetry, configure_telemetry
from tests.blocks.gateway.questions import PAGE_1, ask
from tests.doubles.otlp_receiver import OtlpReceiver, Span, attributes_of

ROOT = Path(__file__).parents[4]
CANARY = "sk-canary-9876543210"
REGISTERED = RegisteredModel(
    name="m", provider="openai", upstream="gpt-4.1-mini", endpoint="http://127.0.0.1:8080/v1", headers={"x-key": CANARY}
)
USAGE = Usage(input_tokens=120, output_tokens=30, cached_tokens=100, reasoning_tokens=7)


Sending = Callable[[Destination], Telemetry]


@pytest.fixture
def sending() -> Iterator[Sending]:
    """Makes telemetry to a destination; at the end of the test all of it is closed."""
    made: list[Telemetry] = []

    def send(destination: Destination) -> Telemetry:
        made.append(Telemetry())
        made[-1].configure(destination)
        return made[-1]

    yield send
    for one in made:
        one.configure(Destination())


@pytest.fixture
def tracing(receiver: OtlpReceiver, sending: Sending) -> Telemetry:
    return sending(Destination(receiver.url))


def flush(tracing: Telemetry) -> None:
    """Send what waits now."""
    if tracing.spans is not None:
        assert tracing.spans.provider.force_flush()
    if tracing._meters is not None:
        assert tracing._meters.force_flush()


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


def trace(tracing: Telemetry, receiver: OtlpReceiver, outcome: ModelReply | Exception, **changes: Any) -> Span:
    model = Traced(Scripted(outcome), changes.pop("registered", REGISTERED), telemetry=tracing, **changes)
    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)):
            asyncio.run(model.answer(ask(step=1, attempt=2)))
    else:
        assert asyncio.run(model.answer(ask(step=1, attempt=2))) == outcome
    flush(tracing)
    [span] = receiver.spans()
    return span


def test_a_call_is_a_span_of_the_conventions(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    span = trace(tracing, receiver, answered())
    assert receiver.services() == {"winnow"}
    assert span.pop("lasts_ns") >= 10_000_000
    assert span == {
        "name": "chat gpt-4.1-mini",
        "kind": 3,  # CLIENT
        "status": (0, ""),
        "events": 0,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
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


def test_the_attempts_for_a_document_in_a_run_are_below_the_span_of_score(
    tracing: Telemetry, receiver: OtlpReceiver
) -> None:
    model = Traced(Scripted(answered()), REGISTERED, telemetry=tracing)
    other = ask().request.model_copy(update={"document_id": "d2"})

    async def attempts() -> None:
        questions = (ask(), ask(other), ask(attempt=2), ask(lane=TEST_LANE))
        await asyncio.gather(*(model.answer(question) for question in questions))

    asyncio.run(attempts())
    flush(tracing)
    traces: dict[int, list[int]] = {}
    for span in receiver.span_messages():
        traces.setdefault(int.from_bytes(span.trace_id, "big"), []).append(int.from_bytes(span.parent_span_id, "big"))
    assert {trace: sorted(parents) for trace, parents in traces.items()} == {
        trace_id_of("run", "d1"): [0, *[score_span_id("run", "d1")] * 2],  # a trial is no part of a run
        trace_id_of("run", "d2"): [score_span_id("run", "d2")],
    }


def test_durations_and_tokens_are_metrics_of_the_conventions(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    failed = TruncatedReply("m")
    failed.usage = USAGE
    for outcome in (answered(), failed, RateLimited("m", 3)):
        asyncio.run(_ended(Traced(Scripted(outcome), REGISTERED, telemetry=tracing)))
    flush(tracing)
    points = receiver.points()
    assert points.keys() == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}
    durations = points["gen_ai.client.operation.duration"]
    assert sorted((attributes_of(point).get("error.type", ""), point.count) for point in durations) == [
        ("", 1),
        ("rate_limited", 1),
        ("truncated_reply", 1),
    ]
    assert all(point.sum >= 0.01 for point in durations)
    assert list(durations[0].explicit_bounds) == [0.01 * 2**power for power in range(14)]
    tokens = points["gen_ai.client.token.usage"]
    assert list(tokens[0].explicit_bounds) == [4**power for power in range(14)]
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "server.address": "127.0.0.1",
        "server.port": 8080,
    }
    version = {"gen_ai.response.model": "gpt-4.1-mini-2025-04-14"}
    assert [(attributes_of(point), point.count, point.sum) for point in tokens] == [
        ({**common, **version, "gen_ai.token.type": "input"}, 1, 120),
        ({**common, **version, "gen_ai.token.type": "output"}, 1, 30),
        ({**common, "gen_ai.token.type": "input"}, 1, 120),
        ({**common, "gen_ai.token.type": "output"}, 1, 30),
    ]


@pytest.mark.parametrize(("opt_in", "sends_older"), [(OPT_IN, False), (f"http, {OPT_IN}/dup", True)])
def test_the_latest_names_are_sent_where_they_are_asked_for(
    receiver: OtlpReceiver, sending: Sending, opt_in: str, sends_older: bool
) -> None:
    tracing = sending(Destination(receiver.url, conventions=Conventions.chosen_by(opt_in)))
    usage = Usage(input_tokens=120, output_tokens=30, cached_tokens=100, cache_write_tokens=20)
    asyncio.run(_ended(Traced(Scripted(answered(usage=usage)), REGISTERED, telemetry=tracing)))
    asyncio.run(_ended(Traced(Scripted(RateLimited("m", 3)), REGISTERED, telemetry=tracing)))
    flush(tracing)
    span = receiver.spans()[0]
    assert span["gen_ai.usage.cache_write.input_tokens"] == 20
    assert ("gen_ai.usage.cache_creation.input_tokens" in span) is sends_older
    assert ("gen_ai.system" in span) is sends_older
    points = receiver.points()
    assert ("gen_ai.client.operation.duration" in points) is sends_older
    assert ("gen_ai.client.token.usage" in points) is sends_older
    assert sum(point.count for point in points["gen_ai.client.inference.duration"]) == 2
    assert sorted(point.sum for point in points["gen_ai.client.inference.operation.input_tokens"]) == [0, 120]
    [written] = points["gen_ai.client.inference.usage.cache_write.input_tokens"]
    assert (written.as_int, attributes_of(written)["gen_ai.token.modality"]) == (20, "unknown")


async def _ended(model: Traced) -> None:
    await asyncio.gather(model.answer(ask()), return_exceptions=True)


def test_without_a_switch_the_table_has_the_names_of_the_installed_conventions() -> None:
    from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, server_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    modules = (gen_ai_attributes, gen_ai_metrics, error_attributes, server_attributes)
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    rows = {value for value in vars(conventions).values() if isinstance(value, conventions.Name)}
    older = {name for row in rows for name in row[:2] if name}
    assert len(rows) > 20
    assert older - known == set()


def test_the_page_shows_every_name_that_differs() -> None:
    shown = {
        tuple(cell.strip("` ") or None for cell in line.strip("|").split("|"))
        for line in (ROOT / "docs" / "monitoring.md").read_text().splitlines()
        if line.startswith("|") and "gen_ai." in line
    }
    rows = {value for value in vars(conventions).values() if isinstance(value, conventions.Name)}
    assert shown == {tuple(row) for row in rows if len(set(row)) > 1}


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
    tracing: Telemetry, receiver: OtlpReceiver, provider: Any, endpoint: str, expected: tuple[object, ...]
) -> None:
    registered = REGISTERED.model_copy(update={"provider": provider, "endpoint": endpoint})
    span = trace(tracing, receiver, answered(), registered=registered)
    names = ("gen_ai.operation.name", "gen_ai.provider.name", "server.address", "server.port")
    assert tuple(span.get(name) for name in names) == expected


def test_a_failure_is_told_by_its_kind_alone(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    failed = TruncatedReply("m")
    failed.usage, failed.reply_text, failed.sent_text = USAGE, '{"total": "Jane Roe', PAGE_1
    span = trace(tracing, receiver, failed)
    assert span["status"] == (2, "truncated_reply")
    assert span["error.type"] == "truncated_reply"
    assert span["gen_ai.response.finish_reasons"] == ["length"]
    assert span["gen_ai.usage.output_tokens"] == 30
    assert span["events"] == 0


@pytest.mark.parametrize("failure", [RateLimited("m", 3), ValueError("a bug")], ids=["typed", "bug"])
def test_every_attempt_that_fails_ends_its_span(tracing: Telemetry, receiver: OtlpReceiver, failure: Exception) -> None:
    span = trace(tracing, receiver, failure)
    assert span["error.type"] == ("rate_limited" if isinstance(failure, CallFailed) else "unexpected")


def test_an_attempt_that_is_cancelled_ends_its_span(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    async def cancel() -> None:
        task = asyncio.create_task(Traced(Scripted(answered()), REGISTERED, telemetry=tracing).answer(ask()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    flush(tracing)
    assert [span["error.type"] for span in receiver.spans()] == ["cancelled"]


def test_nothing_of_a_document_and_no_key_is_sent(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    failed = TruncatedReply("m")
    failed.sent_text, failed.reply_text = f"{PAGE_1} {CANARY}", PAGE_1
    trace(tracing, receiver, failed)
    asyncio.run(Traced(Scripted(answered()), REGISTERED, telemetry=tracing).answer(ask()))
    flush(tracing)
    sent = receiver.raw()
    assert len(receiver.spans()) == 2
    for secret in (CANARY, "Baker", "Flour", "fields"):
        assert secret.encode() not in sent


def test_what_was_said_is_sent_where_prompts_are_kept(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    span = trace(tracing, receiver, answered(), keep_texts=True)
    assert json.loads(span["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": PAGE_1}]}
    ]
    assert json.loads(span["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": '{"fields": {}}'}], "finish_reason": "stop"}
    ]
    assert CANARY.encode() not in receiver.raw()


def test_counts_that_the_provider_did_not_state_are_left_out(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    span = trace(tracing, receiver, answered(usage=Usage(is_stated=False)))
    assert not any(name.startswith("gen_ai.usage") for name in span)


def test_settings_turn_it_on_and_closing_sends_what_waits(receiver: OtlpReceiver) -> None:
    assert not configure_telemetry(Settings(otlp_endpoint=None))
    assert configure_telemetry(Settings(otlp_endpoint=f"{receiver.url}/"))
    model = Traced(Scripted(answered()), REGISTERED)
    asyncio.run(model.answer(ask()))
    assert not configure_telemetry(Settings(otlp_endpoint=None))
    asyncio.run(model.answer(ask()))
    assert [span["name"] for span in receiver.spans()] == ["chat gpt-4.1-mini"]
    assert [point.count for point in receiver.points()["gen_ai.client.operation.duration"]] == [1]


@pytest.mark.parametrize(("traces", "metrics"), [("otlp", "none"), ("none", "otlp"), ("none", "none")])
def test_traces_and_metrics_are_turned_off_by_opentelemetrys_own_switches(
    receiver: OtlpReceiver, sending: Sending, traces: str, metrics: str
) -> None:
    settings = Settings(otlp_endpoint=receiver.url, traces_exporter=traces, metrics_exporter=metrics)
    tracing = sending(Destination.of(settings))
    asyncio.run(Traced(Scripted(answered()), REGISTERED, telemetry=tracing).answer(ask()))
    flush(tracing)
    assert bool(receiver.spans()) is (traces == "otlp")
    assert bool(receiver.points()) is (metrics == "otlp")


def test_a_trace_that_is_not_sampled_costs_no_span_and_is_counted_all_the_same(
    receiver: OtlpReceiver, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracing = sending(Destination(receiver.url))
    asyncio.run(Traced(Scripted(answered()), REGISTERED, telemetry=tracing).answer(ask()))
    flush(tracing)
    assert receiver.spans() == []
    assert [point.count for point in receiver.points()["gen_ai.client.operation.duration"]] == [1]


def test_configuring_it_again_for_the_same_endpoint_changes_nothing(tracing: Telemetry, receiver: OtlpReceiver) -> None:
    spans = tracing.spans
    assert tracing.configure(Destination(receiver.url))
    assert tracing.spans is spans
    assert not tracing.configure(Destination())
    assert tracing.spans is None
    assert tracing.metrics is None


def test_a_backend_that_is_gone_holds_up_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    tracing = Telemetry()
    tracing.configure(Destination("http://127.0.0.1:9"))
    reply = asyncio.run(Traced(Scripted(answered()), REGISTERED, telemetry=tracing).answer(ask()))
    tracing.configure(Destination())
    assert reply == answered()


def test_without_an_endpoint_nothing_of_opentelemetrys_sdk_is_loaded() -> None:
    code = (
        "import sys, tasks.runs.chunk, tasks.store.store, tasks.discover.batch, blocks.gateway.policies.tracing\n"
        "import blocks.telemetry.telemetry as t\n"
        "loaded = {m for m in sys.modules if m.startswith('opentelemetry.sdk')}\n"
        "assert t.TELEMETRY.configure(t.Destination()) is False\n"
        "assert t.TELEMETRY.spans is None\n"
        "print(sorted({m for m in sys.modules if m.startswith('opentelemetry.sdk')} - loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_where_the_extra_is_missing_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    tracing = Telemetry()
    assert not tracing.configure(Destination("http://127.0.0.1:9"))
    assert tracing.spans is None
    assert "otel" in caplog.text
