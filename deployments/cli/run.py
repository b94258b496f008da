"""`winnow run`: a source, or known documents, through the pipeline in this process."""

import contextlib
import json
import os
import shlex
import shutil
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import httpx
import typer
from rich.table import Table

from blocks.database.address import connect, database_url
from blocks.errors import PrefectUnreachable, RunError, UsageError, WinnowError
from blocks.files.sources import uri_of
from blocks.records import Rerun
from blocks.settings import Settings, configure, load_settings
from deployments.cli.extract import check_sources
from deployments.cli.options import DatabaseOption
from deployments.cli.output import stderr, stdout
from deployments.cli.progress_bars import show_progress
from deployments.cli.run_models import budget_of, names_of, show_models
from deployments.prefect_api import local_server as prefect_server
from deployments.prefect_api.client import profile_url, use_prefect
from tasks.runs.prepare import handed_over, load_types, prepare_run

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State

    from tasks.report.report import RunReport

REMEDIES = {
    "budget_exhausted": "give more by --budget or WINNOW_BUDGET_PER_DAY_USD, then run again",
    "models_paused": "winnow models resume, then run again",
    "model_unavailable": "winnow models list and winnow models calls say why; winnow models enable NAME closes an open "
    "breaker; then run again",
    "prompt_failed": "winnow types check names the prompt; correct it, then run again",
    "ocr_unavailable": "winnow doctor says what OCR lacks; then run again",
}
"""What to do about the kinds of failures that the next run may cure."""

StatusFilter = Literal["accepted", "in_review", "rejected", "failed"]


def run(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="files, folders, globs, URLs")
    ] = None,
    from_database: Annotated[bool, typer.Option("--from-database", help="take known documents instead")] = False,
    document_type: Annotated[
        str | None,
        typer.Option("--type", metavar="NAME", help="declare every document's type; a filter with --from-database"),
    ] = None,
    status: Annotated[
        StatusFilter | None,
        typer.Option("--status", metavar="S", help="with --from-database: only documents of this status"),
    ] = None,
    database: DatabaseOption = None,
    rerun: Annotated[
        Rerun,
        typer.Option(
            help="stale: what has no output under today's types and settings; never: only documents without a result; "
            "failed: stale, and failures again; all: everything"
        ),
    ] = Rerun.STALE,
    limit: Annotated[int | None, typer.Option(min=1, help="take so many files at most")] = None,
    chunk_size: Annotated[int | None, typer.Option(min=1, max=10_000, help="documents per Prefect task run")] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="text column of csv and jsonl files; each row is then a document"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME[,NAME...]",
            help="ask these models, in this order, in place of each type's route; the built-in one stays the floor",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="USD", help="what models may cost in this run; by default WINNOW_BUDGET_PER_RUN_USD, 0 asks none"
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="ask anew what a model has answered before")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object with the counts, and nothing else")
    ] = False,
) -> None:
    """Process documents: extract, classify, score, validate, store. The same command goes on where it stopped."""
    _check_usage(sources or [], from_database, status, rows)
    models, budget_usd = names_of(model), budget_of(budget)
    settings = configure(database_url=database)
    types = load_types(document_type)
    if sources:
        check_sources(sources)
    _pin_database(settings)
    # Models may stand in Prefect as blocks; where they cannot, a mistake is found before a server is started.
    may_hold_blocks = load_settings().prefect_api_url or profile_url() or prefect_server.has_been_used()
    prepared = None if may_hold_blocks else prepare_run(types, models, with_blocks=False)

    parameters: dict[str, object] = {
        "document_type": document_type,
        "rerun": rerun,
        "limit": limit,
        "chunk_size": chunk_size,
        "models": models,
        "budget_usd": budget_usd,
        "use_cache": not no_cache,
    }
    parameters |= (
        {"status": status} if from_database else {"sources": tuple(map(uri_of, sources or [])), "rows_column": rows}
    )
    started = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints is not our output
        server = use_prefect()
        prepared = prepared or prepare_run(types, models)
        show_models(prepared, budget_usd)
        flow = _flow(from_database)
        try:
            with show_progress(server.run_page), handed_over(prepared):
                state = flow(**parameters, return_state=True)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command goes on where it stopped", highlight=False)
            raise typer.Exit(130) from None
        except httpx.TransportError:
            _leave_without_prefect(server.url)
    report = _report_of(state)
    summary = _summary(state, report, time.monotonic() - started)
    if as_json:
        print(json.dumps(summary))
    else:
        _show_summary(summary, report, state, database)
    if not state.is_completed():
        raise typer.Exit(1)


