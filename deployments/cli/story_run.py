"""A run's story, and the list of runs, as lines of text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from blocks.database.story.figures import LIMITS, MODELS
from blocks.database.story.records import ListedRun, RunStory, StepFigures, TypeFigures, Wait, WorkerFigures
from blocks.secret_url import redacted
from deployments.cli.run_summary import REMEDIES
from deployments.cli.words import aligned, counted, cut, moment, money, took, width

MAX_REASONS = 5
STATES = {"CompletedWithErrors": "with errors"}
"""States that the list shortens."""
DROPPABLE = ("source", "accepted", "took")
"""Columns of the list that a narrow terminal lacks, the first one first."""
LABEL = 11
"""The width of the labels at the left."""


def list_lines(listed: Sequence[ListedRun]) -> list[str]:
    """A line per run; a narrow terminal lacks some columns. Skipped documents are a column where there are any."""
    statuses = {"skipped": "skipped", "accepted": "accepted", "in_review": "review", "failed": "failed"}
    if not any(run.by_status.get("skipped") for run in listed):
        del statuses["skipped"]
    head = ("run", "started (UTC)", "state", "documents", *statuses.values(), "USD", "took", "source")
    rows = [
        (
            run.run_id[:8],
            moment(run.started_at),
            STATES.get(run.state, run.state).lower(),
            f"{run.documents:,}",
            *(f"{run.by_status.get(name, 0):,}" for name in statuses),
            money(run.cost_total_usd),
            took(run.total_duration_ms),
            source_in_words(run.source),
        )
        for run in listed
    ]
    return aligned(head, rows, left={"run", "started (UTC)", "state", "source"}, droppable=DROPPABLE)


def run_lines(run: RunStory) -> list[str]:
    """All of a run on one screen."""
    lines = [
        f"run {run.run_id} ({run.name})",
        *labelled("state", [f"{run.state}: {run.message}" if run.message else run.state]),
    ]
    ended = "so far" if run.finished_at is None else f"until {moment(run.finished_at)}"
    lines += labelled("time", [f"{took(run.total_duration_ms)}: from {moment(run.started_at)} {ended} UTC"])
    lines += labelled("source", [source_in_words(run.source)])
    lines += labelled("documents", [f"{run.documents:,}: {_statuses(run.by_status) or 'none has ended yet'}"])
    lines += [f"  {line}" for figures in run.types for line in _type_lines(figures)]
    lines += labelled("models", [_models(run)])
    if len(run.workers) > 1:
        lines += labelled("workers", [_worker(worker) for worker in run.workers])
    if run.step_breakdown:
        lines += ["", *_steps(run.step_breakdown)]
    lines += ["", *_failures(run)] if run.failures else []
    reviews = run.reviews
    if reviews.open or reviews.decided or reviews.superseded:
        overdue = f" ({reviews.overdue:,} overdue)" if reviews.overdue else ""
        closed = f", {reviews.superseded:,} closed by later results" if reviews.superseded else ""
        lines += ["", *labelled("reviews", [f"{reviews.open:,} open{overdue}, {reviews.decided:,} decided{closed}"])]
    lines += labelled("waited for", [_wait(wait) for wait in run.waited_for])
    return [*lines, "", *_next(run)]


def _models(run: RunStory) -> str:
    if not run.model_calls and not run.cache_hits:
        return "none was asked; the built-in reader costs nothing"
    unconfirmed = f", up to ${money(run.unconfirmed_usd)} more unconfirmed" if run.unconfirmed_usd else ""
    return (
        f"{counted(run.model_calls, 'call')}, ${money(run.cost_total_usd)}{unconfirmed}; "
        f"{'1 reply' if run.cache_hits == 1 else f'{run.cache_hits:,} replies'} from the cache, "
        f"{counted(run.retries, 'retry')}, {counted(run.fallbacks, 'fallback')} to a later model"
    )


def _worker(worker: WorkerFigures) -> str:
    done = f"{counted(worker.documents, 'document')} in {counted(worker.chunks, 'chunk')}"
    return f"process {worker.pid} on {worker.host}: {done}"


def _type_lines(figures: TypeFigures) -> Iterator[str]:
    version = f" (version {figures.version[:8]})" if figures.version else ""
    yield cut(f"{figures.document_type}{version}: {_statuses(figures.by_status)}", width() - 2)
    if figures.reasons:
        shown = [f"{code} {number:,}" for code, number in list(figures.reasons.items())[:MAX_REASONS]]
        more = len(figures.reasons) - len(shown)
        others = f" and {counted(more, 'other reason')}" if more else ""
        yield from indented(f"in review for {', '.join(shown)}{others}", 2)


def _steps(steps: Sequence[StepFigures]) -> list[str]:
    rows = [
        (
            step.stage if step.step is None else f"  step {step.step + 1}: {step.model}",
            f"{'~' if step.is_estimate else ''}{step.calls:,}",
            "" if step.step is None else f"{step.failed:,}",
            took(step.p50_ms),
            took(step.p95_ms),
            "" if step.step is None else f"${money(step.cost_usd)}",
        )
        for step in steps
    ]
    lines = aligned(("stage or step", "calls", "failed", "p50", "p95", "cost"), rows, left={"stage or step"})
    if any(step.is_estimate for step in steps):
        lines.append("~ and the times beside it are estimates, from 2,000 documents drawn at random")
    return lines


def _failures(run: RunStory) -> Iterator[str]:
    yield from labelled("failures", [counted(run.by_status.get("failed", 0), "document")])
    known = {example.document_id: example for example in run.examples}
    for failure in run.failures:
        named = [known[id_] for id_ in failure.examples]
        message = next((f": {example.message}" for example in named if example.message), "")
        what = f"{failure.document_type}, {failure.kind} in {failure.stage}"
        yield from indented(f"{failure.documents:,} {what}{message}", 2)
        places = (f"      {local(example.uri) or f'document {example.document_id[:12]}'}" for example in named)
        yield from (cut(place, width(), keep_end=True) for place in places)


def _wait(wait: Wait) -> str:
    if wait.cause == MODELS:
        return f"models: {took(wait.total_ms)} in {counted(wait.calls, 'call')}, some of them side by side"
    if wait.cause == LIMITS:
        return f"limits of models: {counted(wait.calls, 'call')}"
    remedy = REMEDIES.get(wait.cause, "remove the cause, then run again")
    return f"{wait.cause}: {counted(wait.documents, 'document')} until the next run; {remedy}"


def _next(run: RunStory) -> Iterator[str]:
    yield "next"
    short = run.run_id[:8]
    if run.by_status.get("failed"):
        yield f"  winnow failures --run {short}"
    if run.reviews.open:
        yield "  winnow review list"
    if run.model_calls:
        yield f"  winnow models calls --run {short}"
    yield f"  winnow results --run {short}"


def _statuses(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in by_status.items() if number)


def labelled(label: str, texts: Sequence[str]) -> list[str]:
    """Lines with a label before the first. Long ones are continued below."""
    lines: list[str] = []
    for text in texts:
        for part in _wrapped(text, max(width() - LABEL, 20)):
            lines.append(f"{label if not lines else '':<{LABEL}}{part}")
    return lines


def indented(text: str, indent: int) -> list[str]:
    """Lines of at most the terminal's width, each behind so many spaces, the later ones behind two more."""
    lines = _wrapped(text, width() - indent - 2)
    return [f"{' ' * (indent + (2 if number else 0))}{line}" for number, line in enumerate(lines)]


def _wrapped(text: str, room: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]


def local(place: str) -> str:
    """A place without the folder of the command, and without secrets."""
    return redacted(place.replace(f"{Path.cwd()}/", ""))


def source_in_words(source: str) -> str:
    """What a run was asked to read, from the JSON that its row has: places, then the other choices."""
    try:
        asked = json.loads(source)
    except ValueError:
        return local(source)
    if not isinstance(asked, dict):
        return local(source)
    places = asked.pop("sources", None)
    chosen = [f"{name.replace('_', ' ')} {value}" for name, value in asked.items() if value not in (None, False)]
    return local(", ".join([*(places or ["known documents"]), *chosen]))
