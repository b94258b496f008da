"""The files of a source, one at a time and in a steady order: a file, folder, glob, or any URL that fsspec reads."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from blocks.errors import SourceMissing
from blocks.sources import REMOTE_ERRORS, is_local

MAGIC = frozenset("*?[")


def check_source(source: str) -> None:
    """Raise `SourceMissing` where the source names nothing, before anything else is done."""
    if is_local(source):
        if not Path(source).exists() and not _is_glob(source):
            raise SourceMissing(source)
        return
    file_system, path = _remote(source)
    try:
        if not _is_glob(path) and not file_system.exists(path):
            raise SourceMissing(source)
    except REMOTE_ERRORS as error:
        raise SourceMissing(source) from error


def list_source(source: str) -> Iterator[str]:
    """The files of a source: absolute paths, or URLs. Folders are walked in order, hidden names left out.

    A file that is named itself is listed whatever its name is. Raises `SourceMissing`.
    """
    check_source(source)
    if not is_local(source):
        yield from _list_remote(source)
        return
    path = Path(os.path.abspath(source))  # noqa: PTH100 - resolve() would follow links, and name another file
    if path.is_dir():
        yield from _walk(str(path))
    elif path.exists():
        yield str(path)
    else:
        yield from _list_glob(path)


def _list_glob(pattern: Path) -> Iterator[str]:
    fixed = list(_until_magic(pattern.parts))
    root = Path(*fixed)
    wanted = str(PurePosixPath(*pattern.parts[len(fixed) :]))
    found = False
    for path in sorted(root.glob(wanted)) if root.is_dir() else ():
        if _is_hidden(path.relative_to(root).parts) or path.is_dir():
            continue
        found = True
        yield str(path)
    if not found:
        raise SourceMissing(str(pattern))


def _until_magic(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if _is_glob(part):
            return
        yield part


def _walk(folder: str) -> Iterator[str]:
    """Files below a folder, in the order of their names. One folder's names are in memory at a time."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_file()) for entry in entries)
    for name, is_folder, is_file in names:
        if name.startswith("."):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118 - a million times
        if is_folder:
            yield from _walk(path)
        elif is_file:
            yield path


def _list_remote(source: str) -> Iterator[str]:
    file_system, path = _remote(source)
    paths: Iterable[str]
    if _is_glob(path):
        paths = sorted(file_system.glob(path))
        if not paths:
            raise SourceMissing(source)
    elif file_system.isdir(path):
        paths = _walk_remote(file_system, path)
    else:
        paths = [path]
    for found in paths:
        if not _is_hidden(_below(path, found)) and not (_is_glob(path) and file_system.isdir(found)):
            yield str(file_system.unstrip_protocol(found)) if "::" not in source else source


def _walk_remote(file_system: Any, path: str) -> Iterator[str]:
    for entry in sorted(file_system.ls(path, detail=True), key=lambda entry: str(entry["name"])):
        name = str(entry["name"])
        if PurePosixPath(name).name.startswith(".") or name.rstrip("/") == path.rstrip("/"):
            continue
        if entry["type"] == "directory":
            yield from _walk_remote(file_system, name)
        else:
            yield name


def _below(path: str, found: str) -> tuple[str, ...]:
    """The part of a found path that the source did not name itself."""
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
