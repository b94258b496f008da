"""A real run that sends its traces and metrics to an OTLP backend in a process of its own."""

from collections import defaultdict
from typing import Any

import pytest

from blocks.telemetry.document_spans import run_span_id, run_trace_id, trace_id_of
from tests.doubles.otlp_receiver import OtlpReceiver, attributes_of
from tests.model_runs import KEY, PRICES, TRUTHFUL, Notes

pytestmark = pytest.mark.prefect

DOCUMENTS = 5


def test_a_run_sends_a_trace_per_document_and_metrics_of_its_calls(notes: Notes, receiver: OtlpReceiver) -> None:
    notes.type("route:\n  - model: fast\n")
    notes.provider.script(
        hook=TRUTHFUL,
        prices=PRICES,
        latency_s=0.02,
        rules=[{"when": {"containing": "REF-0001"}, "do": {"status": 500}, "times": 1}],
    )
    notes.add("fast")
    notes.workplace.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
    run_id = str(notes.run(notes.write(DOCUMENTS))["run_id"])
    attempts = notes.outcomes()
    assert attempts == {"ok": DOCUMENTS, "server_failed": 1}

    traces: dict[int, list[Any]] = defaultdict(list)
    for span in receiver.span_messages():
        traces[int.from_bytes(span.trace_id, "big")].append(span)
    [run] = traces.pop(run_trace_id(run_id))
    assert int.from_bytes(run.span_id, "big") == run_span_id(run_id)
    assert set(traces) == {trace_id_of(run_id, id_) for id_ in notes.references()}
    calls = 0
    for spans in traces.values():
        named = {span.name: span for span in spans}
        assert set(named) == {
            *("document", "discover", "extract", "classify", "score", "validate", "store"),
            "chat up-fast",
        }
        root, score = named["document"], named["score"]
        assert [(link.trace_id, link.span_id) for link in root.links] == [(run.trace_id, run.span_id)]
        for span in spans:
            is_call = span.name.startswith("chat")
            calls += is_call
            parent = b"" if span is root else score.span_id if is_call else root.span_id
            assert span.parent_span_id == parent, span.name
        assert attributes_of(root)["winnow.outcome"] == "accepted"
        assert attributes_of(named["extract"]).keys() >= {"winnow.engine", "winnow.attempts"}
        assert str(attributes_of(score)["winnow.engine"]).startswith("fast@")
    assert calls == DOCUMENTS + 1

    counted = {
        attributes_of(point).get("error.type"): point.count
        for point in receiver.points()["gen_ai.client.operation.duration"]
    }
    assert counted == {None: DOCUMENTS, "server_failed": 1}
    assert sum(point.count for point in receiver.points()["gen_ai.client.token.usage"]) == 2 * DOCUMENTS
    assert receiver.services() == {"winnow"}
    sent = receiver.raw()
    for secret in (KEY, "REF-", "notes.jsonl", str(notes.workplace.folder)):
        assert secret.encode() not in sent


def test_each_run_makes_its_own_trace_of_a_document_and_old_and_new_names_stand_side_by_side(
    notes: Notes, receiver: OtlpReceiver
) -> None:
    notes.type("route:\n  - model: fast\n")
    notes.provider.script(hook=TRUTHFUL, prices=PRICES)
    notes.add("fast")
    notes.workplace.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
    notes.workplace.environment["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental/dup"
    source = notes.write(2)
    run_ids = [str(notes.run(source, *again)["run_id"]) for again in ((), ("--rerun", "all"))]

    roots = [span for span in receiver.span_messages() if span.name == "document"]
    assert sorted(int.from_bytes(root.trace_id, "big") for root in roots) == sorted(
        trace_id_of(run_id, id_) for run_id in run_ids for id_ in notes.references()
    )
    for root in roots:
        told = attributes_of(root)
        [link] = root.links
        assert int.from_bytes(link.span_id, "big") == run_span_id(str(told["winnow.run_id"]))
    calls = [attributes_of(span) for span in receiver.span_messages() if span.name == "chat up-fast"]
    assert len(calls) == 2, "stored replies answer the second run, which is no attempt"
    assert all(call["gen_ai.system"] == call["gen_ai.provider.name"] == "openai" for call in calls)
    assert receiver.points().keys() >= {
        *("gen_ai.client.operation.duration", "gen_ai.client.inference.duration"),
        *("gen_ai.client.token.usage", "gen_ai.client.inference.usage.input_tokens"),
    }
