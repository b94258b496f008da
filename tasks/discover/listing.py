"""Lists the files of a source in a stable order: of a file, folder, glob, or any URL that fsspec reads.

In place of a folder that cannot be listed, there is its `UnreadableSource` error.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from blocks.errors import SourceMissing, SourceNotAFile, UnreadableSource, UsageError
from blocks.files.sources import FILE_URL, REMOTE_ERRORS, cause_of, is_local, path_of, uri_of
from blocks.secret_url import redacted

MAGIC = frozenset("*?[")
ANY_FOLDERS = "**"
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

Listed = str | UnreadableSource
"""A file's path or URL, or the error of a folder."""


class SourceUnmatched(SourceMissing):
    """A source is a glob that no file matches."""

    def __init__(self, source: str) -> None:
        UsageError.__init__(self, f"no file matches {source}; correct the pattern, or name a folder")


class SourceHoldsSecret(UsageError):
    """A source is a URL with a password or a key in it, which would be stored with each document and shown."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} holds a secret, which would be stored and shown; leave it out, and give it to fsspec by its "
            "configuration files or by the variables of the storage's driver"
        )


def check_source(source: str) -> None:
    """Raise `SourceMissing` if the source does not exist, and `SourceNotAFile` for a pipe, a socket or a device.

    Raises `SourceHoldsSecret` for a URL with a password or a key.
    """
    if not source:
        raise SourceMissing("''")
    path = _local_path(source)
    if path is not None:
        _check_path(path, source)
        return
    if redacted(source) != source:
        raise SourceHoldsSecret(source)
    file_system, remote_path = _remote(source)
    try:
        if not _is_glob(remote_path) and not file_system.exists(remote_path):
            raise SourceMissing(source)
    except REMOTE_ERRORS as error:
        raise SourceMissing(source) from error


def list_source(source: str) -> Iterator[Listed]:
    """The files of a source: absolute paths, or URLs. Folders are walked in order, without hidden names.

    Links to files are followed; links to folders only if the source names them, so that no loop is entered. Only
    regular files are listed. A file that the source names is listed even if it is hidden. Raises as `check_source`.
    """
    check_source(source)
    local = _local_path(source)
    if local is None:
        yield from _list_remote(source)
        return
    path = os.path.abspath(local)  # noqa: PTH100 - resolve() would follow links, and name another file
    if _leads_to_folder(path):
        yield from _walk(path)
    elif os.path.lexists(path):
        yield uri_of(path)
    else:
        yield from _list_glob(Path(path), source)


def _local_path(source: str) -> str | None:
    """The local path of a source; None for a URL elsewhere."""
    literal = source.removeprefix(FILE_URL)
    if os.path.lexists(literal):
        return literal
    return path_of(source) if is_local(source) else None


def _check_path(path: str, source: str) -> None:
    try:
        mode = Path(path).stat().st_mode
    except PermissionError:
        return  # it exists; the listing reports that it cannot be read
    except (OSError, ValueError) as error:
        if not _is_glob(path):
            raise SourceMissing(source) from error
        return
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SourceNotAFile(source)


def _list_glob(pattern: Path, source: str) -> Iterator[Listed]:
    fixed = list(_until_magic(pattern.parts))
    root = Path(*fixed)
    wanted = [part for n, part in enumerate(pattern.parts) if n >= len(fixed)]
    found = set(_matches(str(root), wanted)) if _leads_to_folder(str(root)) else set()
    if not found:
        raise SourceUnmatched(source)
    # `**` can lead to a folder in two ways, so errors are kept by name.
    unreadable = {error.uri: error for error in found if isinstance(error, UnreadableSource)}
    paths = {entry for entry in found if isinstance(entry, str)}
    for path in sorted(paths | set(unreadable), key=lambda path: path.split("/")):
        yield unreadable.get(path, path)


def _matches(folder: str, wanted: Sequence[str]) -> Iterator[Listed]:
    """The files below a folder that match a glob's parts. `**` is any number of folders; at the end, all files."""
    part, *rest = wanted
    if part == ANY_FOLDERS and rest:
        yield from _matches(folder, rest)
    for path, is_folder, is_file in _entries(folder):
        name = PurePosixPath(path_of(path.uri) if isinstance(path, UnreadableSource) else path).name
        is_wanted = not rest if part == ANY_FOLDERS else fnmatchcase(name, part)
        if isinstance(path, UnreadableSource):
            if is_wanted or path.uri == uri_of(folder):
                yield path
        elif part == ANY_FOLDERS and is_folder:
            yield from _matches(path, wanted)
        elif is_wanted and rest and (is_folder or _leads_to_folder(path)):
            yield from _matches(path, rest)
        elif is_wanted and is_file and not rest:
            yield uri_of(path)


