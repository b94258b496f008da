"""What a period says in sentences and figures, per document type and per model."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import sqrt

from blocks.database.learning.learned import Learned
from blocks.database.story.figures import quantile
from blocks.database.story.period import CallsInRun, Period
from blocks.records import CACHE_HIT, Record
from blocks.review.statistics import ReviewStats
from tasks.promise.words import promise_sentence

LEAST_Z, LEAST_RISE, LEAST_HITS = 3.0, 0.05, 5
"""A share has risen where the two-proportion z is at least 3, the rise 5 points, and 5 are hit after it."""
NEARLY_ALL, MOSTLY = 0.8, 0.5
REFUSALS, TRUNCATED = ("model_refusal", "content_filtered"), "truncated_reply"
"""Kinds of calls without a usable reply."""
SHOWN_LETTERS = 4
"""So many letters of a version are shown."""


class TypeSummary(Record):
    """A type in a period. Shares are of `documents`, those that runs computed; None of none.

    A document that fails in one run after another is one of `failed`, in the run in which it failed first.

    `came_in` were first seen in the period; `completed` of them are accepted, or decided by a person, by now. Of the
    `decided` review items half waited `wait_p50_s` seconds at most, and nine of ten `wait_p90_s`.
    """

    document_type: str
    documents: int
    accepted: int
    in_review: int
    rejected: int
    failed: int
    failure_share: float | None
    review_share: float | None
    commonest_failure: str
    commonest_reason: str
    model_calls: int
    tokens: int
    cost_usd: Decimal
    came_in: int = 0
    completed: int = 0
    decided: int = 0
    wait_p50_s: int | None = None
    wait_p90_s: int | None = None

    @property
    def completed_share(self) -> float | None:
        """Of the documents that came in."""
        return self.completed / self.came_in if self.came_in else None


class DayOfModel(Record):
    """The latencies of a model's calls in the runs of a day in UTC."""

    day: date
    calls: int
    p50_ms: int
    p95_ms: int


class ModelSummary(Record):
    """A model in a period: calls, those without a usable reply by kind, latencies, replies from the cache.

    Of `failed`, `refused` calls were refused by the model or its provider's filter, and `truncated` replies were cut
    off. `saved_usd` is what the replies from the cache would have cost, at the mean cost of a call.
    """

    model: str
    calls: int
    failed: dict[str, int]
    refused: int
    truncated: int
    tokens: int
    cost_usd: Decimal
    p50_ms: int | None
    p95_ms: int | None
    days: tuple[DayOfModel, ...]
    cache_hits: int
    saved_usd: Decimal


class PeriodReport(Record):
    """What a period says. `sentences` come first: what changed, then how each type did."""

    since: datetime
    until: datetime
    runs: int
    uncounted: int
    sentences: tuple[str, ...]
    types: tuple[TypeSummary, ...]
    models: tuple[ModelSummary, ...]


@dataclass
class _Point:
    """A run's share in a series: how many were counted, how many of them hit, by kind, and what was in effect."""

    at: datetime
    counted: int = 0
    hits: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    version: str = ""


def report_of(period: Period, review: ReviewStats | None = None, promises: Sequence[Learned] = ()) -> PeriodReport:
    """The report of a period; `review` has what waits for people, and what they found wrong among accepted rows, and
    `promises` the last look at the promise of each type.
    """
    types, models = tuple(_type_summaries(period)), tuple(_model_summaries(period))
    return PeriodReport(
        since=period.since,
        until=period.until,
        runs=period.runs,
        uncounted=period.uncounted,
        sentences=(
            *_risen(period),
            *_plain(types),
            *_failing(period),
            *_of_models(models),
            *_waited(types),
            *_of_people(review),
            *map(promise_sentence, promises),
        ),
        types=types,
        models=models,
    )


def rise_of(series: Sequence[_Point]) -> int | None:
    """The first run after which the share of hits is higher than before, where that is no accident; None if none.

    The split with the largest z of the test of two proportions with a pooled variance.
    """
    best, found = LEAST_Z, None
    counted, hits = sum(point.counted for point in series), sum(point.hits for point in series)
    before_counted = before_hits = 0
    for number, point in enumerate(series):
        after_counted, after_hits = counted - before_counted, hits - before_hits
        if before_counted and after_counted and after_hits >= LEAST_HITS:
            rise = after_hits / after_counted - before_hits / before_counted
            pooled = hits / counted
            error = sqrt(pooled * (1 - pooled) * (1 / before_counted + 1 / after_counted))
            if rise >= LEAST_RISE and error and rise / error >= best:
                best, found = rise / error, number
        before_counted, before_hits = before_counted + point.counted, before_hits + point.hits
    return found


