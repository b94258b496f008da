"""`winnow review stats`: the queue, the work of people, and what audits say of the accepted rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.records import MOST_DAYS
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import OutputFormat, say, show_rows

if TYPE_CHECKING:
    from blocks.review.audit import Share
    from blocks.review.statistics import AgeGroup, ReviewStats, Times

MAX_REASONS = 5


def stats(
    document_type: TypeOption = None,
    days: Annotated[int, typer.Option("--days", min=1, max=MOST_DAYS, help="the figures of so many days")] = 90,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")] = False,
    database: DatabaseOption = None,
) -> None:
    """Show what waits, how fast people decide, and how many of the accepted rows are wrong, by the random audit."""
    from blocks.database.review.stats import review_stats

    found = review_stats(open_existing(database), days=days, document_type=document_type)
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), ensure_ascii=False))
        return
    for title, rows, empty in _tables(found):
        say(title, style="bold")
        show_rows(rows, list(rows[0]) if rows else [], OutputFormat.TABLE, empty)
        say()
    say(f"two persons agreed: {_share(found.agreement)}")
    say("Confidence and correctness are those of the values that people saw: of documents in review, and of the audit.")
    say("Intervals have 95 % confidence. The audit's hold for all accepted rows once the drawn ones are decided.")


def _tables(found: "ReviewStats") -> Iterator[tuple[str, Sequence[Mapping[str, object]], str]]:
    waiting = [
        {"kind": w.kind, "role": w.role, "items": w.items, "overdue": w.overdue, "oldest_at": w.oldest_at.isoformat()}
        for w in found.waiting
    ]
    yield "Open", waiting, "nothing waits"
    yield "Age of open items", [_age(group) for group in found.ages if group.items], "nothing waits"
    yield (
        "Wrong among accepted",
        [
            {"type": a.document_type, "audited": a.wrong.counted, "wrong": _share(a.wrong), "waiting": a.waiting}
            for a in found.audits
        ],
        "no audited rows; type.yaml sets the share: review: {audit: 2%}",
    )
    yield (
        f"Decisions of the last {found.days} days",
        [{"day": str(day.day), "decisions": day.decisions} for day in found.decisions],
        "none",
    )
    yield (
        "Time on the screen",
        [
            {"per": name, **_times(times)}
            for name, times in (("document", found.per_document), ("field", found.per_field))
            if times.counted
        ],
        "none was measured: only decisions on the page are",
    )
    yield (
        "Agreement of two persons",
        [{"type": a.document_type, "agreed": _share(a.agreement)} for a in found.agreements],
        "no item was decided by two; a type asks for them: review: {decisions: 2}",
    )
    yield (
        "Confidence against correctness",
        [
            {"type": group.document_type, "confidence": f"{group.low:.1f} to {group.high:.1f}"}
            | {"mean": f"{group.mean:.2f}", "values": group.counted, "right": f"{group.right / group.counted:.1%}"}
            for group in found.calibration
        ],
        "nobody has accepted or corrected a document",
    )
    yield (
        "Reasons of new items",
        [
            {"week of": str(week.monday)}
            | {"reasons": [f"{code} {count}" for code, count in list(week.reasons.items())[:MAX_REASONS]]}
            for week in found.reasons
        ],
        "none",
    )


def _age(group: "AgeGroup") -> dict[str, object]:
    from blocks.review.statistics import AGES_H

    waited = f"over {AGES_H[-1]} h" if group.below_h is None else f"under {group.below_h} h"
    return {"waited": waited, "items": group.items, "overdue": group.overdue}


def _times(times: "Times") -> dict[str, object]:
    return {"measured": times.counted, "half within": f"{times.p50_s} s", "nine of ten within": f"{times.p90_s} s"}


def _share(share: "Share") -> str:
    """A share with its interval: ``2 of 40, 5.0 % (0.6 to 16.9 %)``."""
    if share.share is None:
        return "none counted"
    about = "" if share.is_exact else ", weighted by how rows were drawn"
    return f"{share.hits} of {share.counted}, {share.share:.1%} ({share.low:.1%} to {share.high:.1%}{about})"