def _leads_to_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - that of a Path raises without permission


def _until_magic(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if _is_glob(part):
            return
        yield part


def _walk(folder: str) -> Iterator[Listed]:
    """Files below a folder, in the order of their names. Memory holds the names of a single folder per level."""
    levels = [iter(_entries(folder))]
    while levels:
        for path, is_folder, is_file in levels[-1]:
            if isinstance(path, UnreadableSource):
                yield path
            elif is_folder:
                levels.append(iter(_entries(path)))
                break
            elif is_file:
                yield uri_of(path)
        else:
            levels.pop()


def is_system_file(name: str) -> bool:
    """Whether an operating system or a program keeps the file for itself: hidden, a lock, a folder's settings."""
    return name.startswith((".", "~$")) or name.lower() in SYSTEM_FILES


def _entries(folder: str) -> list[tuple[Listed, bool, bool]]:
    """The entries of a folder in order, without system files: path, whether it is a folder, whether it is a file."""
    try:
        with os.scandir(folder) as entries:
            return [
                _entry(entry)
                for entry in sorted(entries, key=lambda entry: entry.name)
                if not is_system_file(entry.name)
            ]
    except OSError as error:
        return [(UnreadableSource(uri_of(folder), cause_of(error)), False, False)]


def _entry(entry: os.DirEntry[str]) -> tuple[Listed, bool, bool]:
    try:
        is_file = entry.is_file()
        if not is_file and entry.is_symlink():
            Path(entry.path).stat()  # raises if the link leads nowhere
        return entry.path, entry.is_dir(follow_symlinks=False), is_file
    except OSError as error:  # such as a link to itself, or to nothing
        return UnreadableSource(uri_of(entry.path), cause_of(error)), False, False


def _list_remote(source: str) -> Iterator[Listed]:
    file_system, path = _remote(source)
    paths: Iterable[Listed]
    try:
        if _is_glob(path):
            paths = sorted(found for found in file_system.glob(path) if not file_system.isdir(found))
            if not paths:
                raise SourceUnmatched(source)
        elif file_system.isdir(path):
            paths = _walk_remote(file_system, path, source)
        else:
            paths = [path]
    except REMOTE_ERRORS as error:
        yield UnreadableSource(source, cause_of(error))
        return
    for found in paths:
        if isinstance(found, UnreadableSource):
            yield found
        elif not _is_hidden(_below(path, found)):
            yield _url(file_system, found, source)


def _walk_remote(file_system: Any, path: str, source: str) -> Iterator[Listed]:
    try:
        entries = sorted(file_system.ls(path, detail=True), key=lambda entry: str(entry["name"]))
    except REMOTE_ERRORS as error:
        yield UnreadableSource(_url(file_system, path, source), cause_of(error))
        return
    for entry in entries:
        name = str(entry["name"])
        if PurePosixPath(name).name.startswith(".") or name.rstrip("/") == path.rstrip("/"):
            continue
        if entry["type"] == "directory":
            yield from _walk_remote(file_system, name, source)
        else:
            yield name


def _url(file_system: Any, path: str, source: str) -> str:
    """The URL of a path. In a chain such as ``zip://*.txt::/a.zip``, the path replaces that of its link."""
    if "::" not in source:
        return str(file_system.unstrip_protocol(path))
    links = source.split("::")
    named = next((n for n, link in enumerate(links) if "://" in link), 0)
    links[named] = f"{links[named].partition('://')[0]}://{path}"
    return "::".join(links)


def _below(path: str, found: str) -> tuple[str, ...]:
    """The parts of a found path that the source does not name."""
    named = "/".join(_until_magic(tuple(path.split("/"))))
    return tuple(found.removeprefix(named).strip("/").split("/")) if found != path else ()


def _remote(source: str) -> tuple[Any, str]:
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(source)
    except REMOTE_ERRORS as error:
        raise SourceMissing(source) from error
    return file_system, path


def _is_glob(path: str) -> bool:
    return not MAGIC.isdisjoint(path)


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts)
