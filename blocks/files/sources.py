"""Bytes at a path or at any URL that fsspec reads.

The URI of a local file is its path. A path that is not UTF-8 fits no database and no JSON; its URI is a file:// URL
with percent escapes (RFC 8089).
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from blocks.errors import DocumentError, SourceChanged, TooLarge, UnreadableSource
from blocks.records import Document

MEGABYTE = 1024 * 1024
REMOTE_ERRORS = (OSError, ValueError, ImportError, RuntimeError)
"""What fsspec's file systems raise: most of theirs are OSErrors, a missing driver is an ImportError."""
FILE_URL = "file://"

FetchPart = Callable[[str], bytes]
"""Gives the bytes of a document that is a part of another, by its id."""

FetchParts = Callable[[Sequence[str]], Mapping[str, bytes]]
"""The same for several documents at once, by their ids."""


def is_local(uri: str) -> bool:
    """Whether `uri` is a path of this machine, or a file:// URL of one."""
    return uri.startswith(("/", FILE_URL)) or ("://" not in uri and "::" not in uri)


def uri_of(path: str) -> str:
    """The URI of a local path: the path, or a file:// URL if its bytes are not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return FILE_URL + quote_from_bytes(os.fsencode(path))
    return path


def path_of(uri: str) -> str:
    """The local path of a URI that `uri_of` gave."""
    if not uri.startswith(FILE_URL):
        return uri
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(FILE_URL)))


def folders_of(uri: str) -> Iterator[str]:
    """The URIs of the folders that contain `uri`, the nearest first."""
    if is_local(uri):
        yield from (uri_of(str(folder)) for folder in PurePath(path_of(uri)).parents)
        return
    protocol, _, path = uri.partition("://")
    while "/" in path.strip("/"):
        path = path.rpartition("/")[0]
        yield f"{protocol}://{path}"


def read_source(uri: str, max_mb: int) -> bytes:
    """Everything at `uri`. Raises `TooLarge`, `UnreadableSource`, and `FileNotFoundError` if it is gone."""
    limit = max_mb * MEGABYTE
    try:
        with _opened(uri) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except REMOTE_ERRORS as error:
        raise UnreadableSource(uri, cause_of(error)) from error
    if len(content) > limit:
        raise TooLarge("the file in bytes (at least)", len(content), limit, "WINNOW_MAX_DOCUMENT_MB")
    return content


def content_of(document: Document, max_mb: int, fetch_part: FetchPart) -> bytes:
    """The bytes of a document: of a part from `fetch_part`, of a file from the first of its places that has them.

    Raises the first place's error: `SourceChanged` if it has other bytes or none, `UnreadableSource`, `TooLarge`.
    """
    if document.parent_id is not None:
        return fetch_part(document.document_id)
    failures: list[DocumentError] = []
    for uri in (document.uri, *document.other_uris):
        try:
            content = read_source(uri, max_mb)
        except FileNotFoundError:
            failures.append(SourceChanged(uri, "is gone"))
        except TooLarge as error:
            failures.append(error if document.size_bytes > max_mb * MEGABYTE else SourceChanged(uri, "has changed"))
        except UnreadableSource as error:
            failures.append(error)
        else:
            if hashlib.sha256(content).hexdigest() == document.document_id:
                return content
            failures.append(SourceChanged(uri, "has changed"))
    raise failures[0]


def digest_source(uri: str) -> tuple[str, int]:
    """SHA-256 and size of what is at `uri`, read piece by piece. Raises `UnreadableSource`."""
    digest, size = hashlib.sha256(), 0
    try:
        with _opened(uri) as file:
            while piece := file.read(MEGABYTE):
                digest.update(piece)
                size += len(piece)
    except REMOTE_ERRORS as error:
        raise UnreadableSource(uri, cause_of(error)) from error
    return digest.hexdigest(), size


def cause_of(error: Any) -> str:
    """The text of an operating system's or a driver's error, without the name of the file."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _opened(uri: str) -> Iterator[IO[bytes]]:
    if is_local(uri):
        with _opened_file(path_of(uri)) as file:
            yield file
        return
    import fsspec

    # An archive's file system closes the archive when it is garbage collected: keep it as long as the file in it.
    file_system, path = fsspec.core.url_to_fs(uri)
    with file_system.open(path, "rb") as file:
        yield file


def _opened_file(path: str) -> IO[bytes]:
    """A regular file, opened. Reading a pipe or a device could block for ever, or never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no regular file")
    return os.fdopen(descriptor, "rb")
