"""The report of a period as one page of HTML."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from blocks.database.story.period import Period
from deployments.cli.html_page import Section, Table, page
from deployments.review_app.charts import ROW, Chart, Column, bars, columns, lines
from tasks.period.period import FIGURES, MODEL_FIGURES, ModelSummary, PeriodReport

MODELS_SHOWN, REASONS_SHOWN = 4, 10
STATUSES = ("accepted", "in_review", "rejected", "failed")


def period_page(period: Period, found: PeriodReport) -> str:
    """The page of a period."""
    of_types = [(each.document_type, *(figure(each) for _, figure in FIGURES)) for each in found.types]
    of_models = [(each.model, *(figure(each) for _, figure in MODEL_FIGURES)) for each in found.models]
    tables = (
        Table("Document types", ("type", *(name for name, _ in FIGURES)), of_types),
        Table("Models", ("model", *(name for name, _ in MODEL_FIGURES)), of_models),
    )
    sentences = found.sentences or ("No run did anything.",)
    heading = f"{found.runs} runs from {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}"
    section = Section(sentences=sentences, charts=list(_charts(period, found)), tables=tables)
    return page("Winnow report", heading, [section])


def _charts(period: Period, found: PeriodReport) -> Iterator[Chart]:
    days = _days(period)
    counts: defaultdict[date, list[int]] = defaultdict(lambda: [0] * len(STATUSES))
    costs: defaultdict[date, float] = defaultdict(float)
    for each in period.types:
        for number, status in enumerate(STATUSES):
            counts[each.started_at.date()][number] += each.by_status.get(status, 0)
    for call in period.calls:
        costs[call.started_at.date()] += float(call.cost_usd)
    names = [status.replace("_", " ") for status in STATUSES]
    total = sum(map(sum, counts.values()))
    yield Chart(
        key="documents",
        title="Documents a day",
        says=f"{total:,} documents in {len(days)} days.",
        head=("day", *names),
        rows=tuple((str(day), *(f"{number:,}" for number in counts[day])) for day in days),
        marks=columns([Column(f"{day:%d %b}", tuple(counts[day])) for day in days], names) if total else (),
        legend=tuple((f"s{number}", name) for number, name in enumerate(names)),
        empty="No documents were read in these days.",
    )
    spent = sum(costs.values())
    yield Chart(
        key="cost",
        title="Cost a day, in cents",
        says=f"{spent:.2f} USD in {len(days)} days.",
        head=("day", "USD"),
        rows=tuple((str(day), f"{costs[day]:.4f}") for day in days),
        marks=columns([Column(f"{day:%d %b}", (100 * costs[day],)) for day in days], ("cents",)) if spent else (),
        empty="No model was paid in these days.",
    )
    of_types = [each for each in found.types if each.documents]
    yield Chart(
        key="failed",
        title="Failed documents by type",
        says="; ".join(f"{each.document_type}: {each.failed:,} of {each.documents:,}" for each in of_types),
        head=("type", "others", "failed"),
        rows=tuple((e.document_type, f"{e.documents - e.failed:,}", f"{e.failed:,}") for e in of_types),
        marks=bars(
            [each.document_type for each in of_types],
            [(each.documents - each.failed, each.failed) for each in of_types],
            ("others", "failed"),
        ),
        legend=(("s0", "others"), ("bad", "failed")),
        height=len(of_types) * ROW + 8,
        empty="No documents were read in these days.",
    )
    asked = [model for model in found.models if model.calls]
    yield Chart(
        key="models",
        title="Calls of models",
        says="; ".join(f"{m.model}: {sum(m.failed.values()):,} of {m.calls:,} failed" for m in asked),
        head=("model", "calls", "failed", "why"),
        rows=tuple((m.model, f"{m.calls:,}", f"{sum(m.failed.values()):,}", _why(m)) for m in asked),
        marks=bars(
            [model.model for model in asked],
            [(model.calls - sum(model.failed.values()), sum(model.failed.values())) for model in asked],
            ("answered", "failed"),
        ),
        legend=(("s0", "answered"), ("bad", "failed")),
        height=max(len(asked), 1) * ROW + 8,
        empty="No model was asked in these days.",
    )
    yield _reasons(period)
    yield from _latencies(found, days)


def _latencies(found: PeriodReport, days: list[date]) -> Iterator[Chart]:
    """The latency of each model that was asked most, day by day."""
    for number, model in enumerate(sorted(found.models, key=lambda each: -each.calls)[:MODELS_SHOWN]):
        known = {each.day: each for each in model.days}
        of_days = [known.get(day) for day in days]
        yield Chart(
            key=f"latency-{number}",
            title=f"Latency of {model.model} by day, in ms",
            says="; ".join(f"{each.day}: p50 {each.p50_ms} ms, p95 {each.p95_ms} ms" for each in model.days),
            head=("day", "calls", "p50", "p95"),
            rows=tuple(
                (str(each.day), f"{each.calls:,}", f"{each.p50_ms:,}", f"{each.p95_ms:,}") for each in model.days
            ),
            marks=lines(
                [f"{day:%d %b}" for day in days],
                (
                    [each.p50_ms if each else None for each in of_days],
                    [each.p95_ms if each else None for each in of_days],
                ),
            )
            if known
            else (),
            legend=(("s0", "p50"), ("s1", "p95")),
            empty="Its replies came from the cache.",
        )


def _reasons(period: Period) -> Chart:
    """Why documents went to review, the most frequent reasons first."""
    counted: Counter[str] = Counter()
    for each in period.types:
        counted.update(each.reasons)
    shown = counted.most_common(REASONS_SHOWN)
    return Chart(
        key="reasons",
        title="Reasons for review",
        says="; ".join(f"{code}: {number:,}" for code, number in shown),
        head=("reason", "documents"),
        rows=tuple((code, f"{number:,}") for code, number in shown),
        marks=bars([code for code, _ in shown], [(number, 0) for _, number in shown], ("documents", "")),
        note="A document may have several reasons.",
        height=len(shown) * ROW + 8,
        empty="No document went to review in these days.",
    )


def _why(model: ModelSummary) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in model.failed.items()) or "–"


def _days(period: Period) -> list[date]:
    """Every day from the first run to the last."""
    known = {each.started_at.date() for each in period.types} | {call.started_at.date() for call in period.calls}
    known = known or {period.until.date()}
    first, last = min(known), max(known)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
