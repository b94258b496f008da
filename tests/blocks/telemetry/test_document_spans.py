"""The spans of documents, as a backend receives them from several processes."""

import time
from collections.abc import Iterator

import pytest

from blocks.errors import Corrupt
from blocks.records import Outcome, Stage
from blocks.telemetry.document_spans import DocumentSpans, document_span_id, run_span, run_trace_id, trace_id_of
from blocks.telemetry.telemetry import Destination, SpanSender, Telemetry
from tests.doubles.otlp_receiver import OtlpReceiver, attributes_of

RUN = "0190-run"


@pytest.fixture
def workers(receiver: OtlpReceiver) -> Iterator[tuple[Telemetry, Telemetry]]:
    """Two processes' worth of telemetry to one backend."""
    both = Telemetry(), Telemetry()
    for one in both:
        assert one.configure(Destination(receiver.url))
    yield both
    for one in both:
        one.configure(Destination())


def spans_of(worker: Telemetry) -> DocumentSpans:
    assert isinstance(worker.spans, SpanSender)
    return DocumentSpans(worker.spans, RUN)


def work(worker: Telemetry, stage: Stage, *outcomes: Outcome) -> None:
    ids = [outcome.document_id for outcome in outcomes]
    spans_of(worker).worked(stage, outcomes, dict.fromkeys(ids, 2), dict.fromkeys(ids, time.time_ns()))


def test_a_trace_goes_on_in_another_process(receiver: OtlpReceiver, workers: tuple[Telemetry, Telemetry]) -> None:
    first, second = workers
    taken_ns = time.time_ns()
    spans_of(first).discovered(["a"], {}, taken_ns)
    work(first, Stage.EXTRACT, Outcome("a", b"{}", duration_ms=40, engine="pypdf"))
    work(second, Stage.CLASSIFY, Outcome("a", b"{}", duration_ms=1))
    spans_of(second).stored({"a": "accepted"}, {}, taken_ns, time.time_ns())
    for worker in workers:
        worker.configure(Destination())
    spans = {span.name: span for span in receiver.span_messages()}
    assert set(spans) == {"document", "discover", "extract", "classify", "store"}
    root = spans.pop("document")
    assert {int.from_bytes(span.trace_id, "big") for span in (root, *spans.values())} == {trace_id_of(RUN, "a")}
    assert int.from_bytes(root.span_id, "big") == document_span_id(RUN, "a")
    assert not root.parent_span_id
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    assert root.start_time_unix_nano == taken_ns
    extract = spans["extract"]
    assert extract.end_time_unix_nano - extract.start_time_unix_nano == 40_000_000
    assert attributes_of(extract) == {
        "winnow.run_id": RUN,
        "winnow.document_id": "a",
        "winnow.stage": "extract",
        "winnow.outcome": "done",
        "winnow.attempts": 2,
        "winnow.engine": "pypdf",
    }


def test_a_document_links_to_the_span_of_its_run(receiver: OtlpReceiver, workers: tuple[Telemetry, Telemetry]) -> None:
    first, second = workers
    with run_span(RUN, first):
        spans_of(second).stored({"a": "in_review"}, {}, time.time_ns(), time.time_ns())
    for worker in workers:
        worker.configure(Destination())
    spans = {span.name: span for span in receiver.span_messages()}
    [link] = spans["document"].links
    assert (link.trace_id, link.span_id) == (spans["run"].trace_id, spans["run"].span_id)
    assert int.from_bytes(link.trace_id, "big") == run_trace_id(RUN)
    assert attributes_of(spans["document"])["winnow.outcome"] == "in_review"


def test_failures_are_told_by_their_kind(receiver: OtlpReceiver, workers: tuple[Telemetry, Telemetry]) -> None:
    worker = workers[0]
    failure = Corrupt("PDF", "Jane Roe's file ends early").failure(Stage.EXTRACT)
    spans_of(worker).discovered(["gone"], {"gone": failure}, time.time_ns())
    work(worker, Stage.EXTRACT, Outcome("a", failure=failure), Outcome("b", b"{}", failure))
    spans_of(worker).stored({"a": "failed"}, {"a": failure}, time.time_ns(), time.time_ns())
    with pytest.raises(ValueError, match="Jane"), run_span(RUN, worker):
        raise ValueError("Jane Roe")
    worker.configure(Destination())
    told = {(span["name"], span.get("winnow.document_id")): span for span in receiver.spans()}
    assert {key: (span.get("winnow.outcome"), span.get("error.type")) for key, span in told.items()} == {
        ("run", None): (None, "ValueError"),
        ("store", "a"): ("failed", None),
        ("discover", "gone"): ("failed", "corrupt"),
        ("extract", "a"): ("failed", "corrupt"),
        ("extract", "b"): ("provisional", "corrupt"),
        ("document", "a"): ("failed", "corrupt"),
    }
    assert told["document", "a"]["winnow.failed_stage"] == "extract"
    alone = next(span for span in receiver.span_messages() if span.name == "discover")
    assert not alone.parent_span_id, "the document has no other span"
    assert b"Jane" not in receiver.raw()


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_a_trace_is_kept_as_a_whole_or_not_at_all(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    ids = [f"document {number}" for number in range(40)]
    workers = Telemetry(), Telemetry()
    for worker in workers:
        worker.configure(Destination(receiver.url))
    spans_of(workers[0]).discovered(ids, {}, time.time_ns())
    work(workers[1], Stage.SCORE, *(Outcome(id_, b"{}") for id_ in ids))
    spans_of(workers[0]).stored(dict.fromkeys(ids, "accepted"), {}, time.time_ns(), time.time_ns())
    for worker in workers:
        worker.configure(Destination())
    kept: dict[object, set[str]] = {}
    for span in receiver.spans():
        kept.setdefault(span["winnow.document_id"], set()).add(span["name"])
    assert 5 < len(kept) < 35
    assert set(map(frozenset, kept.values())) == {frozenset({"document", "discover", "score", "store"})}