def _leave_without_prefect(url: str) -> NoReturn:
    """End the process now: at a normal exit Prefect waits minutes for a server that is gone to take its events."""
    lost = PrefectUnreachable(url, "it went away during the run; what was finished is stored")
    stderr.print(f"error: {lost}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _check_usage(sources: list[str], from_database: bool, status: str | None, rows: str | None) -> None:
    if from_database and sources:
        raise UsageError("give sources or --from-database, not both")
    if not from_database and not sources:
        raise UsageError("give a source to process, such as: winnow run data/samples; or --from-database")
    if status and not from_database:
        raise UsageError("--status filters known documents: use it with --from-database")
    if rows and from_database:
        raise UsageError("--rows is for sources; known rows are documents already")


def _pin_database(settings: Settings) -> None:
    """Open the database before anything slow, so that a wrong address is found at once.

    Where no Prefect API is configured, no block of the local server decides which database it is.
    """
    if settings.prefect_api_url is None and profile_url() is None:
        settings = configure(database_url=database_url(settings))
    if settings.database_url:
        connect(settings)


def _flow(from_database: bool) -> "Flow[..., State[RunReport]]":
    """The flow to run; its import brings Prefect, which must have its address by then."""
    if from_database:
        from flows.backfill import backfill

        return backfill
    from flows.process_documents import process_documents

    return process_documents


def _report_of(state: "State[RunReport]") -> "RunReport":
    """The report that the flow returned. Raises the error that ended the flow before it could."""
    from tasks.report.report import RunReport

    data: object = state.result(raise_on_failure=False)
    if isinstance(data, RunReport):
        return data
    if isinstance(data, WinnowError):
        raise data
    raise RunError(state.message or f"the run ended as {state.name}")


def _summary(state: "State[RunReport]", report: "RunReport", duration_s: float) -> dict[str, object]:
    return {
        "run_id": str(state.state_details.flow_run_id),
        **report.counts.model_dump(),
        "model_calls": report.model_calls,
        "cost_usd": str(report.cost_usd),
        "unconfirmed_usd": str(report.unconfirmed_usd),
        "cache_hits": report.cache_hits,
        "waiting": report.waiting,
        "duration_s": round(duration_s, 1),
    }


def _show_summary(
    summary: dict[str, object], report: "RunReport", state: "State[RunReport]", database: str | None
) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    meanings = {
        "accepted": "accepted: sure enough to use",
        "in_review": "in review: a person must look",
        "rejected": "rejected by the type's own rules",
        "failed": "failed: could not be read",
        "skipped": "skipped: nothing had changed",
        "documents": "documents in all",
    }
    for key, meaning in meanings.items():
        if summary[key] or key in ("accepted", "in_review", "failed", "documents"):
            table.add_row(str(summary[key]), meaning)
    table.add_row(f"${_money(report.cost_usd)}", f"for {report.calls}")
    if report.unconfirmed_usd:
        table.add_row(f"${_money(report.unconfirmed_usd)}", "at most, for calls of which nothing came back")
    if report.cache_hits:
        table.add_row(str(report.cache_hits), "answers from the cache, for nothing")
    table.add_row(f"{summary['duration_s']} s", "")
    stdout.print(table)
    for kind, number in report.waiting.items():
        remedy = REMEDIES.get(kind, "run again when it is put right")
        line = f"{_counted(number)} for the next run: {kind}; {remedy}"
        stdout.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if not state.is_completed():
        stderr.print(f"the run failed: {state.message}", style="red", markup=False, highlight=False, soft_wrap=True)
    stdout.print("\nNext:", highlight=False)
    with_database = f" --database {shlex.quote(database)}" if database else ""
    run_id = summary["run_id"]
    failures = (f"failures --run {run_id}",) if summary["failed"] else ()
    for line in ("review list", f"results --run {run_id}", *failures):
        stdout.print(f"  {_command()} {line}{with_database}", markup=False, highlight=False, soft_wrap=True)


def _counted(documents: int) -> str:
    return "1 document in review waits" if documents == 1 else f"{documents} documents in review wait"


def _money(usd: Decimal) -> str:
    """USD to a hundredth of a cent, or as exactly as an amount under a cent needs."""
    if usd == 0:
        return "0.00"
    return f"{usd:.4f}" if usd >= Decimal("0.01") else f"{usd.normalize():f}"


def _command() -> str:
    """How the user called this command."""
    called = Path(sys.argv[0])
    if shutil.which(called.name) == str(called):
        return called.name
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
