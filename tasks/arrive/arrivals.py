"""What an inbox holds, by one listing: each file with a mark that changes when the file does."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blocks.errors import SourceMissing, UnreadableSource
from blocks.files.sources import REMOTE_ERRORS, cause_of, folders_of, is_local, path_of, uri_of
from tasks.discover.listing import check_source, is_system_file

CHANGES = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
"""Under these names file systems say when a file was written, or a digest of it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """By URI the mark of each file: size and time of change. `unreadable` has the folders that could not be listed."""

    marks: dict[str, str] = field(default_factory=dict)
    unreadable: list[UnreadableSource] = field(default_factory=list)

    def may_hold(self, uri: str) -> bool:
        """Whether a file is in a folder that could not be listed, so that nobody knows whether it is there."""
        folders = {error.uri for error in self.unreadable}
        return bool(folders) and not folders.isdisjoint(folders_of(uri))


def list_inbox(url: str) -> Listing:
    """Every file in the inbox and its subfolders; hidden ones and links are left out.

    Raises `SourceMissing` and `SourceHoldsSecret`.
    """
    check_source(url)
    if is_local(url):
        listing = Listing()
        _walk(str(Path(path_of(url)).absolute()), listing)
        return listing
    return Listing(_remote_marks(url))


def mark_of(uri: str) -> str:
    """The mark of one file of an inbox, by its URI as `list_inbox` gives it. Raises what its file system raises."""
    if is_local(uri):
        facts = Path(path_of(uri)).stat()
        return f"{facts.st_size} {facts.st_mtime_ns}"
    import fsspec

    file_system, path = fsspec.core.url_to_fs(uri)
    file_system.invalidate_cache()
    # Of the listing of its folder: what a file system says of a single file has other fields in some of them.
    listed = file_system.ls(path.rpartition("/")[0], detail=True)
    return next((_mark(facts) for facts in listed if facts["name"] == path), "")


def _walk(inbox: str, listing: Listing) -> None:
    """List the inbox and its subfolders, without recursion: senders may nest them deeper than Python's stack."""
    folders = [inbox]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # it has gone meanwhile
                        _see(entry, folders, listing)
        except OSError as error:
            if folder == inbox or not isinstance(error, FileNotFoundError):  # a subfolder may go meanwhile
                listing.unreadable.append(UnreadableSource(uri_of(folder), cause_of(error)))


def _see(entry: "os.DirEntry[str]", folders: list[str], listing: Listing) -> None:
    if is_system_file(entry.name):
        return
    if entry.is_dir(follow_symlinks=False):
        folders.append(entry.path)
    elif entry.is_file(follow_symlinks=False):  # a link would show reviewers any file of this machine
        facts = entry.stat(follow_symlinks=False)
        listing.marks[uri_of(entry.path)] = f"{facts.st_size} {facts.st_mtime_ns}"


def _remote_marks(url: str) -> dict[str, str]:
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(url)
        file_system.invalidate_cache(path)
        found: dict[str, dict[str, Any]] = file_system.find(path, detail=True)
    except REMOTE_ERRORS as error:
        raise SourceMissing(url) from error
    return {
        str(file_system.unstrip_protocol(name)): _mark(facts)
        for name, facts in found.items()
        if not any(map(is_system_file, name.removeprefix(path).strip("/").split("/")))
    }


def _mark(facts: dict[str, Any]) -> str:
    return " ".join([str(facts.get("size")), *(str(facts[name]) for name in CHANGES if name in facts)])
