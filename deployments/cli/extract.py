"""`winnow extract`: extraction alone, without a database or Prefect."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from deployments.cli.output import note, say, without_controls

if TYPE_CHECKING:
    from concurrent.futures import Future

    from blocks.records import DiscoveredDocument, Extraction, Failure
    from blocks.settings import Settings


class Extracted(NamedTuple):
    """A document with its extraction, its failure, or both."""

    found: "DiscoveredDocument"
    extraction: "Extraction | None"
    failure: "Failure | None"


class ExtractFormat(StrEnum):
    """How extractions are printed."""

    TEXT = "text"
    JSON = "json"


def extract(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="files, folders, globs, URLs")],
    output_format: Annotated[
        ExtractFormat, typer.Option("--format", help="text: the pages as read; json: a line per document")
    ] = ExtractFormat.TEXT,
) -> None:
    """Print what documents say, page by page. No database is read or written.

    Exit code 1 if no document could be read.
    """
    from blocks.settings import load_settings

    check_sources(sources)
    is_any_read = False
    for extracted in _extract_all(sources, load_settings()):
        is_any_read = is_any_read or extracted.extraction is not None
        if output_format is ExtractFormat.JSON:
            say(json.dumps(_as_json(extracted), ensure_ascii=False))
        else:
            _print_text(extracted)
    if not is_any_read:
        raise typer.Exit(1)


def check_sources(sources: list[str]) -> None:
    """Raise `SourceMissing` if a source does not exist, and `SourceEmpty` if no source has a file."""
    from blocks.errors import SourceEmpty
    from tasks.discover.listing import list_source

    firsts = [next(iter(list_source(source)), None) for source in sources]
    if all(first is None for first in firsts):
        raise SourceEmpty(tuple(sources))


def _extract_all(sources: list[str], settings: "Settings") -> Iterator[Extracted]:
    """Every document in the order of its source. A few are read at once, and memory holds only those."""
    from concurrent.futures import ThreadPoolExecutor

    from tasks.discover.discover import discover

    found = discover(tuple(sources), settings, rows_column=None, limit=None)
    with ThreadPoolExecutor(settings.processes + 1) as threads:
        in_work: list[Future[Extracted]] = []
        try:
            for document in found:
                if not document.is_member and document.failure is None:
                    continue  # an archive: its files follow
                in_work.append(threads.submit(_extract_one, document, settings))
                if len(in_work) > 2 * settings.processes:
                    yield in_work.pop(0).result()
            for future in in_work:
                yield future.result()
        finally:
            for future in in_work:
                future.cancel()


def _extract_one(found: "DiscoveredDocument", settings: "Settings") -> Extracted:
    from blocks.errors import DocumentError, SourceChanged
    from blocks.files.sources import read_source
    from blocks.records import Stage
    from tasks.extract.extract import extract_bytes

    if found.failure is not None:
        return Extracted(found, None, found.failure)
    try:
        content = found.content if found.content is not None else read_source(found.uri, settings.max_document_mb)
    except FileNotFoundError:
        return Extracted(found, None, SourceChanged(found.uri, "is gone").failure(Stage.EXTRACT))
    except DocumentError as error:
        return Extracted(found, None, error.failure(Stage.EXTRACT))
    return Extracted(found, *extract_bytes(content, found.uri, settings))


def _as_json(extracted: Extracted) -> dict[str, object]:
    found, extraction, failure = extracted
    pages = extraction.pages if extraction else ()
    return {
        "uri": found.uri,
        "media_type": extraction.media_type if extraction else found.media_type,
        "pages": [
            page.model_dump(mode="json", include={"number", "method", "text", "ocr_confidence", "hidden_text"})
            for page in pages
        ],
        "failure": failure.model_dump(mode="json") if failure else None,
    }


def _print_text(extracted: Extracted) -> None:
    found, extraction, failure = extracted
    say(f"=== {without_controls(found.uri)} ({extraction.media_type if extraction else found.media_type})")
    for page in extraction.pages if extraction else ():
        confidence = f", confidence {page.ocr_confidence:.2f}" if page.ocr_confidence is not None else ""
        say(f"--- page {page.number} ({page.method}{confidence})")
        for line in page.text.splitlines():
            say(without_controls(line))
        if page.hidden_text:
            say(f"[hidden: {without_controls(page.hidden_text)}]")
    if failure:
        note(f"failed: {failure.kind}: {without_controls(failure.message)}")
