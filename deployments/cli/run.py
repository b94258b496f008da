"""`winnow run`: a source, or known documents, through the pipeline in this process."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from blocks.errors import PrefectUnreachable, RunError, UsageError, WinnowError
from blocks.records import Rerun, ResultStatus
from deployments.cli.extract import check_sources
from deployments.cli.options import MOST, DatabaseOption, share_of
from deployments.cli.output import note, say

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State

    from blocks.settings import Settings
    from deployments.prefect_api.client import PrefectApi
    from tasks.report.report import RunReport
    from tasks.runs.prepare import PreparedRun

START_WAIT_LIMIT_S = 15.0
"""How long the start of a run waits for a database that does not answer. A restart takes a few seconds."""

MAX_WORKERS = 64
"""As the flow's parameter says."""

Result = TypeVar("Result")


def run(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="files, folders, globs, URLs")
    ] = None,
    from_database: Annotated[bool, typer.Option("--from-database", help="process known documents again")] = False,
    document_type: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="NAME",
            help="the type of every document; one whose title says another goes to review. With --from-database: "
            "only documents of this type",
        ),
    ] = None,
    status: Annotated[
        ResultStatus | None,
        typer.Option("--status", metavar="S", help="with --from-database: only documents of this status"),
    ] = None,
    database: DatabaseOption = None,
    rerun: Annotated[
        Rerun,
        typer.Option(
            help="stale: documents without an output under today's types and settings; never: only documents without a "
            "result; failed: stale ones and failures; all: every document"
        ),
    ] = Rerun.STALE,
    limit: Annotated[int | None, typer.Option(min=1, max=MOST, help="process at most this many files")] = None,
    chunk_size: Annotated[int | None, typer.Option(min=1, max=10_000, help="documents per Prefect task run")] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="text column of csv and jsonl files; each row becomes a document"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME[,NAME...]",
            help="call these models, in this order, instead of the types' routes; the built-in reader is the fallback",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="USD", help="what models may cost in this run; by default WINNOW_BUDGET_PER_RUN_USD; 0 calls none"
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="call models again instead of using stored replies")
    ] = False,
    reopen: Annotated[
        bool,
        typer.Option(
            "--reopen",
            help="with --from-database: replace the decisions of people by today's results, and review them again",
        ),
    ] = False,
    accept_error: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="accept rows from the confidence on above which labels prove at most this share wrong, such as 5%; "
            "docs/learning.md says how",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|pool",
            help="let so many workers of the Prefect work pool join this run, or as many as are online there; "
            "docs/deployment.md says how",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print the counts as one JSON object, and nothing else")
    ] = False,
) -> None:
    """Process documents: extract, classify, score, validate, store. The same command continues where it stopped."""
    _check_usage(sources or [], from_database, status, rows, reopen)
    joining = _joining(workers)
    from deployments.cli.run_models import budget_of, names_of, show_models

    models, budget_usd = names_of(model), budget_of(budget)
    promised = None if accept_error is None else share_of("--accept-error", accept_error)
    if sources:
        check_sources(sources)
    # These imports take a second: wrong usage ends before them.
    from blocks.backfill.selection import Selection
    from blocks.files.sources import uri_of
    from blocks.logs import configure_logs
    from blocks.settings import configure
    from deployments.cli.run_summary import show_summary, summary_of
    from deployments.prefect_api import local_server
    from deployments.prefect_api.client import profile_url, use_prefect
    from tasks.runs.prepare import load_types, prepare_run

    settings = configure(database_url=database)
    configure_logs(settings)
    types = load_types(document_type)
    pin_database(settings)
    # Prefect may hold models as blocks. If it cannot, mistakes are found before a server is started.
    may_hold_blocks = settings.prefect_api_url or profile_url() or local_server.has_been_used()
    prepared = None if may_hold_blocks else when_it_answers(partial(prepare_run, types, models, with_blocks=False))

    parameters: dict[str, object] = {
        "rerun": rerun,
        "chunk_size": chunk_size,
        "models": models,
        "budget_usd": budget_usd,
        "use_cache": not no_cache,
        "accept_error": promised,
        "workers": joining,
    }
    parameters |= (
        {"selection": Selection(document_type=document_type, status=status, limit=limit), "reopen": reopen}
        if from_database
        else {
            "sources": tuple(map(uri_of, sources or [])),
            "document_type": document_type,
            "limit": limit,
            "rows_column": rows,
        }
    )
    started = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is not our output
        server = use_prefect(announce=note)
        prepared = prepared or when_it_answers(partial(prepare_run, types, models))
        show_models(prepared, budget_usd)
        state = run_flow(_flow(from_database), parameters, prepared, server)
    report = report_of(state)
    summary = summary_of(state, report, time.monotonic() - started)
    if as_json:
        say(json.dumps(summary))
    else:
        show_summary(summary, report, state, database)
    if not state.is_completed():
        raise typer.Exit(1)


