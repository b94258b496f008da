"""A stored file leaves its inbox whole or not at all, and overwrites nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from blocks.database.engine import Database
from blocks.database.pipeline import inbox_files
from blocks.database.pipeline.sources import uris_of
from blocks.errors import DiskFull
from blocks.files.sources import digest_source
from tasks.arrive import put_away as module
from tasks.arrive.arrivals import list_inbox
from tasks.arrive.errors import NotMoved
from tasks.arrive.put_away import put_away
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of

Record = Callable[[str], None]


def nothing(_new: str) -> None:
    return


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder with a file in a subfolder."""
    made = tmp_path / "inbox"
    (made / "march").mkdir(parents=True)
    (made / "march" / "a.txt").write_text("whole")
    return made


def moved(inbox: Path, done: Path, record: Record = nothing) -> str:
    [(uri, mark)] = list_inbox(str(inbox)).marks.items()
    return put_away(uri, mark, str(inbox), str(done), record)


def test_a_file_is_as_deep_in_the_folder_as_it_was_in_the_inbox(inbox: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []
    new = moved(inbox, tmp_path / "done", lambda new: seen.append((new, (inbox / "march" / "a.txt").exists())))
    assert Path(new) == tmp_path / "done" / "march" / "a.txt"
    assert Path(new).read_text() == "whole"
    assert seen == [(new, True)], "it is recorded before it is deleted"
    assert list_inbox(str(inbox)).marks == {}
    assert [file.name for file in (tmp_path / "done" / "march").iterdir()] == ["a.txt"]


def test_a_name_that_is_taken_gets_a_number_and_equal_bytes_are_not_copied_again(inbox: Path, tmp_path: Path) -> None:
    done = tmp_path / "done"
    assert Path(moved(inbox, done)).name == "a.txt"
    for text, name in (("other", "a (2).txt"), ("third", "a (3).txt"), ("other", "a (2).txt")):
        (inbox / "march" / "a.txt").write_text(text)
        assert Path(moved(inbox, done)).name == name
    texts = {file.name: file.read_text() for file in (done / "march").iterdir()}
    assert texts == {"a.txt": "whole", "a (2).txt": "other", "a (3).txt": "third"}


def test_a_crash_before_the_deletion_leaves_both_and_the_next_attempt_ends_it(inbox: Path, tmp_path: Path) -> None:
    def crash(_new: str) -> None:
        raise DiskFull("sqlite", "no room")

    with pytest.raises(DiskFull):
        moved(inbox, tmp_path / "done", crash)
    assert (inbox / "march" / "a.txt").read_text() == "whole"
    assert Path(moved(inbox, tmp_path / "done")).name == "a.txt"
    assert [file.name for file in (tmp_path / "done" / "march").iterdir()] == ["a.txt"]
    assert list_inbox(str(inbox)).marks == {}


def test_a_file_that_changed_since_the_poll_stays(inbox: Path, tmp_path: Path) -> None:
    [(uri, mark)] = list_inbox(str(inbox)).marks.items()
    Path(uri).write_text("whole, and more")
    with pytest.raises(NotMoved, match="it has changed"):
        put_away(uri, mark, str(inbox), str(tmp_path / "done"), nothing)

    def change(_new: str) -> None:
        Path(uri).write_text("changed at the last moment")

    with pytest.raises(NotMoved, match="it has changed"):
        moved(inbox, tmp_path / "done", change)
    assert Path(uri).read_text() == "changed at the last moment"


def test_a_folder_that_refuses_leaves_the_file_where_it_is(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "done").write_text("no folder")
    with pytest.raises(NotMoved, match="stays in its inbox"):
        moved(inbox, tmp_path / "done")
    assert (inbox / "march" / "a.txt").read_text() == "whole"


def test_a_file_of_others_that_changes_meanwhile_is_not_deleted(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "done" / "march" / "a.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("whole")

    def read_then_changed(uri: str) -> tuple[str, int]:
        found = digest_source(uri)
        if Path(uri) == theirs:
            theirs.write_text("theirs, and changed")
        return found

    monkeypatch.setattr(module, "digest_source", read_then_changed)
    with pytest.raises(NotMoved, match="the copy differs"):
        moved(inbox, tmp_path / "done")
    assert theirs.read_text() == "theirs, and changed"
    assert (inbox / "march" / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("done", ["disk", "memory://done-by-two"])
def test_two_writers_of_one_name_lose_no_file(done: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second inbox's file of the same name is moved while the first one is being copied."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    folder = str(tmp_path / "done") if done == "disk" else done
    copyfileobj = shutil.copyfileobj
    places: list[str] = []

    def put(name: str) -> None:
        [(uri, mark)] = list_inbox(str(tmp_path / name)).marks.items()
        places.append(put_away(uri, mark, str(tmp_path / name), folder, nothing))

    def copied(reading: Any, writing: Any, length: int) -> None:
        monkeypatch.setattr(shutil, "copyfileobj", copyfileobj)
        copyfileobj(reading, writing, length)
        put("second")

    monkeypatch.setattr(shutil, "copyfileobj", copied)
    put("first")
    texts = {place.rpartition("/")[2]: fsspec.open(place).open().read().decode() for place in places}
    assert sorted(texts) == ["a (2).txt", "a.txt"]
    assert sorted(texts.values()) == ["first", "second"]
    assert [list_inbox(str(tmp_path / name)).marks for name in ("first", "second")] == [{}, {}]
    if done == "disk":
        assert sorted(file.name for file in (tmp_path / "done").iterdir()) == sorted(texts), "no part is left"


def test_a_store_that_cannot_refuse_to_write_over_a_file_is_written_and_nothing_of_others_is_deleted(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fsspec.filesystem("memory")
    opened = store.open

    def plain(path: str, mode: str = "rb", **options: object) -> object:
        if mode == "xb":
            raise NotImplementedError
        return opened(path, mode, **options)

    monkeypatch.setattr(store, "open", plain)
    [(uri, mark)] = list_inbox(str(inbox)).marks.items()
    new = put_away(uri, mark, str(inbox), "memory://plain-store", nothing)
    assert store.cat(new) == b"whole"
    (inbox / "march" / "b.txt").write_text("mine")
    copyfileobj = shutil.copyfileobj

    def overwritten(reading: Any, writing: Any, length: int) -> None:
        copyfileobj(reading, writing, length)
        writing.seek(0)
        writing.write(b"theirs")

    monkeypatch.setattr(shutil, "copyfileobj", overwritten)
    [(uri, mark)] = list_inbox(str(inbox)).marks.items()
    with pytest.raises(NotMoved, match="the copy differs"):
        put_away(uri, mark, str(inbox), "memory://plain-store", nothing)
    assert store.cat("/plain-store/march/b.txt") == b"theirs"
    assert Path(uri).read_text() == "mine"


def test_any_url_of_fsspec_serves_as_inbox_and_as_folder(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/post-away/deep/a.txt", b"whole")
    [(uri, mark)] = list_inbox("memory://post-away").marks.items()
    assert put_away(uri, mark, "memory://post-away", "memory://done-away", nothing) == "memory:///done-away/deep/a.txt"
    assert memory.cat("/done-away/deep/a.txt") == b"whole"
    assert not memory.exists("/post-away/deep/a.txt")
    memory.rm("/done-away", recursive=True)


def test_the_places_of_a_file_s_documents_move_with_it_and_failed_ones_keep_it(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    marks = {f"/in/{name}": "1 1" for name in "abc"}
    for _ in range(2):
        inbox_files.record_poll(database, "post", marks)
    inbox_files.claim_due(database, "post", "run-1")
    inbox_files.confirm_taken(database, "post", "run-1")
    with database.write() as connection:
        insert = "INSERT INTO sources SELECT document_id, '/in/a#row=1', seen_at FROM sources WHERE uri = '/in/c'"
        connection.exec_driver_sql(insert)
        for name, outcome in (("a", "accepted"), ("b", "failed"), ("c", "in_review")):
            connection.exec_driver_sql(
                f"UPDATE run_documents SET outcome = '{outcome}' WHERE document_id = '{id_of(name)}'"
            )
    stored = inbox_files.stored_files(database, "post", "run-1")
    assert {uri: sorted(places) for uri, (_, places) in stored.items()} == {
        "/in/a": ["/in/a", "/in/a#row=1"],
        "/in/c": ["/in/c"],
    }
    for _ in range(2):
        inbox_files.record_move(database, "/in/a", stored["/in/a"][1], "/done/a (2)")
    with database.read() as connection:
        assert uris_of(connection, [id_of("a"), id_of("b")]) == {id_of("a"): ["/done/a (2)"], id_of("b"): ["/in/b"]}
        assert sorted(uris_of(connection, [id_of("c")])[id_of("c")]) == ["/done/a (2)#row=1", "/in/c"]
