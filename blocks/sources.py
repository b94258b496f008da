"""Bytes at a path or at any URL that fsspec reads."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from blocks.errors import TooLarge, UnreadableSource

MEGABYTE = 1024 * 1024
REMOTE_ERRORS = (OSError, ValueError, ImportError, RuntimeError)
"""What fsspec's file systems raise: most of theirs are OSErrors, a missing driver is an ImportError."""


def is_local(uri: str) -> bool:
    """Whether `uri` is a path of this machine and no URL."""
    return "://" not in uri and "::" not in uri


def read_source(uri: str, max_mb: int) -> bytes:
    """Everything at `uri`. Raises `TooLarge`, `FileNotFoundError` where it is gone, and `UnreadableSource`."""
    limit = max_mb * MEGABYTE
    try:
        with _opened(uri) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except REMOTE_ERRORS as error:
        raise UnreadableSource(uri, _cause(error)) from error
    if len(content) > limit:
        raise TooLarge("the file in bytes (at least)", len(content), limit, "WINNOW_MAX_DOCUMENT_MB")
    return content


def digest_source(uri: str) -> tuple[str, int]:
    """SHA-256 and size of what is at `uri`, read a piece at a time. Raises `UnreadableSource`."""
    digest, size = hashlib.sha256(), 0
    try:
        with _opened(uri) as file:
            for piece in _pieces(file):
                digest.update(piece)
                size += len(piece)
    except REMOTE_ERRORS as error:
        raise UnreadableSource(uri, _cause(error)) from error
    return digest.hexdigest(), size


def _opened(uri: str) -> IO[bytes]:
    if is_local(uri):
        return Path(uri).open("rb")
    import fsspec

    opened: IO[bytes] = fsspec.open(uri, "rb").open()
    return opened


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(MEGABYTE):
        yield piece


def _cause(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
