"""What is not as usual at the end of a run: a signal each, which the report sends to Prefect as an event.

A signal is for people: automations turn it into a message. It changes no result.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median, quantiles

from blocks.database.engine import Database
from blocks.database.learning.learned import closed_promises
from blocks.database.results import earlier_runs
from blocks.database.results.earlier_runs import Share
from blocks.records import UNKNOWN_TYPE
from tasks.report.report import RunReport

MIN_NUMBER, MIN_USUAL = 3, 0.01
MIN_RISE = {"failed": 0.05, "in_review": 0.2}
"""Shares of review differ between senders by nature: only a large rise is a signal."""
Z = 3.3
"""A share that did not change exceeds this in one run of 2,000: the one-sided test of a proportion, by the normal
approximation (Wilson, "Probable inference", 1927, section 2)."""
MIN_RUNS, MIN_CALLS = 5, 20
TIMES_USUAL = 2.0


@dataclass(frozen=True, slots=True)
class Signal:
    """Sent as the event `winnow.run.<name>`. `resource` is what it is about; `message` says it in a sentence."""

    name: str
    resource: str
    subject: str
    message: str


def signals(database: Database, run_id: str, report: RunReport) -> Iterator[Signal]:
    """Everything that is not as usual at the end of this run, from the database."""
    earlier = earlier_runs.earlier_runs(database, run_id)
    by_type = _without_known_failures(report)
    if report.counts.failed:
        usual = earlier_runs.shares(database, earlier, "failed")
        for name, share in jumped(by_type, usual, "failed"):
            kind = earlier_runs.commonest_failure(database, run_id, name)
            yield _share("failure-share", name, share, usual[name], "failed", kind)
    if report.counts.in_review and not report.waiting:  # a model that is away is a signal of its own
        usual = earlier_runs.shares(database, earlier, "in_review")
        for name, share in jumped(by_type, usual, "in_review"):
            reason = earlier_runs.commonest_reason(database, run_id, name)
            yield _share("review-share", name, share, usual[name], "went to review", reason)
    if report.model_calls:
        yield from _spend(earlier_runs.spend_per_document(database, (run_id, *earlier)), run_id)
        for model in report.models:
            now = earlier_runs.latencies_ms(database, (run_id,), model)
            yield from _latency(model, now, earlier_runs.latencies_ms(database, earlier, model))
    if late := earlier_runs.reviews_past_due(database):
        items = "1 review item is" if late == 1 else f"{late} review items are"
        yield Signal("reviews-due", "winnow.review", f"{items} past due", f"{items} past due: winnow review list")
    for name in closed_promises(database, report.by_type):
        message = (
            f"{name}: audits speak against its promise, so sure rows wait for a person: winnow trust --type {name}"
        )
        yield Signal("promise-closed", f"winnow.type.{name}", f"{name}: the promise is closed", message)
    for model, why in earlier_runs.open_circuits(database).items():
        message = f"the circuit of {model} is open at the end of the run: {why}"
        yield Signal("circuit-open", f"winnow.model.{model}", f"{model} does not answer", message)


def _without_known_failures(report: RunReport) -> dict[str, dict[str, int]]:
    """The counts by type, without documents that had failed before and failed again: no run changes their share."""
    return {
        name: counts | {"failed": counts.get("failed", 0) - report.failed_before.get(name, 0)}
        for name, counts in report.by_type.items()
    }


def jumped(
    by_type: Mapping[str, Mapping[str, int]], usual: Mapping[str, Share], outcome: str
) -> Iterator[tuple[str, Share]]:
    """The types whose share of an outcome is above the usual one by more than chance explains.

    A type without earlier documents has no usual share. Documents of an unknown type are a share of all documents.
    """
    every = sum((Counter(counts) for counts in by_type.values()), Counter[str]())
    for name, counts in by_type.items():
        number = counts.get(outcome, 0)
        among = every if name == UNKNOWN_TYPE else counts
        computed = sum(among.values()) - among.get("skipped", 0)
        before = usual.get(name)
        if number < MIN_NUMBER or before is None or not before.documents:
            continue
        expected = max(before.number / before.documents, MIN_USUAL)
        chance = sqrt(expected * (1 - expected) * (1 / computed + 1 / before.documents))
        if number / computed - expected > max(MIN_RISE[outcome], Z * chance):
            yield name, Share(number, computed)


def _share(signal: str, name: str, share: Share, usual: Share, verb: str, why: str | None) -> Signal:
    now, before = share.number / share.documents, usual.number / usual.documents
    of = f"{now:.0%} of {share.documents} documents {verb}, usually {before:.0%}"
    most = f", most with {why}" if why else ""
    shown = "unknown type" if name == UNKNOWN_TYPE else name
    return Signal(signal, f"winnow.type.{name}", f"{shown}: {now:.0%} {verb}", f"{shown}: {of}{most}")


def _spend(per_document: Mapping[str, float], run_id: str) -> Iterator[Signal]:
    now = per_document.get(run_id, 0.0)
    before = [spent for run, spent in per_document.items() if run != run_id]
    if len(before) < MIN_RUNS or now <= max(before) or now <= TIMES_USUAL * median(before):
        return
    message = f"models cost {now:.4f} USD per document that they were asked about, usually {median(before):.4f}"
    yield Signal("spend", "winnow.spend", "a run spent more than usual", message)


def _latency(model: str, now_ms: Sequence[int], before_ms: Sequence[int]) -> Iterator[Signal]:
    if min(len(now_ms), len(before_ms)) < MIN_CALLS:
        return
    now, before = (quantiles(latencies, n=20)[-1] for latencies in (now_ms, before_ms))
    if now > TIMES_USUAL * before:
        message = f"95 % of the answers of {model} took up to {now / 1000:.1f} s, usually {before / 1000:.1f} s"
        yield Signal("latency", f"winnow.model.{model}", f"{model} is slow", message)