def _risen(period: Period) -> Iterator[str]:
    for name in sorted({each.document_type for each in period.types}):
        own = [each for each in period.types if each.document_type == name]
        for verb, status, kinds in (("failed", "failed", "failures"), ("went to review", "in_review", "reasons")):
            series = [
                _Point(
                    each.started_at,
                    _computed(each.by_status),
                    each.by_status.get(status, 0),
                    Counter(getattr(each, kinds)),
                    each.version,
                )
                for each in own
            ]
            yield from _sentence(f"{name}: ", verb, series, "type")
    groups: defaultdict[tuple[str, str], list[CallsInRun]] = defaultdict(list)
    for call in period.calls:
        if call.is_sent:
            groups[call.document_type, call.model].append(call)
    for (name, model), calls in sorted(groups.items()):
        yield from _sentence(f"{name}: ", f"of the calls of {model} failed", _series(calls), "prompt")


def _series(calls: Sequence[CallsInRun]) -> list[_Point]:
    points: dict[str, _Point] = {}
    for call in calls:
        point = points.setdefault(call.run_id, _Point(call.started_at))
        point.counted += call.calls
        point.version = call.prompt_version
        if call.is_failed:
            point.hits += call.calls
            point.kinds[call.outcome] += call.calls
    return list(points.values())


def _sentence(subject: str, verb: str, series: Sequence[_Point], version_of: str) -> Iterator[str]:
    series = [point for point in series if point.counted]
    at = rise_of(series)
    if at is None:
        return
    before, after = series[:at], series[at:]
    share = sum(p.hits for p in after) / sum(p.counted for p in after)
    earlier = sum(p.hits for p in before) / sum(p.counted for p in before)
    parts = [f"{subject}{share:.0%} {verb} since {after[0].at:%A %d %B}, before it {earlier:.0%}"]
    kinds = sum((p.kinds for p in after), Counter[str]())
    if kinds:
        kind, number = kinds.most_common(1)[0]
        parts.append(f"{_how_many(number / sum(p.hits for p in after))} {kind}")
    if after[0].version and after[0].version not in {p.version for p in before}:
        parts.append(f"after {version_of} version {after[0].version[:SHOWN_LETTERS]}")
    yield ", ".join(parts) + "."


def _how_many(share: float) -> str:
    if share >= 1:
        return "all"
    return "nearly all" if share >= NEARLY_ALL else "mostly" if share >= MOSTLY else "most often"


def _plain(types: Sequence[TypeSummary]) -> Iterator[str]:
    for each in types:
        if not each.documents:
            continue
        failed = f"{each.failed:,} of {each.documents:,} failed ({each.failed / each.documents:.0%})"
        why = f", most often {each.commonest_failure}" if each.commonest_failure else ""
        review = f"{each.in_review / each.documents:.0%} went to review"
        because = f", most often {each.commonest_reason}" if each.commonest_reason else ""
        cost = f"; a document cost ${each.cost_usd / each.documents:.5f}" if each.cost_usd else ""
        yield f"{each.document_type}: {failed}{why}; {review}{because}{cost}."
    came_in, completed = sum(each.came_in for each in types), sum(each.completed for each in types)
    if came_in:
        share = f"({completed / came_in:.0%})"
        yield f"{completed:,} of the {came_in:,} documents that came in are accepted or decided {share}."


def _failing(period: Period) -> Iterator[str]:
    for each in period.still_failing:
        documents = "1 document" if each.documents == 1 else f"{each.documents:,} documents"
        still = "still fails" if each.documents == 1 else "still fail"
        yield f"{each.document_type}: {documents} that failed before {period.since:%Y-%m-%d %H:%M} {still}."


def _waited(types: Sequence[TypeSummary]) -> Iterator[str]:
    for each in types:
        if each.decided and each.wait_p50_s is not None and each.wait_p90_s is not None:
            within = f"half of them within {span_of(each.wait_p50_s)}, 90% within {span_of(each.wait_p90_s)}"
            yield f"{each.document_type}: people decided {each.decided:,}, {within}."