def run_flow(
    flow: "Flow[..., State[RunReport]]", parameters: dict[str, object], prepared: "PreparedRun", server: "PrefectApi"
) -> "State[RunReport]":
    """The flow's final state. Ends the process if the user stops the run or the Prefect server goes away."""
    import httpx

    from deployments.cli.progress_bars import show_progress
    from tasks.runs.prepare import handed_over

    signal.signal(signal.SIGTERM, _end_by_sigterm)  # Prefect's own handler calls it once the run is closed
    try:
        with show_progress(server.run_page), handed_over(prepared), _lean_parameters(flow):
            return flow(**parameters, return_state=True)
    except KeyboardInterrupt:
        note("stopped; the same command continues where it stopped")
        raise typer.Exit(130) from None
    except httpx.TransportError:
        _leave_without_prefect(str(server.url))


def _end_by_sigterm(number: int, _frame: object) -> None:
    """Say what happened, and end the process by the signal as if it had no handler."""
    note("stopped by SIGTERM; the same command continues where it stopped")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _leave_without_prefect(url: str) -> NoReturn:
    """End the process now: at a normal exit, Prefect waits minutes for a server that is gone."""
    lost = PrefectUnreachable(url, "it went away during the run; finished work is stored")
    note(f"error: {lost}", style="red")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _check_usage(sources: list[str], from_database: bool, status: str | None, rows: str | None, reopen: bool) -> None:
    if from_database and sources:
        raise UsageError("give sources or --from-database, not both")
    if not from_database and not sources:
        raise UsageError("give a source, such as: winnow run data/samples; or give --from-database")
    if status and not from_database:
        raise UsageError("--status filters known documents; use it with --from-database")
    if reopen and not from_database:
        raise UsageError("--reopen replaces decisions on known documents; use it with --from-database")
    if rows and from_database:
        raise UsageError("--rows needs a source; the rows of known documents are documents already")


def _joining(workers: str | None) -> int | str | None:
    """What --workers asks for. Raises `UsageError`."""
    if workers is None or workers == "pool":
        return workers
    if not workers.isdecimal() or not 1 <= int(workers) <= MAX_WORKERS:
        raise UsageError(f"--workers takes a number from 1 to {MAX_WORKERS}, or pool: as many as are online there")
    return int(workers)


def pin_database(settings: "Settings") -> None:
    """Open the database before anything slow, so that a wrong address is found at once.

    Without a configured Prefect API, no block of the local server can name another database.
    """
    from blocks.database.address import connect, database_url
    from blocks.settings import configure
    from deployments.prefect_api.client import profile_url

    if settings.prefect_api_url is None and profile_url() is None:
        settings = configure(database_url=database_url(settings))
    if settings.database_url:
        when_it_answers(partial(connect, settings))


def when_it_answers(work: Callable[[], Result]) -> Result:
    """The result of `work`, which needs the database. The wait for it is short: the address may be wrong."""
    from blocks.database.outages import wait_out_outages
    from blocks.settings import load_settings

    return wait_out_outages(work, min(START_WAIT_LIMIT_S, load_settings().database_outage_wait_s))


def _flow(from_database: bool) -> "Flow[..., State[RunReport]]":
    """The flow to run. Call it after `use_prefect`: Prefect reads its API address at import."""
    flow: Flow[..., State[RunReport]]
    if from_database:
        from flows.backfill import backfill as flow
    else:
        from flows.process_documents import process_documents as flow
    return flow


@contextlib.contextmanager
def _lean_parameters(flow: "Flow[..., State[RunReport]]") -> Iterator[None]:
    """Within it, the flow writes its parameters by `parameters_as_json`: Prefect's own method brings FastAPI."""
    flow.serialize_parameters = parameters_as_json  # type: ignore[method-assign]
    try:
        yield
    finally:
        del flow.serialize_parameters  # the class's method is in force again


def parameters_as_json(parameters: Mapping[str, object]) -> dict[str, object]:
    """A run's parameters as Prefect keeps them, without the import of FastAPI: a tenth of a short run's CPU time.

    Raises where a parameter has no JSON form.
    """
    from pydantic_core import to_jsonable_python

    return {
        name: float(value) if isinstance(value, Decimal) else to_jsonable_python(value)
        for name, value in parameters.items()
    }


def report_of(state: "State[RunReport]") -> "RunReport":
    """The report that the flow returned. Raises the error that ended the flow before it could."""
    from tasks.report.report import RunFailed, RunReport

    data: object = state.result(raise_on_failure=False)
    if isinstance(data, RunReport):
        return data
    if isinstance(data, RunFailed):
        return data.report
    if isinstance(data, WinnowError):
        raise data
    raise RunError(state.message or f"the run ended as {state.name}")
