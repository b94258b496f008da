"""Files of an inbox: seen, stable, taken once, and what a big folder costs a poll."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import fsspec
import pytest

from blocks.database.engine import Database
from blocks.database.pipeline import inbox_files
from blocks.database.pipeline.inbox_files import Poll
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.errors import SourceMissing
from tasks.arrive.arrivals import list_inbox

INBOX = "post"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder; the database of a test is elsewhere."""
    made = tmp_path / "inbox"
    made.mkdir()
    return made


def test_a_file_is_taken_once_when_two_polls_saw_it_alike(database: Database, folder: Path) -> None:
    (folder / "a.txt").write_text("half of")
    assert poll(database, folder) == Poll(listed=1, arrived=1, due=0)
    (folder / "a.txt").write_text("half of it, and the rest")
    (folder / "b.txt").write_text("whole")
    assert poll(database, folder) == Poll(listed=2, arrived=2, due=0)
    assert poll(database, folder) == Poll(listed=2, arrived=0, due=2)
    begin(database, "run-1")
    assert inbox_files.claim_due(database, INBOX, "run-1") == [str(folder / "a.txt"), str(folder / "b.txt")]
    assert inbox_files.claim_due(database, INBOX, "run-2") == []
    inbox_files.confirm_taken(database, INBOX, "run-1")
    finish_run(database, "run-1", "Completed", "")
    assert poll(database, folder) == Poll(listed=2, arrived=0, due=0)


def test_a_changed_file_is_taken_again_and_one_that_is_gone_is_forgotten(database: Database, folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("first")
    taken(database, folder)
    (folder / "a.txt").write_text("second one")
    (folder / "b.txt").unlink()
    assert poll(database, folder).due == 0
    assert poll(database, folder) == Poll(listed=1, arrived=0, due=1)
    (folder / "b.txt").write_text("first")
    assert poll(database, folder) == Poll(listed=2, arrived=1, due=1)


def test_what_a_run_claimed_and_did_not_take_is_free_when_that_run_has_ended(database: Database, folder: Path) -> None:
    (folder / "a.txt").write_text("whole")
    begin(database, "run-1")
    poll(database, folder)
    poll(database, folder)
    assert inbox_files.claim_due(database, INBOX, "run-1") == inbox_files.claim_due(database, INBOX, "run-1")
    assert poll(database, folder).due == 0
    finish_run(database, "run-1", "Failed", "no room on the disk")
    assert poll(database, folder).due == 1
    assert inbox_files.claim_due(database, INBOX, "run-2") == [str(folder / "a.txt")]


def test_inboxes_do_not_share_files(database: Database, folder: Path) -> None:
    (folder / "a.txt").write_text("whole")
    for _ in range(2):
        for name in ("post", "fax"):
            inbox_files.record_poll(database, name, list_inbox(str(folder)).marks)
    assert inbox_files.claim_due(database, "fax", "run-1") == inbox_files.claim_due(database, "post", "run-2")


def test_hidden_files_folders_and_links_have_not_arrived(tmp_path: Path) -> None:
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    (tmp_path / "in" / "deeper" / "a.txt").write_text("whole")
    (tmp_path / "in" / ".a.txt.part").write_text("half")
    (tmp_path / "in" / "nowhere").symlink_to(tmp_path / "nothing")
    (tmp_path / "secrets.txt").write_text("of the worker's machine")
    (tmp_path / "in" / "file.txt").symlink_to(tmp_path / "secrets.txt")
    (tmp_path / "in" / "folder").symlink_to(tmp_path)
    assert list(list_inbox(str(tmp_path / "in")).marks) == [str(tmp_path / "in" / "deeper" / "a.txt")]
    with pytest.raises(SourceMissing):
        list_inbox(str(tmp_path / "out"))


def test_a_url_is_listed_with_marks_that_change_with_the_file(tmp_path: Path) -> None:
    file_system = fsspec.filesystem("memory")
    file_system.pipe("/inbox-of-test/a.txt", b"one")
    before = list_inbox("memory://inbox-of-test").marks
    assert list(before) == ["memory:///inbox-of-test/a.txt"]
    file_system.pipe("/inbox-of-test/a.txt", b"another")
    assert list_inbox("memory://inbox-of-test").marks != before


def test_files_of_a_folder_that_cannot_be_read_are_not_forgotten_and_it_is_named(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir()
    for file in (folder / "a.txt", closed / "b.txt"):
        file.write_text("whole")
    taken(database, folder)
    scandir = os.scandir

    def refused(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refused)
        listing = list_inbox(str(folder))
        (folder / "a.txt").unlink()
        poll(database, folder)
    assert [error.uri for error in listing.unreadable] == [str(closed)]
    (folder / "a.txt").write_text("whole")
    assert poll(database, folder) == Poll(listed=2, arrived=1, due=0), "only the file that was gone arrives again"


def test_a_folder_that_shows_names_only_is_named_and_its_files_are_not_forgotten(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to enter a folder its names can be read, and nothing of its files."""
    closed = folder / "closed"
    closed.mkdir()
    (closed / "b.txt").write_text("whole")
    taken(database, folder)
    scandir = os.scandir

    class Closed:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.path, self.is_dir, self.is_file = entry.name, entry.path, entry.is_dir, entry.is_file

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

    def without_entry(path: str) -> Any:
        return nullcontext([Closed(entry) for entry in scandir(path)]) if Path(path) == closed else scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", without_entry)
        assert [error.uri for error in list_inbox(str(folder)).unreadable] == [str(closed)]
        poll(database, folder)
    assert poll(database, folder) == Poll(listed=1, arrived=0, due=0), "it does not arrive again"


def test_folders_nested_deeper_than_the_stack_keep_no_inbox_from_being_listed(folder: Path) -> None:
    nested = [folder]
    for _ in range(1_200):
        nested.append(nested[-1] / "d")
        nested[-1].mkdir()
    (nested[-1] / "a.txt").write_text("whole")
    try:
        listing = list_inbox(str(folder))
        assert (len(listing.marks), listing.unreadable) == (1, [])
    finally:  # what removes a test's folder is recursive
        (nested[-1] / "a.txt").unlink()
        for path in reversed(nested):
            path.rmdir()


def test_an_inbox_that_is_no_folder_is_named(folder: Path) -> None:
    (folder / "a.txt").write_text("whole")
    for url in (folder / "a.txt", folder / "*.txt"):
        listing = list_inbox(str(url))
        assert (listing.marks, [error.uri for error in listing.unreadable]) == ({}, [str(url)])


def test_a_poll_of_many_files_lists_the_folder_once(
    sqlite_database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2_000):
        (folder / f"{number}.txt").touch()
    taken(sqlite_database, folder)
    listings: list[str] = []
    scandir = os.scandir

    def counted(path: str) -> Iterator[os.DirEntry[str]]:
        listings.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert poll(sqlite_database, folder) == Poll(listed=2_000, arrived=0, due=0)
    assert listings == [str(folder)]


def poll(database: Database, folder: Path) -> Poll:
    listing = list_inbox(str(folder))
    return inbox_files.record_poll(database, INBOX, listing.marks, listing.may_hold)


def taken(database: Database, folder: Path) -> None:
    """Two polls, and a run that took all of it."""
    poll(database, folder)
    poll(database, folder)
    begin(database, "run-0")
    inbox_files.claim_due(database, INBOX, "run-0")
    inbox_files.confirm_taken(database, INBOX, "run-0")
    finish_run(database, "run-0", "Completed", "")


def begin(database: Database, run_id: str) -> None:
    start_run(database, run_id, run_id, settings={}, types={}, source="")
