"""How a plan is printed for people."""

from collections.abc import Iterator
from decimal import Decimal

from blocks.backfill.plan import Plan, Range, TypeChange
from blocks.records import Stage
from deployments.cli.output import say, without_controls

MAX_DIFF_LINES = 60
"""A longer diff is cut; --json has all of it."""
MINUTE_S, HOUR_S = 60, 3600


def show_plan(plan: Plan) -> None:
    """Print a plan."""
    for line in plan_lines(plan):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[2:3], "") if line.startswith("  ") else ""
        say(line, style=style)


def plan_lines(plan: Plan) -> Iterator[str]:
    """A plan in lines."""
    yield f"Backfill of {plan.selection}: {_documents(plan.selected)} selected, {plan.documents:,} to compute"
    if plan.decided and not plan.terms.reopen:
        yield f"{_documents(plan.decided)} that people decided: not touched (--reopen replaces their decisions)"
    elif plan.decided:
        yield f"{_documents(plan.decided)} that people decided: REOPENED, today's results replace their decisions"
    if plan.open_items:
        yield f"{plan.open_items:,} open review items: replaced where their results change"
    if plan.failed:
        yield f"{_documents(plan.failed)} that failed for good: left out; --rerun failed tries them again"
    for change in plan.changes:
        yield ""
        yield from _change_lines(change)
    if not plan.documents:
        return
    yield ""
    yield "stage        for certain      at most"
    for work in plan.stages:
        yield f"{work.stage:<10} {work.certain:>13,} {work.at_most:>12,}"
    yield ""
    yield from _cost_lines(plan)
    yield f"time: {_time(plan.seconds)}"


def _change_lines(change: TypeChange) -> Iterator[str]:
    rows = "1 result was" if change.documents == 1 else f"{change.documents:,} results were"
    version = f"version {change.version[:8]}" if change.version else "a version that no run has stored"
    yield f"{change.document_type}: {rows} computed under {version}; since then"
    if not change.has_texts:
        yield "  its older files are unknown: no run stored their texts" + (
            "; this is the parsed content" if change.diff else ""
        )
    lines = change.diff.splitlines()
    if not lines and change.has_texts:
        yield "  no text of its files has changed"
    yield from (f"  {without_controls(line)}" for line in lines[:MAX_DIFF_LINES])
    if len(lines) > MAX_DIFF_LINES:
        yield f"  … {len(lines) - MAX_DIFF_LINES:,} more lines; --json has all"
    read_by = ", ".join(change.stages) or "no stage, so that it makes nothing stale"
    yield f"  read by: {read_by}"


def _cost_lines(plan: Plan) -> Iterator[str]:
    if plan.calls.high == 0:
        yield f"0 calls, 0 USD: {_why_free(plan)}"
        return
    yield f"model calls: {_range(plan.calls)}"
    cost, budget = plan.cost_usd, plan.terms.budget_usd
    yield f"cost: {_usd(cost)}"
    if budget is not None and (cost.high is None or cost.high > budget):
        yield f"the budget of {budget} USD may stop the calls before: documents then go to review as budget_exhausted"
    for each in plan.costs:
        yield f"  {each.document_type}: {_range(each.calls)} calls, {_usd(each.cost_usd)}; by {each.basis}"


def _why_free(plan: Plan) -> str:
    if plan.work_of(Stage.SCORE).at_most:
        return "no language model of the routes is enabled"
    if not any(plan.work_of(stage).at_most for stage in (Stage.EXTRACT, Stage.CLASSIFY)):
        return "only validators changed"
    return "score has nothing to do"


def _documents(number: int) -> str:
    return "1 document" if number == 1 else f"{number:,} documents"


def _range(range_: Range) -> str:
    if range_.high is None:
        return f"{range_.low:,} or more, unknown"
    return f"{range_.low:,}" if range_.low == range_.high else f"{range_.low:,} to {range_.high:,}"


def _usd(range_: Range) -> str:
    if range_.high is None:
        return "unknown"
    low, high = (_rounded(amount) for amount in (range_.low, range_.high))
    return f"{low} USD" if low == high else f"{low} to {high} USD"


def _rounded(amount: Decimal) -> str:
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def _time(seconds: Range) -> str:
    low, high = (_clock(int(part)) for part in (seconds.low, seconds.high or seconds.low))
    return low if low == high else f"{low} to {high}"


def _clock(seconds: int) -> str:
    if seconds < 2 * MINUTE_S:
        return f"{seconds} s"
    if seconds < 2 * HOUR_S:
        return f"{round(seconds / MINUTE_S)} min"
    return f"{seconds / HOUR_S:.1f} h"
