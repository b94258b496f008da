"""Where documents are: names of any kind lead back to their file, and known bytes are found where they still are."""

import hashlib
from pathlib import Path

import pytest

from blocks.errors import SourceChanged, TooLarge, UnreadableSource
from blocks.files.sources import folders_of, is_local, path_of, read_known, uri_of

LARGE = 1024 * 1024 + 1


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/in/müller 100%41#.txt", "/in/müller 100%41#.txt"),
        ("/in/a::b\n.txt", "/in/a::b\n.txt"),
        ("/in/m\udcfcller %.txt", "file:///in/m%FCller%20%25.txt"),
    ],
)
def test_a_path_is_kept_so_that_it_leads_back(path: str, uri: str) -> None:
    assert uri_of(path) == uri
    assert path_of(uri) == path
    assert is_local(uri)


def test_folders_that_a_place_lies_in() -> None:
    assert list(folders_of("/in/a/b.txt")) == ["/in/a", "/in", "/"]
    assert list(folders_of("file:///in/m%FC/b.txt")) == ["file:///in/m%FC", "/in", "/"]
    assert list(folders_of("s3://bucket/a/b.txt")) == ["s3://bucket/a", "s3://bucket"]
    assert list(folders_of("memory:///in/b.txt")) == ["memory:///in"]


def test_a_file_that_grew_has_changed_and_one_that_was_large_is_too_large(tmp_path: Path) -> None:
    grown, kept = tmp_path / "grown", tmp_path / "kept"
    grown.write_bytes(bytes(LARGE))
    kept.write_bytes(b"known")
    id_ = hashlib.sha256(b"known").hexdigest()
    assert read_known([str(grown), str(tmp_path), str(kept)], id_, 5, 1) == b"known"
    with pytest.raises(SourceChanged, match="grown has changed"):
        read_known([str(grown)], id_, 5, 1)
    with pytest.raises(UnreadableSource, match="no regular file"):
        read_known([str(tmp_path), str(grown)], id_, 5, 1)
    with pytest.raises(TooLarge, match="--rerun failed"):
        read_known([str(grown)], hashlib.sha256(bytes(LARGE)).hexdigest(), LARGE, 1)
