"""`winnow doctor`: what is there, what is missing, and what to do about it."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.secret_url import SecretUrl
from deployments.cli.finding import Finding
from deployments.cli.options import DatabaseOption
from deployments.cli.output import say, stdout, warn

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.settings import Settings

MIN_FREE_MB, FATAL_FREE_MB = 1_000, 50
MAX_NAMED = 5
_AGAIN = "winnow server stop, then run again"


def doctor(
    database: DatabaseOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="make what is missing: work pool, deployments, automations; close dead runs")
    ] = False,
) -> None:
    """Check what runs need, and say what to do about what is missing. Exit code 1 where runs cannot work.

    That is tesseract, the database, the disk, the document types (`winnow types check` also tries their expectations),
    Prefect (its server, and the pools, workers, schedules and automations of deployments), the review page of winnow up
    and that at WINNOW_REVIEW_URL, and whether winnow up and the Prefect block use the same database.
    """
    from rich.table import Table
    from rich.text import Text

    from blocks.settings import configure

    settings = configure(database_url=database)
    if fix:
        _fix(settings)
    table = Table(box=None, show_header=False)
    is_fatal = False
    for finding in examine(settings):
        mark = ("✗", "red") if finding.is_fatal else ("!", "yellow") if finding.remedy else ("✓", "green")
        text = finding.found + (f"\n→ {finding.remedy}" if finding.remedy else "")
        table.add_row(Text(mark[0], mark[1]), finding.what, Text(text))
        is_fatal = is_fatal or finding.is_fatal
    stdout().print(table)
    if is_fatal:
        raise typer.Exit(1)


def _fix(settings: "Settings") -> None:
    """Do what is safe about each finding, a line each; a fix that fails leaves its finding in the report."""
    import httpx

    from blocks.errors import WinnowError

    for finding in list(examine(settings)):
        if finding.fix is None:
            continue
        try:
            finding.fix()
            say(f"fixed: {finding.what} ({finding.found})")
        except (WinnowError, httpx.HTTPError) as error:
            warn(f"{finding.what} could not be fixed: {error}")


def examine(settings: "Settings") -> Iterator[Finding]:
    """Every finding, in the order in which a newcomer needs them."""
    import platform
    from importlib.metadata import version

    yield Finding("winnow", f"{version('winnow')}, Python {platform.python_version()}, Prefect {version('prefect')}")
    yield from _ocr(settings)
    yield from _database(settings)
    yield from _disk(settings)
    yield _document_types(settings)
    yield from _prefect(settings)
    yield from _review_page(settings)


def _ocr(settings: "Settings") -> Iterator[Finding]:
    from tasks.extract.ocr.choice import choose_engine

    choice = choose_engine(settings)
    if isinstance(choice, str):
        yield Finding("OCR", "not available: scans go to review", choice)
        return
    yield Finding("OCR", choice.name)
    if missing := choice.packs.missing:
        packs = " ".join(f"tesseract-ocr-{name}" for name in missing)
        yield Finding(
            "OCR languages", f"missing: {', '.join(missing)}", f"install them, such as: apt-get install {packs}"
        )


def _database(settings: "Settings") -> Iterator[Finding]:
    from blocks.database.address import connect, database_url
    from blocks.database.engine import default_url
    from blocks.database.pipeline.dead_runs import close_dead_runs, find_dead_runs
    from blocks.database.schema import current_revision, head_revision
    from blocks.errors import WinnowError

    try:
        if (
            database_url(settings).get_secret_value() == default_url()
            and not (Path.cwd() / ".winnow" / "winnow.db").exists()
        ):
            yield Finding("database", "none in this folder yet; the first run makes it")
            yield from _other_database(settings, None)
            return
        opened = connect(settings, create=False)
        revision = current_revision(opened)
        is_newest = revision == head_revision()
        yield Finding("database", f"{opened.url} at revision {revision}", "" if is_newest else "winnow db upgrade")
        if is_newest:
            yield from _other_database(settings, opened)
        if is_newest and (dead := find_dead_runs(opened)):
            what = f"{len(dead)} say that they go on, and no process works for them: {', '.join(dead[:MAX_NAMED])}"
            remedy = "the next run closes them, and so does the deployment close-dead-runs/every-five-minutes"
            yield Finding("dead runs", what, remedy, fix=partial(close_dead_runs, opened))
        if is_newest:
            yield from _failing_inboxes(opened)
        if is_newest and (why := _refused_write(opened)):
            yield Finding("database", f"it takes no writes: {why}", "free its disk, end what locks it", is_fatal=True)
    except WinnowError as error:
        yield Finding("database", "cannot be used", str(error), is_fatal=True)


def _failing_inboxes(opened: "Database") -> Iterator[Finding]:
    """Inboxes whose files no run could take."""
    from blocks.database.pipeline.inbox_tries import failing

    for found in failing(opened):
        remedy = f"runs with the tag inbox:{found.inbox} say why in the Prefect UI; the next begins after "
        remedy += f"{found.next_at:%H:%M} UTC, or when its block is changed"
        yield Finding("inbox", f"{found.inbox}: {found}", remedy)


def _other_database(settings: "Settings", opened: "Database | None") -> Iterator[Finding]:
    """Which databases others use: the `winnow up` of this machine, and workers that read the Prefect block."""
    from blocks.database.engine import database_id
    from blocks.errors import PrefectUnreachable
    from deployments.up.running import running

    up = running()
    if up is not None and (opened is None or database_id(opened) != up.database_id):
        remedy = f"to work on that one: WINNOW_DATABASE_URL={up.database}, or commands in {up.folder}"
        yield Finding("database", f"winnow up, which runs in {up.folder}, uses another: {up.database}", remedy)
    if settings.database_url and settings.prefect_api_url:
        from blocks.database.block import url_of_block

        with contextlib.suppress(PrefectUnreachable):  # the line about the Prefect API shows it
            of_block = url_of_block()
            if of_block is not None and of_block != settings.database_url:
                remedy = "workers without WINNOW_DATABASE_URL use that one: make both the same"
                yield Finding("database", f"the Prefect block winnow-database has another address: {of_block}", remedy)


def _refused_write(database: "Database") -> str:
    """Why the database does not take a write; empty if it does."""
    from blocks.database.engine import check_write
    from blocks.secret_url import redacted

    try:
        check_write(database)
    except Exception as error:  # noqa: BLE001 - drivers raise their own
        return redacted(next(iter(str(error).splitlines()), type(error).__name__))
    return ""


def _review_page(settings: "Settings") -> Iterator[Finding]:
    """The page that the `winnow up` of this machine runs, and the address that people use."""
    from deployments.prefect_api import local_server as prefect_server
    from deployments.up.running import running
    from deployments.up.services import answers

    up = running()
    if up is not None and answers(f"{up.review_url}/health"):
        yield Finding("review page", f"{up.review_url} of winnow up answers")
    elif up is not None:
        remedy = f"winnow up starts it again within a minute; {prefect_server.up_log_file()} says more"
        yield Finding("review page", f"{up.review_url} of winnow up does not answer", remedy)
    if settings.review_url and answers(settings.review_url):
        yield Finding("review page", f"{settings.review_url} answers")
    elif settings.review_url:
        remedy = "winnow up, or winnow review serve; or correct WINNOW_REVIEW_URL"
        yield Finding("review page", f"{settings.review_url} does not answer", remedy)
    elif up is None:
        yield Finding("review page", "not looked for: winnow up does not run here, and WINNOW_REVIEW_URL is not set")


def _prefect(settings: "Settings") -> Iterator[Finding]:
    from deployments.cli.doctor_deployments import examine_server
    from deployments.prefect_api import client as prefect_client
    from deployments.prefect_api import local_server as prefect_server

    if url := settings.prefect_api_url or prefect_client.profile_url():
        if not prefect_server.answers(url):
            remedy = "start that server, or unset PREFECT_API_URL"
            yield Finding("Prefect API", f"{url} does not answer", remedy, is_fatal=True)
            return
        yield Finding("Prefect API", f"{url} answers")
        yield from examine_server(url, settings.notify_blocks)
        return
    server = prefect_server.running()
    if server is None:
        if prefect_server.is_supervised():
            remedy = f"winnow up starts it again within a minute; {prefect_server.up_log_file()} says more"
            yield Finding("Prefect API", "the server of winnow up does not run", remedy)
            return
        yield Finding("Prefect API", "none is configured; the first run starts a local server")
    elif not server.is_healthy:
        remedy = _AGAIN
        if prefect_server.is_supervised():
            remedy = f"winnow up starts one anew that stays so; {prefect_server.up_log_file()} says more"
        yield Finding("Prefect API", f"the local server at {server.ui_url} does not answer", remedy)
    else:
        own = f"give commands of prefect its address: PREFECT_API_URL={server.url} prefect …"
        yield Finding("Prefect API", f"local server at {server.ui_url}; {own}")
        if errors := prefect_server.service_errors():
            what = f"{len(errors)} errors in its log, the last: {errors[-1]}"
            again = "stop winnow up and start it again" if prefect_server.is_supervised() else _AGAIN
            yield Finding("server's services", what, f"{again}; see {prefect_server.log_file()}")
        yield from examine_server(SecretUrl(server.url), settings.notify_blocks)


def _disk(settings: "Settings") -> Iterator[Finding]:
    """Free room where runs write: the database's folder, temporary files, the local server's history."""
    import shutil
    import tempfile

    from blocks.database.address import database_url
    from blocks.errors import WinnowError
    from deployments.prefect_api import local_server as prefect_server

    places = {"temporary files": Path(tempfile.gettempdir()), "Prefect's history": prefect_server.home()}
    try:
        address = database_url(settings).get_secret_value()
        if address.startswith("sqlite"):
            places["database"] = Path(address.partition("///")[2])
    except WinnowError:
        pass  # the line about the database shows it
    free_mb = {name: shutil.disk_usage(_existing(place)).free // 1_000_000 for name, place in places.items()}
    name, least = min(free_mb.items(), key=lambda item: item[1])
    text = f"{least:,} MB free for {name}"
    remedy = "make room: a run stops where the disk is full" if least < MIN_FREE_MB else ""
    yield Finding("disk", text, remedy, is_fatal=least < FATAL_FREE_MB)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _document_types(settings: "Settings") -> Finding:
    from blocks.document_types.loader import check, load_document_types
    from blocks.errors import DocumentTypeInvalid
    from blocks.values.values_of_types import value_problems

    folder = settings.document_types_dir
    try:
        names = ", ".join(load_document_types(folder))
        count = len(check(folder, value_problems, try_expectations=False))
    except DocumentTypeInvalid as error:
        count = len(error.problems)
    if count:
        mistakes = "1 mistake" if count == 1 else f"{count} mistakes"
        return Finding("document types", f"{mistakes} in {folder}", "winnow types check", is_fatal=True)
    return Finding("document types", f"{names} (`winnow types check` also tries their expectations)")
