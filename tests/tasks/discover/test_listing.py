"""Sources are listed in order, hidden names left out, wherever they are."""

from pathlib import Path

import fsspec
import pytest

from blocks.errors import SourceMissing
from tasks.discover.listing import list_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.pdf", ".hidden.txt", ".git/config", "sub/.e.txt", "Z.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(source: str, folder: Path) -> list[str]:
    return [str(Path(uri).relative_to(folder)) for uri in list_source(source)]


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
    "source", ["nowhere", "nowhere/*.pdf", "memory://nowhere", "memory://nowhere/*.pdf", "nope://x"]
)
def test_what_does_not_exist_is_said(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceMissing):
        list(list_source(source))
