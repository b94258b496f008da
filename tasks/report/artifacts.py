"""What Prefect shows of a run that has ended: a page in Markdown, and a table of its failures."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocks.database.story.records import RunFigures, StepFigures
from blocks.secret_url import redacted
from blocks.settings import Settings
from tasks.report.report import RunReport
from tasks.runs.chunk import RunContext

STATUSES = ("accepted", "in_review", "rejected", "failed", "skipped")
MAX_FAILURES_SHOWN = 100
NO_FIGURES = RunFigures()
_MARKUP = str.maketrans({"|": "\\|", "\n": " ", "[": "\\[", "]": "\\]", "`": "\\`"})


def as_markdown(report: RunReport, run: RunContext, settings: Settings, figures: RunFigures = NO_FIGURES) -> str:
    """The run's page: counts by type and status, failures by kind, models, steps, findings, and the next commands."""
    _, message = report.closing(settings.allowed_failure_share)
    sections = [f"# {cell(run.name)}", message, _types_table(report.by_type)]
    if report.accepted_by:
        sections.append(f"Accepted {in_words(report.accepted_by)}.")
    if report.failure_kinds:
        sections.append(table(("failure", "documents"), report.failure_kinds.items()))
    if report.waiting:
        sections.append(table(("waits for the next run", "documents"), report.waiting.items()))
    if report.models:
        uses = [
            (name, use.calls, f"{use.input_tokens:,}", f"{use.output_tokens:,}", f"{use.cost_usd:.4f}")
            for name, use in report.models.items()
        ]
        sections.append(table(("model", "calls", "input tokens", "output tokens", "USD"), uses))
    if figures.step_breakdown:
        sections.append(
            table(("stage or step", "calls", "p50 ms", "p95 ms", "USD"), map(_step, figures.step_breakdown))
        )
    if report.findings:
        rows = [(f.document_type, f.name, "kept" if f.success else f.severity, f.observed) for f in report.findings]
        sections.append(table(("type", "expectation", "finding", "observed"), rows))
    if report.repeated:
        groups = [(group.document_type, group.name, redacted(group.shown_uris())) for group in report.repeated]
        sections.append(table(("type", "expectation", "documents with equal values"), groups))
    if report.duplicate_files:
        sections.append(_duplicates(report.duplicate_files))
    sections += [
        f"{report.calls}, {report.cost_usd:.4f} USD{_beside(report)}.",
        f"**{_waiting(report.counts.in_review)} for a person**: {_where(settings.review_url)}.",
        f"Failures: `{failures_command(run.run_id)}`. The whole story: `winnow show {run.run_id}`.",
    ]
    return "\n\n".join(section for section in sections if section)


def in_words(accepted_by: Mapping[str, int]) -> str:
    """What accepted the rows of types that promise an error."""
    by = {"promise": "by a promise that labels prove", "unproven": "by accept_at, although nothing is proven"}
    return ", ".join(f"{number:,} {by[name]}" for name, number in sorted(accepted_by.items()))


def _step(step: StepFigures) -> tuple[object, ...]:
    name = step.stage if step.step is None else f"{step.stage}, step {step.step + 1}: {step.model}"
    calls = f"about {step.calls:,}" if step.is_estimate else f"{step.calls:,}"
    cost = "" if step.step is None else f"{step.cost_usd:.4f}"
    return name, calls, step.p50_ms, step.p95_ms, cost


def failures_command(run_id: str) -> str:
    """The command that lists all failures of a run."""
    return f"winnow failures --run {run_id}"


def failures_table(failures: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row per failure: the document, where and how it failed, and what to do."""
    return [_failure_row(failure) for failure in failures[:MAX_FAILURES_SHOWN]]


def _failure_row(failure: Mapping[str, Any]) -> dict[str, str]:
    problem, _, remedy = str(failure["message"]).rpartition("; ")
    return {
        "document": redacted(str(failure["uri"])),
        "failure": str(failure["kind"]),
        "what to do": remedy if problem else "",  # before the problem, which may be long
        "what happened": problem or remedy,
        "stage": str(failure["stage"]),
        "id": str(failure["document_id"]),
    }


def _duplicates(files: int) -> str:
    if files == 1:
        return "1 more file has the bytes of another one, and is one document with it."
    return f"{files:,} more files have the bytes of another one each, and are one document with it."


def _waiting(documents: int) -> str:
    return "1 document waits" if documents == 1 else f"{documents:,} documents wait"


def _where(review_url: str | None) -> str:
    ways = "`winnow review list`, or the view `review_queue`"
    return ways if review_url is None else f"[the review page](<{review_url}>), {ways}"


def _beside(report: RunReport) -> str:
    """Unconfirmed cost and answers from the cache, if any."""
    unconfirmed = f", and up to {report.unconfirmed_usd:.4f} unconfirmed" if report.unconfirmed_usd else ""
    return unconfirmed + _from_cache(report.cache_hits)


def _from_cache(hits: int) -> str:
    if hits == 0:
        return ""
    return "; 1 answer from the cache" if hits == 1 else f"; {hits:,} answers from the cache"


def _types_table(by_type: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(name, *(counts.get(status, 0) for status in STATUSES)) for name, counts in sorted(by_type.items())]
    return table(("document type", *(status.replace("_", " ") for status in STATUSES)), rows) if rows else ""


def table(header: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    lines: list[Iterable[object]] = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: object) -> str:
    """A value as text that is no markup: names of types, models and files are written by anybody."""
    return html.escape(str(value), quote=False).translate(_MARKUP)
