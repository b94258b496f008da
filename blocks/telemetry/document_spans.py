"""The spans of a document in a run: one trace, whichever processes work on it.

Ids of traces, documents and runs are digests of what they are about, so that every process adds to the same trace.
A trace per run would be too large for backends, which break at about ten thousand spans; the span of each document
links to the span of its run instead.

A span has names, ids, counts and kinds of errors. No text of a document, no path and no message is in it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from blocks.records import Failure, Outcome, Stage
from blocks.telemetry.conventions import Value
from blocks.telemetry.telemetry import TELEMETRY, SpanSender, Telemetry, digest_id, fail, span_context

DOCUMENT, RUN = "document", "run"


def trace_id_of(run_id: str, document_id: str) -> int:
    """The id of the trace of a document in a run."""
    return digest_id(128, run_id, document_id)


def document_span_id(run_id: str, document_id: str) -> int:
    """The id of the span of a document in a run, the root of its trace."""
    return digest_id(64, DOCUMENT, run_id, document_id)


def score_span_id(run_id: str, document_id: str) -> int:
    """The id of the span of score, below which the attempts at models are. Other stages have ids by chance."""
    return digest_id(64, Stage.SCORE, run_id, document_id)


def run_trace_id(run_id: str) -> int:
    """The id of the trace that has the span of the run."""
    return digest_id(128, RUN, run_id)


def run_span_id(run_id: str) -> int:
    """The id of the span of a run."""
    return digest_id(64, RUN, run_id)


@contextmanager
def run_span(run_id: str, telemetry: Telemetry = TELEMETRY) -> Iterator[None]:
    """A span of all that is done within; an exception marks it as failed, by its type."""
    spans = telemetry.spans
    if spans is None:
        yield
        return
    attributes: dict[str, Value] = {"winnow.run_id": run_id}
    span = spans.start(RUN, run_trace_id(run_id), span_id=run_span_id(run_id), attributes=attributes)
    error_type = ""
    try:
        yield
    except BaseException as error:
        error_type = getattr(error, "kind", type(error).__name__)
        raise
    finally:
        if error_type:
            fail(span, error_type)
        span.end()


class DocumentSpans:
    """Makes the spans of documents of a run. Thread-safe."""

    def __init__(self, spans: SpanSender, run_id: str) -> None:
        self._spans = spans
        self._run_id = run_id

    def discovered(self, document_ids: Iterable[str], failures: Mapping[str, Failure], started_ns: int) -> None:
        """Spans of discover for documents that were found together. One that failed there has no other span."""
        period = started_ns, time.time_ns()
        for id_ in document_ids:
            failure = failures.get(id_)
            self._of_stage(id_, Stage.DISCOVER, period, {"winnow.outcome": "failed" if failure else "done"}, failure)

    def worked(
        self, stage: Stage, outcomes: Sequence[Outcome], attempts: Mapping[str, int], ended_ns: Mapping[str, int]
    ) -> None:
        """A span for each outcome in `attempts`: it ended when the outcome arrived, and took what the outcome says."""
        for outcome in outcomes:
            id_ = outcome.document_id
            if id_ not in attempts:
                continue
            ended_as = "failed" if outcome.payload is None else "provisional" if outcome.failure else "done"
            attributes: dict[str, Value] = {"winnow.outcome": ended_as, "winnow.attempts": attempts[id_]}
            if outcome.engine:
                attributes["winnow.engine"] = outcome.engine
            period = ended_ns[id_] - outcome.duration_ms * 1_000_000, ended_ns[id_]
            self._of_stage(id_, stage, period, attributes, outcome.failure)

    def stored(
        self, outcomes: Mapping[str, str], failures: Mapping[str, Failure], taken_ns: int, started_ns: int
    ) -> None:
        """Spans of store, and of the documents, from when their chunk was taken. `outcomes` say how they ended."""
        from opentelemetry.trace import Link

        run_id, ended_ns = self._run_id, time.time_ns()
        link = Link(span_context(run_trace_id(run_id), run_span_id(run_id)), {"winnow.run_id": run_id})
        for id_, outcome in outcomes.items():
            trace_id = trace_id_of(run_id, id_)
            if not self._spans.is_sampled(trace_id):
                continue
            failure = failures.get(id_)
            self._of_stage(id_, Stage.STORE, (started_ns, ended_ns), {"winnow.outcome": outcome}, None)
            span = self._spans.start(
                DOCUMENT,
                trace_id,
                span_id=document_span_id(run_id, id_),
                attributes={
                    "winnow.run_id": run_id,
                    "winnow.document_id": id_,
                    "winnow.outcome": outcome,
                    **({"winnow.failed_stage": failure.stage.value} if failure else {}),
                },
                links=(link,),
                started_ns=taken_ns,
            )
            if failure:
                fail(span, failure.kind)
            span.end(ended_ns)

    def _of_stage(
        self,
        document_id: str,
        stage: Stage,
        period_ns: tuple[int, int],
        attributes: Mapping[str, Value],
        failure: Failure | None,
    ) -> None:
        run_id = self._run_id
        trace_id = trace_id_of(run_id, document_id)
        if not self._spans.is_sampled(trace_id):
            return
        is_alone = stage is Stage.DISCOVER and failure is not None
        span = self._spans.start(
            stage.value,
            trace_id,
            parent_id=0 if is_alone else document_span_id(run_id, document_id),
            span_id=score_span_id(run_id, document_id) if stage is Stage.SCORE else 0,
            attributes={
                "winnow.run_id": run_id,
                "winnow.document_id": document_id,
                "winnow.stage": stage.value,
                **attributes,
            },
            started_ns=period_ns[0],
        )
        if failure:
            fail(span, failure.kind)
        span.end(period_ns[1])
