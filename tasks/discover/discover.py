"""From sources to documents: every file is hashed, gets its media type by structure, and containers are opened.

Sources are streamed in the order of the listing: a million files take no more memory than a few.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice

from pydantic import JsonValue
from pydantic_core import from_json

from blocks.errors import (
    DocumentError,
    Empty,
    SourceEmpty,
    StageCrashed,
    TooLarge,
    TooManyParts,
    UnreadableSource,
    WinnowError,
)
from blocks.files.media_types import BINARY, CSV, EML, JSONL, MBOX, MSG, PDF, TABLES, TEXT, ZIP
from blocks.files.pdf_marks import may_hold_files
from blocks.files.recognition import media_type_of
from blocks.files.sources import MEGABYTE, digest_source, read_source
from blocks.isolation.isolation import Isolation, shared_isolation
from blocks.isolation.wire import unpack_error
from blocks.records import DiscoveredDocument, Stage
from blocks.settings import Settings
from tasks.discover.listing import Listed, check_source, list_source
from tasks.runs.chunk import DEFECT

ROWS = "tasks.discover.containers:rows"
MAX_PARTS = 10_000
MAX_DEPTH = 5
"""Containers within containers: a forward of a forward is common, deeper nesting may be an attack."""
ROWS_AT_ONCE_BYTES = 8_000_000
PARTS_AT_ONCE_BYTES = 32_000_000
LINES_SUFFIXES = (".jsonl", ".ndjson")

log = logging.getLogger(__name__)


def discover(
    sources: Sequence[str],
    settings: Settings,
    *,
    rows_column: str | None = None,
    limit: int | None = None,
    isolation: Isolation | None = None,
) -> Iterator[DiscoveredDocument]:
    """Every document of the sources; a parent comes before its parts. `limit` counts files.

    With `rows_column`, each row of a csv or jsonl file is a document with that column's text. A file or folder that
    cannot be read is a document with a failure. Raises `SourceMissing` and `SourceNotAFile` before the first document,
    and `SourceEmpty`.
    """
    for source in sources:
        check_source(source)
    finder = _Finder(settings, isolation or shared_isolation(settings), rows_column)
    uris = islice(chain.from_iterable(list_source(source) for source in sources), limit)
    is_empty = True
    for documents in _side_by_side(finder, uris, settings.processes + 1):
        is_empty = False
        yield from documents
    if is_empty:
        raise SourceEmpty(tuple(sources))


def _side_by_side(finder: "_Finder", uris: Iterator[Listed], ahead: int) -> Iterator[Iterable[DiscoveredDocument]]:
    """The documents of each file, in the order of the files, of which a few are read ahead."""
    with ThreadPoolExecutor(ahead, thread_name_prefix="discover") as threads:
        running: deque[tuple[Listed, Future[Iterable[DiscoveredDocument]]]] = deque()
        try:
            for uri in uris:
                running.append((uri, threads.submit(finder.documents_of, uri)))
                if len(running) > ahead:
                    yield _guarded(*running.popleft())
            while running:
                yield _guarded(*running.popleft())
        finally:
            for _, future in running:
                future.cancel()


def _guarded(uri: Listed, found: Future[Iterable[DiscoveredDocument]]) -> Iterator[DiscoveredDocument]:
    """The documents of a file, or its failure: a defect costs only the file that causes it."""
    try:
        yield from found.result()
    except WinnowError:
        raise
    except Exception as error:
        place = uri.uri if isinstance(uri, UnreadableSource) else uri
        failed = _unread(place, StageCrashed(f"{type(error).__name__}: {error}"))
        log.error(DEFECT, Stage.DISCOVER, failed.document_id, exc_info=error)
        yield failed


@dataclass(frozen=True, slots=True)
class _Container:
    """How a container's parts are taken, what one is called, and whether the container has text of its own."""

    function: str
    part: str
    is_document: bool


_CONTAINERS = {
    EML: _Container("tasks.discover.containers:attachments", "attachment", is_document=True),
    MSG: _Container("tasks.discover.containers:outlook_attachments", "attachment", is_document=True),
    PDF: _Container("tasks.discover.containers:attached_files", "attachment", is_document=True),
    ZIP: _Container("tasks.discover.containers:archived", "file", is_document=False),
    MBOX: _Container("tasks.discover.containers:mails", "mail", is_document=False),
}


