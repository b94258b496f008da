"""`winnow extract`: extraction alone, without a database or Prefect."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from typing import Annotated

import typer

from blocks.errors import DocumentError, SourceChanged, SourceEmpty
from blocks.files.sources import read_source
from blocks.records import DiscoveredDocument, Extraction, Failure, Stage
from blocks.settings import Settings, load_settings
from deployments.cli.output import without_controls
from tasks.discover.discover import discover
from tasks.discover.listing import list_source
from tasks.extract.extract import extract_bytes

Extracted = tuple[DiscoveredDocument, Extraction | None, Failure | None]


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
    """Print what documents say, page by page. No database is read or written."""
    check_sources(sources)
    for found, extraction, failure in _extract_all(sources, load_settings()):
        if output_format is ExtractFormat.JSON:
            print(json.dumps(_as_json(found, extraction, failure), ensure_ascii=False))
        else:
            _print_text(found, extraction, failure)


def check_sources(sources: list[str]) -> None:
    """Raise `SourceMissing` where a source names nothing, and `SourceEmpty` where none holds a file."""
    firsts = [next(iter(list_source(source)), None) for source in sources]
    if all(first is None for first in firsts):
        raise SourceEmpty(tuple(sources))


def _extract_all(sources: list[str], settings: Settings) -> Iterator[Extracted]:
    """Every document in the order of its source; a few are read at once, and no more are held than that."""
    found = discover(tuple(sources), settings, rows_column=None, limit=None)
    with ThreadPoolExecutor(settings.processes + 1) as threads:
        in_work: list[Future[Extracted]] = []
        try:
            for document in found:
                in_work.append(threads.submit(_extract_one, document, settings))
                if len(in_work) > 2 * settings.processes:
                    yield in_work.pop(0).result()
            for future in in_work:
                yield future.result()
        finally:
            for future in in_work:
                future.cancel()


def _extract_one(found: DiscoveredDocument, settings: Settings) -> Extracted:
    if found.failure is not None:
        return found, None, found.failure
    try:
        content = found.content if found.content is not None else read_source(found.uri, settings.max_document_mb)
    except FileNotFoundError:
        return found, None, SourceChanged(found.uri, "is gone").failure(Stage.EXTRACT)
    except DocumentError as error:
        return found, None, error.failure(Stage.EXTRACT)
    return found, *extract_bytes(content, found.uri, settings)


def _as_json(found: DiscoveredDocument, extraction: Extraction | None, failure: Failure | None) -> dict[str, object]:
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


def _print_text(found: DiscoveredDocument, extraction: Extraction | None, failure: Failure | None) -> None:
    print(f"=== {without_controls(found.uri)} ({extraction.media_type if extraction else found.media_type})")
    for page in extraction.pages if extraction else ():
        confidence = f", confidence {page.ocr_confidence:.2f}" if page.ocr_confidence is not None else ""
        print(f"--- page {page.number} ({page.method}{confidence})")
        for line in page.text.splitlines():
            print(without_controls(line))
        if page.hidden_text:
            print(f"[hidden: {without_controls(page.hidden_text)}]")
    if failure:
        print(f"failed: {failure.kind}: {without_controls(failure.message)}", file=sys.stderr)
