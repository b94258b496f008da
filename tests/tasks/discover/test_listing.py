"""Sources are listed in order, hidden names left out, wherever they are."""

import os
import shutil
import socket
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from blocks.errors import SourceMissing, SourceNotAFile, UnreadableSource
from blocks.files.sources import read_source
from tasks.discover.listing import Listed, list_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.pdf", ".hidden.txt", ".git/config", "sub/.e.txt", "Z.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(source: str, folder: Path) -> list[str]:
    return [str(Path(place(uri)).relative_to(folder)) for uri in list_source(source)]


def place(listed: Listed) -> str:
    return f"{listed.uri} is unreadable" if isinstance(listed, UnreadableSource) else listed


def test_a_folder_is_walked_in_order_without_hidden_names(folder: Path) -> None:
    assert names(str(folder), folder) == ["Z.txt", "a.txt", "b.txt", "sub/c.txt", "sub/deep/d.pdf"]


def test_a_file_and_even_a_hidden_one_that_is_named(folder: Path) -> None:
    assert names(str(folder / "a.txt"), folder) == ["a.txt"]
    assert names(str(folder / ".hidden.txt"), folder) == [".hidden.txt"]


def test_globs(folder: Path) -> None:
    assert names(str(folder / "*.txt"), folder) == ["Z.txt", "a.txt", "b.txt"]
    assert names(str(folder / "**" / "*.pdf"), folder) == ["sub/deep/d.pdf"]
    assert names(str(folder / "s*" / "*.txt"), folder) == ["sub/c.txt"]


def test_paths_are_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert list(list_source("a.txt")) == [str(folder / "a.txt")]
    assert list(list_source("sub")) == [str(folder / "sub/c.txt"), str(folder / "sub/deep/d.pdf")]


def test_a_file_whose_name_looks_like_a_glob(folder: Path) -> None:
    odd = folder / "bill [1].txt"
    odd.write_text("x")
    assert list(list_source(str(odd))) == [str(odd)]


def test_urls(folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in ("/in/b.txt", "/in/a.txt", "/in/sub/c.txt", "/in/.hidden", "/in/.git/x"):
        memory.pipe(path, b"x")
    assert list(list_source("memory://in")) == ["memory:///in/a.txt", "memory:///in/b.txt", "memory:///in/sub/c.txt"]
    assert list(list_source("memory://in/*.txt")) == ["memory:///in/a.txt", "memory:///in/b.txt"]
    assert list(list_source("memory://in/a.txt")) == ["memory:///in/a.txt"]


@pytest.mark.parametrize(
    "source", ["", "nowhere", "nowhere/*.pdf", "memory://nowhere", "memory://nowhere/*.pdf", "nope://x"]
)
def test_what_does_not_exist_is_said(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceMissing):
        list(list_source(source))


@pytest.mark.parametrize(
    "name", ["two\nlines.txt", "-rf.txt", "a#row=1.txt", "100%41.txt", "a::b.txt", "a:b.txt", " .txt", "[*].txt"]
)
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "scheme:").mkdir()
    (tmp_path / "scheme:" / name).write_bytes(b"y")
    monkeypatch.chdir(tmp_path)
    expected = [str(tmp_path / name), str(tmp_path / "scheme:" / name)]
    for sources in ([str(tmp_path)], [name, f"scheme://{name}"], [f"file://{uri}" for uri in expected]):
        listed = sorted((place(uri) for source in sources for uri in list_source(source)), key=expected.index)
        assert listed == expected
        assert [read_source(uri, 1) for uri in listed] == [b"x", b"y"]


def test_what_is_no_file_is_left_out_and_links_that_lead_nowhere_are_told(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    (folder / "link.txt").symlink_to("a.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "nowhere.txt").symlink_to("missing.txt")
    for name in ("~$b.docx", "Thumbs.db", "desktop.ini"):
        (folder / name).write_text("kept by a program")
    (folder / "sub" / "up").symlink_to(folder)
    expected = ["Z.txt", "a.txt", "b.txt", "link.txt", "loop.txt is unreadable", "nowhere.txt is unreadable"]
    expected.append("sub/c.txt")
    assert names(str(folder), folder) == [*expected, "sub/deep/d.pdf"]
    assert names(str(folder / "**" / "*.txt"), folder) == expected
    assert names(str(folder / "**"), folder) == [*expected, "sub/deep/d.pdf"]
    assert names(str(folder / "**" / "s*" / "**" / "d*"), folder) == ["sub/deep/d.pdf"]
    assert names(str(folder / "sub" / "*" / "a.txt"), folder) == ["sub/up/a.txt"]


def test_pipes_sockets_and_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for source in ("pipe", "socket", "/dev/zero", "file:///dev/zero"):
            with pytest.raises(SourceNotAFile):
                list(list_source(source))
            with pytest.raises(UnreadableSource):
                read_source(str(tmp_path / source) if "/" not in source else source, 1)


def test_a_folder_that_goes_away_is_told_in_its_place(folder: Path) -> None:
    (folder / "tail.txt").write_text("x")
    listed = list_source(str(folder))
    found = [next(listed)]
    shutil.rmtree(folder / "sub")
    found += listed
    assert [Path(place(uri)).name for uri in found] == ["Z.txt", "a.txt", "b.txt", "sub is unreadable", "tail.txt"]


class LockedFolder(MemoryFileSystem):  # type: ignore[misc]
    """A store that lists everything but folder b."""

    protocol = "locked"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("locked://").strip("/")

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        """What is in a folder."""
        if path.rstrip("/").endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return super().ls(path, detail, **options)


def test_a_remote_folder_that_cannot_be_listed_is_told_in_its_place() -> None:
    fsspec.register_implementation("locked", LockedFolder, clobber=True)
    for name in ("a", "b", "c"):
        LockedFolder().pipe(f"/vault/{name}/x.txt", b"x")
    assert [place(uri).removeprefix("locked://") for uri in list_source("locked://vault")] == [
        "/vault/a/x.txt",
        "/vault/b is unreadable",
        "/vault/c/x.txt",
    ]


def test_files_within_an_archive_each_have_their_own_url(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.txt", "1")
        archive.writestr("two.txt", "2")
    for source in (f"zip://*.txt::{tmp_path}/a.zip", f"zip://::{tmp_path}/a.zip"):
        uris = [place(uri) for uri in list_source(source)]
        assert [read_source(uri, 1) for uri in uris] == [b"1", b"2"]