def span_of(seconds: float) -> str:
    """A time in the largest unit that it fills: 40 s, 12 min, 3 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _of_models(models: Sequence[ModelSummary]) -> Iterator[str]:
    for each in models:
        failed = sum(each.failed.values())
        if failed:
            kinds = ", ".join(f"{kind} {number:,}" for kind, number in list(each.failed.items())[:3])
            yield f"{each.model}: {failed:,} of {each.calls:,} calls gave no usable reply ({kinds})."
        if each.cache_hits:
            saved = f" and saved about ${each.saved_usd:.2f}" if each.saved_usd else ""
            yield f"{each.model}: the cache gave {each.cache_hits:,} replies{saved}."


def _of_people(review: ReviewStats | None) -> Iterator[str]:
    if review is None:
        return
    if review.waiting:
        items, overdue = sum(w.items for w in review.waiting), sum(w.overdue for w in review.waiting)
        oldest = min(w.oldest_at for w in review.waiting)
        yield f"review: {items:,} wait for a person, {overdue:,} of them overdue, the oldest since {oldest:%Y-%m-%d}."
    for audit in review.audits:
        if audit.wrong.share is not None:
            wrong = f"{audit.wrong.hits:,} of {audit.wrong.counted:,} audited"
            interval = f"{audit.wrong.low:.1%} to {audit.wrong.high:.1%}"
            yield f"{audit.document_type}: {wrong} accepted rows were wrong ({interval} with 95 % confidence)."


def _computed(by_status: dict[str, int]) -> int:
    return sum(number for status, number in by_status.items() if status != "skipped")


def _type_summaries(period: Period) -> Iterator[TypeSummary]:
    arrivals = {each.document_type: each for each in period.arrivals}
    waits = {each.document_type: each for each in period.waits}
    named = {each.document_type for each in period.types} | {call.document_type for call in period.calls}
    for name in sorted(named | arrivals.keys() | waits.keys()):
        arrived, waited = arrivals.get(name), waits.get(name)
        own = [each for each in period.types if each.document_type == name]
        calls = [call for call in period.calls if call.document_type == name and call.is_sent]
        statuses = _summed(each.by_status for each in own)
        documents = _computed(statuses)
        yield TypeSummary(
            document_type=name,
            documents=documents,
            **{status: statuses[status] for status in ("accepted", "in_review", "rejected", "failed")},
            failure_share=statuses["failed"] / documents if documents else None,
            review_share=statuses["in_review"] / documents if documents else None,
            commonest_failure=_first(_summed(each.failures for each in own)),
            commonest_reason=_first(_summed(each.reasons for each in own)),
            model_calls=sum(call.calls for call in calls),
            tokens=sum(call.tokens for call in calls),
            cost_usd=sum((call.cost_usd for call in calls), Decimal(0)),
            came_in=arrived.came_in if arrived else 0,
            completed=arrived.completed if arrived else 0,
            decided=waited.decided if waited else 0,
            wait_p50_s=waited.p50_s if waited else None,
            wait_p90_s=waited.p90_s if waited else None,
        )


def _model_summaries(period: Period) -> Iterator[ModelSummary]:
    for name in sorted({call.model for call in period.calls}):
        own = [call for call in period.calls if call.model == name]
        sent = [call for call in own if call.is_sent]
        number = sum(call.calls for call in sent)
        failed = _summed({call.outcome: call.calls} for call in sent if call.is_failed)
        cost_usd = sum((call.cost_usd for call in sent), Decimal(0))
        hits = sum(call.calls for call in own if call.outcome == CACHE_HIT)
        times = _times(sent)
        yield ModelSummary(
            model=name,
            calls=number,
            failed=dict(failed.most_common()),
            refused=sum(failed[kind] for kind in REFUSALS),
            truncated=failed[TRUNCATED],
            tokens=sum(call.tokens for call in sent),
            cost_usd=cost_usd,
            p50_ms=quantile(times, 0.5),
            p95_ms=quantile(times, 0.95),
            days=tuple(_days_of(sent)),
            cache_hits=hits,
            saved_usd=cost_usd / number * hits if number else Decimal(0),
        )


def _days_of(calls: Sequence[CallsInRun]) -> Iterator[DayOfModel]:
    for day in sorted({call.started_at.date() for call in calls}):
        times = _times([call for call in calls if call.started_at.date() == day])
        p50_ms, p95_ms = quantile(times, 0.5), quantile(times, 0.95)
        if p50_ms is not None and p95_ms is not None:
            yield DayOfModel(day=day, calls=times.total(), p50_ms=p50_ms, p95_ms=p95_ms)


def _times(calls: Sequence[CallsInRun]) -> Counter[int]:
    times: Counter[int] = Counter()
    for call in calls:
        times.update(call.times)
    return times


def _summed(counts: Iterator[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _first(counts: Counter[str]) -> str:
    return counts.most_common(1)[0][0] if counts else ""


FIGURES: tuple[tuple[str, Callable[[TypeSummary], str]], ...] = (
    ("documents", lambda each: f"{each.documents:,}"),
    ("failed", lambda each: _share(each.failure_share)),
    ("in review", lambda each: _share(each.review_share)),
    ("completed", lambda each: _share(each.completed_share)),
    ("waited p50", lambda each: _span(each.wait_p50_s)),
    ("waited p90", lambda each: _span(each.wait_p90_s)),
    ("calls", lambda each: f"{each.model_calls:,}"),
    ("tokens", lambda each: f"{each.tokens:,}"),
    ("USD", lambda each: f"{each.cost_usd:.4f}"),
)
"""What is shown of a type, by name."""
MODEL_FIGURES: tuple[tuple[str, Callable[[ModelSummary], str]], ...] = (
    ("calls", lambda each: f"{each.calls:,}"),
    ("failed", lambda each: f"{sum(each.failed.values()):,}"),
    ("refused", lambda each: f"{each.refused:,}"),
    ("truncated", lambda each: f"{each.truncated:,}"),
    ("p50", lambda each: _latency(each.p50_ms)),
    ("p95", lambda each: _latency(each.p95_ms)),
    ("tokens", lambda each: f"{each.tokens:,}"),
    ("USD", lambda each: f"{each.cost_usd:.4f}"),
    ("from cache", lambda each: f"{each.cache_hits:,}"),
    ("saved USD", lambda each: f"{each.saved_usd:.4f}"),
)
"""What is shown of a model, by name."""


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _span(seconds: int | None) -> str:
    return "–" if seconds is None else span_of(seconds)


def _latency(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1_000:.2f} s"
