"""Moves a file that is stored out of its inbox: copied, read back, and only then deleted. It overwrites nothing."""

import contextlib
import itertools
import os
import posixpath
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from blocks.files.sources import MEGABYTE, REMOTE_ERRORS, cause_of, digest_source, is_local, path_of, uri_of
from tasks.arrive.arrivals import mark_of
from tasks.arrive.errors import NotMoved


def put_away(uri: str, mark: str, inbox: str, folder: str, record: Callable[[str], None]) -> str:
    """Move a file of an inbox into the folder, below it as deep as in the inbox; gives its new URI.

    `mark` is that of the poll which saw the file: what has changed since then stays. `record` is called with the new
    URI when the copy is whole, and before the file is deleted, so that a crash leaves two copies and never none. A name
    that is taken gets a number, unless the same bytes have it. Raises `NotMoved`.
    """
    try:
        (source, path), (target, root) = _opened(uri), _opened(folder)
        if mark_of(uri) != mark:
            raise NotMoved(uri, "it has changed")
        digest, _ = digest_source(uri)
        wanted = posixpath.join(root, _relative(path, _opened(inbox)[1]))
        target.makedirs(posixpath.dirname(wanted), exist_ok=True)
        place, is_ours = _placed(source, path, target, wanted, digest)
        new = _uri(target, place)
        if digest_source(new)[0] != digest:
            if is_ours:
                target.rm_file(place)
            raise NotMoved(uri, "the copy differs")
        record(new)
        if mark_of(uri) != mark:
            raise NotMoved(uri, "it has changed")
        source.rm_file(path)
    except REMOTE_ERRORS as error:
        raise NotMoved(uri, cause_of(error)) from error
    return new


def _opened(uri: str) -> tuple[Any, str]:
    """The file system and the path of a URI."""
    import fsspec

    if is_local(uri):
        return fsspec.filesystem("file"), str(Path(path_of(uri)).absolute())
    file_system, path = fsspec.core.url_to_fs(uri)
    file_system.invalidate_cache()
    return file_system, str(path)


def _uri(file_system: Any, path: str) -> str:
    is_file = "file" in file_system.protocol
    return uri_of(path) if is_file else str(file_system.unstrip_protocol(path))


def _relative(path: str, inbox: str) -> str:
    """The path below the inbox; an inbox that is a pattern or a file has none, and the name alone is left."""
    inbox = inbox.rstrip("/")
    return path.removeprefix(f"{inbox}/") if path.startswith(f"{inbox}/") else posixpath.basename(path)


def _names(path: str) -> Iterator[str]:
    """The path, and the same with numbers."""
    yield path
    pure = PurePosixPath(path)
    for number in itertools.count(2):
        yield str(pure.with_name(f"{pure.stem} ({number}){pure.suffix}"))


def _placed(source: Any, path: str, target: Any, wanted: str, digest: str) -> tuple[str, bool]:
    """Where the file is now, and whether nobody else can have written there, so that it is ours to delete."""
    for name in _names(wanted):
        if not target.exists(name):
            with contextlib.suppress(FileExistsError):  # another writer took the name meanwhile
                return name, _copy(source, path, target, name)
        if target.isfile(name) and digest_source(_uri(target, name))[0] == digest:
            return name, False
    raise AssertionError("there are names without end")


def _copy(source: Any, path: str, target: Any, place: str) -> bool:
    """Copy to a name that is free; gives whether nobody else can have written there. Raises `FileExistsError`.

    On a disk under a hidden name first, which no other writer has: nobody sees half a file. In a store it appears when
    it is closed.
    """
    if "file" not in target.protocol:
        return _copy_to_store(source, path, target, place)
    partial = Path(place).with_name(f".{secrets.token_hex(8)}.part")
    try:
        with source.open(path, "rb") as reading, partial.open("xb") as writing:
            shutil.copyfileobj(reading, writing, MEGABYTE)
            writing.flush()
            os.fsync(writing.fileno())
        Path(place).hardlink_to(partial)  # unlike a rename, it fails where somebody took the name meanwhile
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return True


def _copy_to_store(source: Any, path: str, target: Any, place: str) -> bool:
    """Most stores can refuse to write over what is there; two writers of one name may meet in the others."""
    try:
        writer, is_exclusive = target.open(place, "xb"), True
    except (NotImplementedError, ValueError):
        writer, is_exclusive = target.open(place, "wb"), False
    with source.open(path, "rb") as reading, writer as writing:
        shutil.copyfileobj(reading, writing, MEGABYTE)
    return is_exclusive
