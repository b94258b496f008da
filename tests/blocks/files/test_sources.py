"""Where documents are: names of any kind lead back to their file, and known bytes are found where they still are."""

import hashlib
from pathlib import Path

import pytest

from blocks.errors import SourceChanged, TooLarge, UnreadableSource
from blocks.files.sources import content_of, folders_of, is_local, path_of, uri_of
from blocks.records import Document

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

    def content_at(*paths: Path, content: bytes = b"known", size_bytes: int = 5) -> bytes:
        uri, *others = map(str, paths)
        id_ = hashlib.sha256(content).hexdigest()
        document = Document(id_, uri, "text/plain", size_bytes, other_uris=tuple(others))
        return content_of(document, 1, lambda _: b"")

    assert content_at(grown, tmp_path, kept) == b"known"
    with pytest.raises(SourceChanged, match="grown has changed"):
        content_at(grown)
    with pytest.raises(UnreadableSource, match="no regular file"):
        content_at(tmp_path, grown)
    with pytest.raises(TooLarge, match="--rerun failed"):
        content_at(grown, content=bytes(LARGE), size_bytes=LARGE)


def test_the_content_of_a_part_is_fetched_by_its_id() -> None:
    part = Document("part", "mail#1", "text/plain", 5, parent_id="mail", part="attachment:1")
    assert content_of(part, 1, lambda document_id: document_id.encode()) == b"part"
