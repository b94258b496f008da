"""What `winnow run` prints at the end: the run's counts, its cost, what waits, and the next commands."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.secret_url import SecretUrl
from blocks.settings import load_settings
from deployments.cli.output import note, say, stdout, without_controls
from deployments.cli.words import money

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from tasks.report.report import RunReport

REMEDIES = {
    "budget_exhausted": "raise it with --budget or WINNOW_BUDGET_PER_DAY_USD, then run again",
    "models_paused": "winnow models resume, then run again",
    "model_unavailable": "winnow models list and winnow models calls show why; winnow models enable NAME closes "
    "an open circuit; then run again",
    "prompt_failed": "winnow types check names the prompt; correct it, then run again",
    "ocr_unavailable": "winnow doctor shows what OCR lacks; then run again",
}
"""Remedies for failures that the next run tries again, by kind."""


def summary_of(state: "State[RunReport]", report: "RunReport", duration_s: float) -> dict[str, object]:
    """The run's counts and costs, as `--json` prints them."""
    return {
        "run_id": str(state.state_details.flow_run_id),
        **report.counts.model_dump(),
        "model_calls": report.model_calls,
        "cost_usd": str(report.cost_usd),
        "unconfirmed_usd": str(report.unconfirmed_usd),
        "cache_hits": report.cache_hits,
        "waiting": report.waiting,
        "duplicate_files": report.duplicate_files,
        "repeated": [group.model_dump() for group in report.repeated],
        "duration_s": round(duration_s, 1),
    }


def show_summary(
    summary: dict[str, object], report: "RunReport", state: "State[RunReport]", database: SecretUrl | None
) -> None:
    """Print the summary of a run for people."""
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    meanings = {
        "accepted": "accepted",
        "in_review": "in review: a person must look at them",
        "rejected": "rejected by the rules of their type",
        "failed": "failed: `winnow failures` says why",
        "skipped": "skipped: nothing has changed",
        "documents": "documents in total",
    }
    for key, meaning in meanings.items():
        if summary[key] or key in ("accepted", "in_review", "failed", "documents"):
            table.add_row(str(summary[key]), meaning)
    if report.duplicate_files:
        files = "file" if report.duplicate_files == 1 else "files"
        table.add_row(str(report.duplicate_files), f"more {files} with the same bytes as one of these")
    table.add_row(f"${money(report.cost_usd)}", f"for {report.calls}")
    if report.unconfirmed_usd:
        table.add_row(f"${money(report.unconfirmed_usd)}", "at most, for calls whose cost is not confirmed")
    if report.cache_hits:
        table.add_row(str(report.cache_hits), "replies from the cache, free of charge")
    table.add_row(f"{summary['duration_s']} s", "")
    stdout().print(table)
    for kind, number in report.waiting.items():
        remedy = REMEDIES.get(kind, "remove the cause, then run again")
        say(f"{_counted(number)} for the next run: {kind}; {remedy}", style="yellow")
    for group in report.repeated:
        say(
            f"the same {group.document_type} again ({group.name}): {without_controls(group.shown_uris())}",
            style="yellow",
        )
    if not state.is_completed():
        note(f"the run failed: {state.message}", style="red")
    say("\nNext:")
    with_database = f" --database {shlex.quote(str(database))}" if database else ""
    run_id = summary["run_id"]
    failures = (f"failures --run {run_id}",) if summary["failed"] else ()
    if summary["in_review"] and (review_url := load_settings().review_url):
        say(f"  {review_url}")
    for line in ("review list", f"results --run {run_id}", *failures):
        say(f"  {_command()} {line}{with_database}")


def _counted(documents: int) -> str:
    return "1 document in review waits" if documents == 1 else f"{documents} documents in review wait"


def _command() -> str:
    """How the user called this command."""
    called = Path(sys.argv[0])
    if shutil.which(called.name) == str(called):
        return called.name
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