class _Finder:
    def __init__(self, settings: Settings, isolation: Isolation, rows_column: str | None) -> None:
        self._settings = settings
        self._isolation = isolation
        self._rows_column = rows_column

    def documents_of(self, uri: Listed) -> Iterable[DiscoveredDocument]:
        """The file as a document, and its parts after it. A folder that cannot be listed is a failed document."""
        if isinstance(uri, UnreadableSource):
            return [_unread(uri.uri, uri)]
        try:
            content = read_source(uri, self._settings.max_document_mb)
        except TooLarge:
            return [self._too_large(uri)]
        except (UnreadableSource, FileNotFoundError) as error:
            unreadable = error if isinstance(error, UnreadableSource) else UnreadableSource(uri, "it is gone")
            return [_unread(uri, unreadable)]
        document = DiscoveredDocument(
            document_id=hashlib.sha256(content).hexdigest(),
            uri=uri,
            media_type=media_type_of(content, uri),
            size_bytes=len(content),
        )
        if self._rows_column is not None and _is_table(document):
            return self._rows(document, content, self._rows_column)
        return self._with_parts(document, content, depth=1)

    def _too_large(self, uri: str) -> DiscoveredDocument:
        limit = self._settings.max_document_mb * MEGABYTE
        try:
            document_id, size = digest_source(uri)
        except UnreadableSource as error:
            return _unread(uri, error)
        failure = TooLarge("the file in bytes", size, limit, "WINNOW_MAX_DOCUMENT_MB").failure(Stage.DISCOVER)
        return DiscoveredDocument(document_id, uri, BINARY, size, failure=failure)

    def _with_parts(self, document: DiscoveredDocument, content: bytes, depth: int) -> Iterator[DiscoveredDocument]:
        """A document, and if it is a container its parts and theirs. A container that cannot be opened has failed."""
        container = _CONTAINERS.get(document.media_type)
        if document.media_type == PDF and not may_hold_files(content):
            container = None
        if container is None:
            yield document
            return
        number = 0
        start: int | None = 1
        is_first = True
        while start is not None:
            try:
                parts, start = self._parts(container.function, content, self._limits(start))
                if is_first and parts and depth > MAX_DEPTH:
                    raise TooManyParts("containers within containers", MAX_DEPTH)
                if not parts and not container.is_document:
                    raise Empty("it holds no file")
            except DocumentError as error:
                # A PDF whose files cannot be listed may have pages that can be read; extract says if not.
                is_readable = document.media_type == PDF and not isinstance(error, TooManyParts)
                yield document if is_readable else _failed(document, error)
                return
            if is_first:
                yield replace(document, is_member=container.is_document)
            is_first = False
            for name, part, unreadable in parts:
                number += 1
                found = _part(
                    document,
                    f"{container.part}:{number}",
                    f"{container.part}={number}:{name}",
                    part,
                    media_type_of(part, name),
                )
                if unreadable is not None:
                    yield _failed(found, unreadable)
                else:
                    yield from self._with_parts(found, part, depth + 1)

    def _limits(self, start: int) -> dict[str, JsonValue]:
        return {
            "start": start,
            "max_bytes": PARTS_AT_ONCE_BYTES,
            "max_parts": MAX_PARTS,
            "max_total_bytes": self._settings.max_container_mb * MEGABYTE,
            "passwords": [password.get_secret_value() for password in self._settings.passwords],
        }

    def _rows(self, table: DiscoveredDocument, content: bytes, column: str) -> Iterator[DiscoveredDocument]:
        """A table, which is no document itself, and its rows. If the table breaks off, it is a failed document too."""
        yield replace(table, is_member=False)
        start: int | None = 1
        while start is not None:
            wanted: dict[str, JsonValue] = {
                "media_type": CSV if table.media_type == CSV else JSONL,
                "column": column,
                "start": start,
                "max_bytes": ROWS_AT_ONCE_BYTES,
            }
            try:
                rows, start = self._parts(ROWS, content, wanted)
            except DocumentError as error:
                yield _failed(table, error)
                return
            for number, text, broken in rows:
                row = _part(table, f"row:{number}", f"row={number}", text, TEXT)
                yield row if broken is None else _failed(row, broken)

    def _parts(
        self, function: str, content: bytes, wanted: dict[str, JsonValue]
    ) -> tuple[list[tuple[str, bytes, WinnowError | None]], int | None]:
        packed = self._isolation.run(function, content, wanted, self._settings.document_timeout_s)
        line, _, contents = packed.partition(b"\n")
        head = from_json(line)
        parts, position = [], 0
        for name, size, error in head["parts"]:
            content_of_part = contents[position : position + size]
            parts.append((name, content_of_part, None if error is None else unpack_error(error.encode())))
            position += size
        return parts, head["go_on_at"]


def _is_table(document: DiscoveredDocument) -> bool:
    """Whether it has rows. JSON lines that begin with a broken line look like text, so their name decides."""
    is_named_so = document.media_type == TEXT and document.uri.lower().endswith(LINES_SUFFIXES)
    return document.media_type in TABLES or is_named_so


def _part(parent: DiscoveredDocument, part: str, fragment: str, content: bytes, media_type: str) -> DiscoveredDocument:
    return DiscoveredDocument(
        document_id=hashlib.sha256(f"{parent.document_id}/{part}".encode()).hexdigest(),
        uri=f"{parent.uri}#{fragment}",
        media_type=media_type,
        size_bytes=len(content),
        parent_id=parent.document_id,
        part=part,
        content=content,
    )


def _unread(uri: str, error: DocumentError) -> DiscoveredDocument:
    document_id = hashlib.sha256(f"unreadable:{uri}".encode("utf-8", "backslashreplace")).hexdigest()
    return DiscoveredDocument(document_id, uri, BINARY, 0, failure=error.failure(Stage.DISCOVER))


def _failed(document: DiscoveredDocument, error: WinnowError) -> DiscoveredDocument:
    return replace(document, failure=error.failure(Stage.DISCOVER))
