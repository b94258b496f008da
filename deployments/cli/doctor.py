"""`winnow doctor`: what is there, what is missing, and what to do about it."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from blocks.database.address import database_url
from blocks.database.engine import current_revision, default_url, head_revision, open_database
from blocks.document_types.loader import check as check_types
from blocks.document_types.loader import load_document_types
from blocks.errors import WinnowError
from blocks.settings import Settings, configure
from deployments.cli.options import DatabaseOption
from deployments.cli.output import stdout
from deployments.prefect_api import client as prefect_client
from deployments.prefect_api import local_server as prefect_server
from tasks.extract.ocr.pool import OcrPool


@dataclass(frozen=True)
class Finding:
    """One line of the examination. `remedy` is empty where all is well; `is_fatal` where runs cannot work at all."""

    what: str
    found: str
    remedy: str = ""
    is_fatal: bool = False


def doctor(database: DatabaseOption = None) -> None:
    """Look at versions, tesseract, the database, Prefect and the document types. Exit code 1 where runs cannot work."""
    settings = configure(database_url=database)
    table = Table(box=None, show_header=False)
    is_fatal = False
    for finding in examine(settings):
        mark = ("✗", "red") if finding.is_fatal else ("!", "yellow") if finding.remedy else ("✓", "green")
        text = finding.found + (f"\n→ {finding.remedy}" if finding.remedy else "")
        table.add_row(Text(mark[0], mark[1]), finding.what, Text(text))
        is_fatal = is_fatal or finding.is_fatal
    stdout.print(table)
    if is_fatal:
        raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order in which a newcomer needs them."""
    yield Finding("winnow", f"{version('winnow')}, Python {platform.python_version()}, Prefect {version('prefect')}")
    yield from _ocr(settings)
    yield _database(settings)
    yield _prefect(settings)
    yield from _document_types(settings)


def _ocr(settings: Settings) -> Iterator[Finding]:
    pool = OcrPool(settings)
    try:
        if why := pool.available:
            yield Finding("OCR", "not available: scans go to review", why)
            return
        yield Finding("OCR", pool.engine)
        if missing := pool.languages_missing:
            packs = " ".join(f"tesseract-ocr-{name}" for name in missing)
            yield Finding(
                "OCR languages", f"missing: {', '.join(missing)}", f"install them, such as: apt-get install {packs}"
            )
    finally:
        pool.close()


def _database(settings: Settings) -> Finding:
    try:
        url = database_url(settings)
        if url == default_url() and not (Path.cwd() / ".winnow" / "winnow.db").exists():
            return Finding("database", "none in this folder yet; the first run makes one")
        opened = open_database(url, create=False)
        revision = current_revision(opened)
    except WinnowError as error:
        return Finding("database", "cannot be used", str(error), is_fatal=True)
    if revision != head_revision():
        return Finding("database", f"{opened.safe_url} at revision {revision}", "winnow db upgrade")
    return Finding("database", f"{opened.safe_url} at revision {revision}")


def _prefect(settings: Settings) -> Finding:
    if url := settings.prefect_api_url or prefect_client.profile_url():
        if prefect_server.answers(url):
            return Finding("Prefect API", f"{url} answers")
        return Finding(
            "Prefect API", f"{url} does not answer", "start that server, or unset PREFECT_API_URL", is_fatal=True
        )
    server = prefect_server.running()
    if server is None:
        return Finding("Prefect API", "none configured; the first run starts a local server")
    if server.is_healthy:
        return Finding("Prefect API", f"local server at {server.ui_url}")
    return Finding(
        "Prefect API", f"the local server at {server.ui_url} does not answer", "winnow server stop, then run again"
    )


def _document_types(settings: Settings) -> Iterator[Finding]:
    folder = settings.document_types_dir
    problems = check_types(folder)
    if problems:
        yield Finding("document types", f"{len(problems)} mistakes in {folder}", "winnow types check", is_fatal=True)
    else:
        yield Finding("document types", ", ".join(load_document_types(folder)))
