"""`winnow doctor`: what is there, what is missing, and what to do about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from deployments.cli.options import DatabaseOption
from deployments.cli.output import stdout

if TYPE_CHECKING:
    from blocks.settings import Settings


class Finding(NamedTuple):
    """A line of the report. `remedy` is empty if all is well; `is_fatal` if runs cannot work at all."""

    what: str
    found: str
    remedy: str = ""
    is_fatal: bool = False


def doctor(database: DatabaseOption = None) -> None:
    """Check what runs need, and say what to do about what is missing. Exit code 1 where runs cannot work.

    That is tesseract, the database, Prefect and the document types; `winnow types check` also tries their expectations.
    """
    from rich.table import Table
    from rich.text import Text

    from blocks.settings import configure

    settings = configure(database_url=database)
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


def examine(settings: "Settings") -> Iterator[Finding]:
    """Every finding, in the order in which a newcomer needs them."""
    import platform
    from importlib.metadata import version

    yield Finding("winnow", f"{version('winnow')}, Python {platform.python_version()}, Prefect {version('prefect')}")
    yield from _ocr(settings)
    yield _database(settings)
    yield _prefect(settings)
    yield _document_types(settings)


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


def _database(settings: "Settings") -> Finding:
    from blocks.database.address import connect, database_url
    from blocks.database.engine import default_url
    from blocks.database.schema import current_revision, head_revision
    from blocks.errors import WinnowError

    try:
        if database_url(settings) == default_url() and not (Path.cwd() / ".winnow" / "winnow.db").exists():
            return Finding("database", "none in this folder yet; the first run makes it")
        opened = connect(settings, create=False)
        revision = current_revision(opened)
    except WinnowError as error:
        return Finding("database", "cannot be used", str(error), is_fatal=True)
    remedy = "" if revision == head_revision() else "winnow db upgrade"
    return Finding("database", f"{opened.safe_url} at revision {revision}", remedy)


def _prefect(settings: "Settings") -> Finding:
    from deployments.prefect_api import client as prefect_client
    from deployments.prefect_api import local_server as prefect_server

    if url := settings.prefect_api_url or prefect_client.profile_url():
        if prefect_server.answers(url):
            return Finding("Prefect API", f"{url} answers")
        return Finding(
            "Prefect API", f"{url} does not answer", "start that server, or unset PREFECT_API_URL", is_fatal=True
        )
    server = prefect_server.running()
    if server is None:
        return Finding("Prefect API", "none is configured; the first run starts a local server")
    if server.is_healthy:
        return Finding("Prefect API", f"local server at {server.ui_url}")
    return Finding(
        "Prefect API", f"the local server at {server.ui_url} does not answer", "winnow server stop, then run again"
    )


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
