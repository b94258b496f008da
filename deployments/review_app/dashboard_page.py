"""The dashboard: pictures of the queue, of people's work, and of what audits and second opinions say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from fastapi import Response

from blocks.database.engine import now
from blocks.database.learning.learned import newest_promises
from blocks.learning.promised import Promise
from blocks.review.audit import Share
from blocks.review.errors import InvalidDecision
from blocks.review.statistics import (
    AGES_H,
    AgeGroup,
    Calibration,
    DayOfDecisions,
    DayOfQueue,
    ReviewStats,
    Times,
    WeekOfReasons,
)
from deployments.review_app.call import Call
from deployments.review_app.charts import (
    Chart,
    Column,
    Span,
    area,
    bars,
    columns,
    diagonal,
    nice,
    share_scale,
    spans,
    spans_height,
)
from deployments.review_app.words import label
from tasks.promise.words import aim_words, state_words

PERIODS = (7, 30, 90, 365)
MAX_REASONS = 5
MAX_TYPES = 6


def dashboard(call: Call) -> Response:
    """The dashboard of a period, of all document types or of one."""
    days, wanted = call.query.get("days") or "30", call.query.get("type", "")
    if days not in map(str, PERIODS):
        raise InvalidDecision(f"the dashboard has figures of {', '.join(map(str, PERIODS))} days")
    every = call.site.figures.of(call.site.database, int(days), None)
    known = {*call.site.types, *(audit.document_type for audit in every.audits)}
    if wanted and wanted not in known:  # figures are kept by type, and anybody may ask for any word
        raise InvalidDecision("the dashboard has no figures of such a type; it begins at /dashboard")
    stats = call.site.figures.of(call.site.database, int(days), wanted) if wanted else every
    open_items = sum(waiting.items for waiting in stats.waiting)
    return call.page(
        "dashboard.html",
        days=int(days),
        periods=PERIODS,
        wanted=wanted,
        types=sorted(known),
        tiles=(
            (f"{open_items:,}", "open"),
            (f"{sum(waiting.overdue for waiting in stats.waiting):,}", "overdue"),
            (f"{sum(day.decisions for day in stats.decisions):,}", f"decided in {days} days"),
            (_seconds(stats.per_document.p50_s), "half of the documents within"),
        ),
        charts=list(_charts(stats)),
        calibrations=list(_calibrations(stats.calibration)),
        promises=list(_promises(call, wanted)),
    )


def _promises(call: Call, wanted: str) -> Iterator[tuple[str, str, str, str]]:
    """What each type promises, what became of it, and since when."""
    for look in newest_promises(call.site.database):
        if wanted in {"", look.document_type}:
            rules = Promise.model_validate_json(look.content).rules
            yield look.document_type, aim_words(rules), state_words(look), f"{look.made_at:%d %b %Y}"


def _charts(stats: ReviewStats) -> Iterator[Chart]:
    yield _ages(stats.ages)
    yield _sizes(stats.sizes)
    yield _decisions(stats.decisions, stats.days)
    yield _times(stats.per_document, stats.per_field)
    yield _reasons(stats.reasons)
    yield _wrong([(audit.document_type, audit.wrong, audit.waiting) for audit in stats.audits])
    yield _agreement(stats)


def _ages(ages: Sequence[AgeGroup]) -> Chart:
    names = [*(f"under {_hours(hours)}" for hours in AGES_H), f"over {_hours(AGES_H[-1])}"]
    total, oldest = sum(group.items for group in ages), ages[-1].items
    parts = [(group.items - group.overdue, group.overdue) for group in ages]
    return Chart(
        key="ages",
        title="How long open items have waited",
        says=f"{total:,} open items; {oldest:,} of them have waited for over a week.",
        head=("waited", "in time", "overdue"),
        rows=tuple((name, f"{ok:,}", f"{late:,}") for name, (ok, late) in zip(names, parts, strict=True)),
        marks=bars(names, parts, ("in time", "overdue")) if total else (),
        legend=(("s0", "in time"), ("bad", "overdue")),
        empty="Here you will see how long documents have waited for a person. Nothing waits now.",
    )


def _hours(hours: int) -> str:
    if hours % 24 == 0:
        return f"{hours // 24} day{'s' if hours > 24 else ''}"
    return f"{hours} hour{'s' if hours > 1 else ''}"


def _sizes(sizes: Sequence[DayOfQueue]) -> Chart:
    heights = [max(day.items, 0) for day in sizes]
    return Chart(
        key="sizes",
        title="Open items at the end of each day",
        says=f"From {heights[0]:,} to {heights[-1]:,} open items; {max(heights):,} at most.",
        head=("day", "open items"),
        rows=tuple((str(day.day), f"{count:,}") for day, count in zip(sizes, heights, strict=True)),
        marks=area([str(day.day) for day in sizes], heights) if any(heights) else (),
        empty="Here you will see how the queue grows and shrinks, from the first document that waits.",
    )


def _decisions(decisions: Sequence[DayOfDecisions], days: int) -> Chart:
    found, today = {day.day: day.decisions for day in decisions}, now().date()
    every = [today - timedelta(days=back) for back in reversed(range(days))]
    total = sum(found.values())
    return Chart(
        key="decisions",
        title="Decisions a day",
        says=f"{total:,} decisions, {max(found.values(), default=0):,} on the busiest day.",
        head=("day", "decisions"),
        rows=tuple((str(day.day), f"{day.decisions:,}") for day in decisions),
        marks=columns([Column(f"{day:%d %b}", (found.get(day, 0),)) for day in every], ("decisions",)) if total else (),
        empty="Here you will see how many documents people decide on each day, from the first decision.",
    )


def _times(per_document: Times, per_field: Times) -> Chart:
    measured = [(name, times) for name, times in (("document", per_document), ("field", per_field)) if times.counted]
    given = [
        Span(f"per {name}", times.p50_s, times.p90_s, times.p50_s, f"{times.p50_s:g} s to {times.p90_s:g} s")
        for name, times in measured
        if times.p50_s is not None and times.p90_s is not None
    ]
    return Chart(
        key="times",
        title="Time on the screen",
        says="; ".join(
            f"{span.name}: half within {span.low:g} s, nine of ten within {span.high:g} s" for span in given
        ),
        head=("per", "measured", "half within", "nine of ten within"),
        rows=tuple((n, f"{t.counted:,}", _seconds(t.p50_s), _seconds(t.p90_s)) for n, t in measured),
        marks=spans(given, nice(max(span.high for span in given)), "s") if given else (),
        note="The dot is the median; nine of ten are done at the end of the bar. Fields: those that were looked at.",
        empty="Here you will see how long people look at a document and at a field. Only this page measures it.",
        height=spans_height(len(given)),
    )


def _reasons(weeks: Sequence[WeekOfReasons]) -> Chart:
    total: Counter[str] = Counter()
    for week in weeks:
        total.update(week.reasons)
    shown = [code for code, _ in total.most_common(MAX_REASONS)]
    has_others = len(total) > len(shown)
    names = [label(code) for code in shown] + ["other"] * has_others
    given = []
    for week in weeks:
        parts = [week.reasons.get(code, 0) for code in shown]
        others = [sum(week.reasons.values()) - sum(parts)] if has_others else []
        given.append(Column(f"{week.monday:%d %b}", tuple(map(float, parts + others))))
    rows = tuple((str(w.monday), *(f"{p:,.0f}" for p in c.parts)) for w, c in zip(weeks, given, strict=True))
    most = f"Most frequent: {names[0]}, {total[shown[0]]:,} times." if shown else ""
    return Chart(
        key="reasons",
        title="Reasons of new items, by week",
        says=most,
        head=("week of", *names),
        rows=rows,
        marks=columns(given, names) if shown else (),
        legend=tuple((f"s{number}", name) for number, name in enumerate(names)),
        note="An item may have several reasons.",
        empty="Here you will see why documents come to people, and how that changes from week to week.",
    )


def _wrong(audits: Sequence[tuple[str, Share, int]]) -> Chart:
    given = [_share(label(name), share) for name, share, _ in audits if share.counted]
    top = min(max((span.high for span in given), default=1), 1)
    return Chart(
        key="wrong",
        title="Wrong rows among accepted ones",
        says="; ".join(f"{span.name}: {span.text}" for span in given),
        head=("type", "wrong, with the 95 % interval", "drawn and not decided yet"),
        rows=tuple((label(n), _in_words(share) if share.counted else "–", f"{w:,}") for n, share, w in audits),
        marks=spans(given, share_scale(top), "%") if given else (),
        note="From the random audit. The bar is the interval that holds the true share with 95 % confidence.",
        empty="Here you will see which share of the accepted rows is wrong, once people have decided on some of the "
        "random audit. type.yaml sets how many are drawn: review: {audit: 2%}.",
        height=spans_height(len(given)),
    )


def _agreement(stats: ReviewStats) -> Chart:
    shares = [(label(of_type.document_type), of_type.agreement) for of_type in stats.agreements]
    if len(shares) > 1:
        shares.insert(0, ("all types", stats.agreement))
    given = [_share(name, share) for name, share in shares]
    return Chart(
        key="agreement",
        title="Agreement of two persons",
        says="; ".join(f"{span.name}: {span.text}" for span in given),
        head=("type", "same decision, with the 95 % interval"),
        rows=tuple((name, _in_words(share)) for name, share in shares),
        marks=spans(given, 1, "%") if given else (),
        note="Items that two persons must decide on: how often the second came to the first's result.",
        empty="Here you will see how often two persons agree. A type asks for two with review: {decisions: 2}.",
        height=spans_height(len(given)),
    )


def _share(name: str, share: Share) -> Span:
    assert share.share is not None
    return Span(name, share.low, share.high, share.share, _in_words(share))


def _calibrations(groups: Sequence[Calibration]) -> Iterator[Chart]:
    counted: Counter[str] = Counter()
    for group in groups:
        counted[group.document_type] += group.counted
    for name, count in counted.most_common(MAX_TYPES):
        own = [group for group in groups if group.document_type == name]
        right = sum(group.right for group in own)
        yield Chart(
            key=f"calibration-{name}",
            title=label(name),
            says=f"{count:,} values, {right / count:.1%} right.",
            head=("confidence", "values", "right"),
            rows=tuple((f"{g.low:.0%} to {g.high:.0%}", f"{g.counted:,}", f"{g.right / g.counted:.1%}") for g in own),
            marks=diagonal([(g.mean, g.right / g.counted, g.counted, _group(g)) for g in own]),
            width=236,
            height=208,
        )


def _group(group: Calibration) -> str:
    return f"confidence {group.mean:.0%}: {group.right:,} of {group.counted:,} right, {group.right / group.counted:.1%}"


def _in_words(share: Share) -> str:
    about = "" if share.is_exact else ", weighted by how rows were drawn"
    return f"{share.hits:,} of {share.counted:,}, {share.share:.1%} ({share.low:.1%} to {share.high:.1%}{about})"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:g} s"
