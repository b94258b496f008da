"""The figures of a database in Prometheus's text format.

Names, units and types follow "Metric and label naming" of Prometheus's documentation: base units, seconds and bytes;
`_total` for what only grows; times as Unix timestamps, whose age Prometheus computes (`time() - …`). Labels hold names
of types, stages, kinds, models: nothing of a document.
"""

import hmac
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from blocks.database.monitoring.figures import LATENCY_BUCKETS_S, Calls, Figures, MetricsReader
from blocks.records import CACHE_HIT

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import SecretStr

    from blocks.database.engine import Database

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
KEPT_FOR_S = 5.0
"""Several monitors, or an impatient one, cost the database one reading in this time."""
RESTS = 10
"""After a reading the database rests so many times as long as it took: counting grows with the documents."""

Labels = tuple[str, ...]
Values = Mapping[Any, float]
"""By label values: a tuple as long as the labels."""


class Exporter:
    """The metrics of a database, for any number of threads that ask."""

    def __init__(self, database: "Database", kept_for_s: float = KEPT_FOR_S) -> None:
        self._reader = MetricsReader(database)
        self._kept_for_s = kept_for_s
        self._lock = threading.Lock()
        self._text, self._until = b"", 0.0

    def text(self) -> bytes:
        """The metrics, kept for `kept_for_s` seconds, or for `RESTS` times as long as reading them took.

        Those of before while another thread reads: that may take longer than a monitor waits. Raises
        `DatabaseUnreachable`.
        """
        if not self._lock.acquire(blocking=not self._text):
            return self._text
        try:
            started = time.monotonic()
            if started >= self._until:
                figures = self._reader.read()
                took_s = time.monotonic() - started
                self._text = rendered(figures, took_s)
                self._until = time.monotonic() + max(self._kept_for_s, RESTS * took_s)
            return self._text
        finally:
            self._lock.release()


def is_authorised(header: str | None, token: "SecretStr | None") -> bool:
    """Whether an Authorization header has the token of WINNOW_METRICS_TOKEN; never where there is none."""
    if token is None or header is None:
        return False
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())


def rendered(figures: Figures, scrape_s: float = 0.0) -> bytes:
    """All metrics, in the text format 0.0.4. `scrape_s`: how long reading them took."""
    registry = CollectorRegistry(auto_describe=False)
    took = _gauge("scrape_seconds", "Seconds that reading this took.", scrape_s)
    registry.register(_Collected([*families(figures), took]))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def families(figures: Figures) -> list[Metric]:
    """The metrics, in the order of docs/monitoring.md."""
    return [
        _gauges("documents", "Documents by type and status.", ("document_type", "status"), figures.documents),
        _gauges("failures_open", "Open failures by stage and kind.", ("stage", "kind"), figures.failures),
        _gauges("runs", "Runs that started in the last 7 days, by state.", ("state",), _by_one(figures.runs)),
        _time("run_last_completed", "When the last completed run ended.", figures.last_completed_at),
        _gauges("workers", "Workers by lease: live, or expired.", ("lease",), _by_one(figures.workers)),
        _time("worker_last_heartbeat", "The last heartbeat of any worker that has not ended.", figures.last_beat_at),
        *_review(figures),
        *_calls(figures.calls),
        _gauges(
            "model_circuit_open",
            "1 while the circuit of a model is open, 0 while it is closed or half-open.",
            ("model",),
            {(model,): int(is_open) for model, is_open in figures.circuits.items()},
        ),
        _gauge("budget_spent_usd", "What models have cost, or may have cost, this UTC day.", figures.spent_today_usd),
        _gauge("budget_reserved_usd", "What open calls of this UTC day may cost.", figures.reserved_today_usd),
        _gauge("database_size_bytes", "Size of the database.", figures.database_bytes),
    ]


def _review(figures: Figures) -> list[Metric]:
    waiting = figures.review
    label = ("document_type",)
    decisions = CounterMetricFamily("winnow_review_decisions", "Final decisions by action.", labels=("action",))
    for action, count in sorted(figures.decisions.items()):
        decisions.add_metric((action,), count)
    return [
        _gauges("review_open", "Items that wait for a person.", label, {(w.document_type,): w.open for w in waiting}),
        _gauges("review_overdue", "Of these, past due.", label, {(w.document_type,): w.overdue for w in waiting}),
        _gauges(
            "review_oldest_timestamp_seconds",
            "When the oldest of these was opened.",
            label,
            {(w.document_type,): w.oldest_at.timestamp() for w in waiting},
        ),
        decisions,
    ]


def _calls(calls: Calls) -> list[Metric]:
    sent = {key: figures for key, figures in sorted(calls.items()) if key[1] != CACHE_HIT}
    count = CounterMetricFamily("winnow_model_calls", "Attempts that ended, by outcome.", labels=("model", "outcome"))
    hits = CounterMetricFamily("winnow_model_cache_hits", "Answers from the reply cache.", labels=("model",))
    tokens = CounterMetricFamily(
        "winnow_model_tokens",
        "Tokens. Kinds cached and cache_write are parts of input, reasoning is a part of output.",
        labels=("model", "kind"),
    )
    cost = CounterMetricFamily("winnow_model_cost_usd", "Cost by the usage that providers state.", labels=("model",))
    unconfirmed = CounterMetricFamily(
        "winnow_model_unconfirmed_usd", "What attempts without a reply may have cost.", labels=("model",)
    )
    seconds = HistogramMetricFamily(
        "winnow_model_call_seconds", "Latency of attempts, by outcome.", labels=("model", "outcome")
    )
    totals: dict[str, dict[str, float]] = {}
    for (model, outcome), figures in sent.items():
        count.add_metric((model, outcome), figures.calls)
        seconds.add_metric((model, outcome), _cumulated(figures.buckets), figures.latency_s)
        of_model = totals.setdefault(model, {})
        sums = figures.tokens | {"cost": figures.cost_usd, "unconfirmed": figures.unconfirmed_usd}
        for name, value in sums.items():
            of_model[name] = of_model.get(name, 0) + value
    for model, sums in totals.items():
        cost.add_metric((model,), sums.pop("cost"))
        unconfirmed.add_metric((model,), sums.pop("unconfirmed"))
        for kind, value in sums.items():
            tokens.add_metric((model, kind), value)
    for (model, outcome), figures in sorted(calls.items()):
        if outcome == CACHE_HIT:
            hits.add_metric((model,), figures.calls)
    return [count, seconds, tokens, cost, unconfirmed, hits]


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each counts all latencies up to its limit."""
    limits = [*(str(limit_s) for limit_s in LATENCY_BUCKETS_S), "+Inf"]
    return [(limit, sum(counts[: number + 1])) for number, limit in enumerate(limits)]


def _gauges(name: str, what: str, labels: Labels, values: Values) -> Metric:
    family = GaugeMetricFamily(f"winnow_{name}", what, labels=labels)
    for of_labels, value in sorted(values.items()):
        family.add_metric(of_labels, value)
    return family


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"winnow_{name}", what, value)


def _time(name: str, what: str, at: "datetime | None") -> Metric:
    """A Unix timestamp; no sample where there is none."""
    return _gauges(f"{name}_timestamp_seconds", what, (), {} if at is None else {(): at.timestamp()})


def _by_one(values: Mapping[str, int]) -> dict[Labels, float]:
    return {(key,): value for key, value in values.items()}
