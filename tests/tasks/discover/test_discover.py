"""Every file is a document, and so is every attachment and every row that is asked for."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import fsspec
import pytest

from blocks.errors import SourceEmpty, SourceMissing
from blocks.files.sources import read_source
from blocks.isolation.isolation import Isolation
from blocks.records import DiscoveredDocument
from blocks.settings import Settings
from tasks.discover import discover as discover_module
from tasks.discover.discover import discover

SETTINGS = Settings(processes=2, max_document_mb=1)


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    opened = Isolation(SETTINGS)
    yield opened
    opened.close()


def found(isolation: Isolation, *sources: Path | str, **options: object) -> list[DiscoveredDocument]:
    return list(discover([str(s) for s in sources], SETTINGS, isolation=isolation, **options))  # type: ignore[arg-type]


def mail(subject: str, *attachments: tuple[str, bytes], inner: EmailMessage | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.c", "d@e.f", subject
    message.set_content(f"body of {subject}")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    if inner is not None:
        message.add_attachment(inner)
    return message


def test_files_are_documents_by_the_hash_of_their_bytes(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("same")
    (tmp_path / "a.txt").write_text("same")
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4")
    documents = found(isolation, tmp_path)
    assert [Path(document.uri).name for document in documents] == ["a.txt", "b.txt", "c.pdf"]
    assert documents[0].document_id == documents[1].document_id == hashlib.sha256(b"same").hexdigest()
    assert documents[2].media_type == "application/pdf"
    assert documents[2].size_bytes == 8
    assert all(document.content is None and document.is_member for document in documents)


def test_the_limit_counts_files(isolation: Isolation, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text(str(number))
    assert [document.uri[-6:-4] for document in found(isolation, tmp_path, limit=7)] == [f"{n:02}" for n in range(7)]


def test_sources_that_are_missing_or_hold_nothing(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceMissing):
        next(iter(discover([str(tmp_path), str(tmp_path / "nowhere")], SETTINGS, isolation=isolation)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceEmpty):
        found(isolation, tmp_path / "empty")


def test_a_mail_and_all_that_is_in_it(isolation: Isolation, tmp_path: Path) -> None:
    inner = mail("inner", ("deep.txt", b"deep down"))
    (tmp_path / "m.eml").write_bytes(mail("outer", ("bill.pdf", b"%PDF-1.7 x"), inner=inner).as_bytes())
    outer, bill, forwarded, deep = found(isolation, tmp_path)
    assert outer.is_member
    assert outer.content is None
    assert (bill.parent_id, bill.part, bill.content) == (outer.document_id, "attachment:1", b"%PDF-1.7 x")
    assert bill.uri == f"{outer.uri}#attachment=1:bill.pdf"
    assert bill.media_type == "application/pdf"
    assert bill.document_id == hashlib.sha256(f"{outer.document_id}/attachment:1".encode()).hexdigest()
    assert forwarded.media_type == "message/rfc822"
    assert b"body of inner" in (forwarded.content or b"")
    assert (deep.parent_id, deep.content) == (forwarded.document_id, b"deep down")


def test_pictures_of_the_body_and_signatures_are_no_documents(isolation: Isolation, tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@b.c", "x"
    message.set_content("text")
    message.add_alternative("<img src='cid:logo'>", subtype="html")
    message.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid="<logo>")  # type: ignore[index, union-attr]
    message.add_attachment(b"sig", maintype="application", subtype="pgp-signature", filename="s.asc")
    (tmp_path / "m.eml").write_bytes(message.as_bytes())
    assert len(found(isolation, tmp_path)) == 1


def test_a_nest_of_mails_has_a_bottom(isolation: Isolation, tmp_path: Path) -> None:
    message = mail("0", ("core.txt", b"x"))
    for depth in range(1, discover_module.MAX_DEPTH + 3):
        message = mail(str(depth), inner=message)
    (tmp_path / "m.eml").write_bytes(message.as_bytes())
    documents = found(isolation, tmp_path)
    assert len(documents) == discover_module.MAX_DEPTH + 1
    assert [document.failure.kind for document in documents if document.failure] == ["too_many_parts"]


def test_rows_of_a_table_are_documents_and_the_table_is_not(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id;text\n1;"first; with a delimiter"\n2;"two\nlines"\n3;\n')
    table, *rows = found(isolation, tmp_path, rows_column="text")
    assert not table.is_member
    assert [row.content for row in rows] == [b"first; with a delimiter", b"two\nlines", b""]
    assert [row.part for row in rows] == ["row:1", "row:2", "row:3"]
    assert rows[1].uri == f"{table.uri}#row=2"
    assert {row.parent_id for row in rows} == {table.document_id}


def test_rows_of_jsonl(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "größer", "n": 1}\n\n{"text": null}\n{"text": {"a": 1}}\n')
    _, *rows = found(isolation, tmp_path, rows_column="text")
    assert [(row.content or b"").decode() for row in rows] == ["größer", "", '{"a": 1}']


def test_a_long_table_comes_in_pieces(isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover_module, "ROWS_AT_ONCE_BYTES", 500)
    (tmp_path / "t.csv").write_text("text\n" + "".join(f"row number {number}\n" for number in range(200)))
    _, *rows = found(isolation, tmp_path, rows_column="text")
    assert [row.content for row in rows] == [f"row number {number}".encode() for number in range(200)]


def test_a_table_without_rows_asked_for_is_one_document(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (document,) = found(isolation, tmp_path)
    assert document.is_member


@pytest.mark.parametrize(("name", "text"), [("t.csv", "a,b\n1,2\n"), ("t.jsonl", '{"a": 1, "b": 2}\n')])
def test_a_missing_column_names_those_there_are(isolation: Isolation, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    last = found(isolation, tmp_path, rows_column="text")[-1]
    assert last.failure is not None
    assert last.is_member
    assert last.failure.kind == "rows_column_missing"
    assert "it has: a, b" in last.failure.message


def test_a_row_that_cannot_be_told_fails_and_the_others_are_taken(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "tw\n{"text": "one"}\n')
    table, broken, row = found(isolation, tmp_path, rows_column="text")
    assert (table.is_member, table.failure) == (False, None)
    assert broken.failure is not None
    assert (broken.failure.kind, broken.part, broken.content) == ("row_broken", "row:1", b'{"text": "tw')
    assert "line 1" in broken.failure.message
    assert (row.failure, row.part, row.content) == (None, "row:2", b"one")


def test_a_large_file_is_hashed_and_refused(isolation: Isolation, tmp_path: Path) -> None:
    content = os.urandom(1024 * 1024 + 1)
    (tmp_path / "large.bin").write_bytes(content)
    (document,) = found(isolation, tmp_path)
    assert document.document_id == hashlib.sha256(content).hexdigest()
    assert document.failure is not None
    assert document.failure.kind == "too_large"
    assert "1,048,577" in document.failure.message


def test_a_file_that_cannot_be_read_is_a_failure_and_others_go_on(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("/proc/self/mem")
    (tmp_path / "b.txt").write_text("fine")
    first, second = found(isolation, tmp_path)
    assert first.failure is not None
    assert first.failure.kind == "unreadable_source"
    assert first.document_id == hashlib.sha256(f"unreadable:{first.uri}".encode()).hexdigest()
    assert second.failure is None


def test_a_folder_that_cannot_be_listed_is_a_failure_and_others_go_on(isolation: Isolation, tmp_path: Path) -> None:
    for name in "abcdefgh":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)
    listed = discover([str(tmp_path)], SETTINGS, limit=None, isolation=isolation)
    documents = [next(listed)]
    shutil.rmtree(tmp_path / "h")
    documents += listed
    assert [Path(document.uri).name for document in documents] == ["x.txt"] * 7 + ["h"]
    assert [document.failure and document.failure.kind for document in documents] == [None] * 7 + ["unreadable_source"]


def test_a_name_that_is_not_utf_8_leads_back_to_its_file(isolation: Isolation, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xfcller.txt")).write_bytes(b"x" * (1024 * 1024 + 1))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xfc%41.txt")).write_bytes(b"y")
    large, small = found(isolation, tmp_path)
    assert large.uri == f"file://{tmp_path}/m%FCller.txt"
    assert large.failure is not None
    assert large.failure.kind == "too_large"
    assert small.uri == f"file://{tmp_path}/n%FC%2541.txt"
    assert read_source(small.uri, 1) == b"y"
    assert found(isolation, small.uri) == [small], "what is printed can be given again"


def test_documents_of_a_url_can_be_read_again(isolation: Isolation) -> None:
    fsspec.filesystem("memory").pipe("/box/a.txt", b"from afar")
    (document,) = found(isolation, "memory://box")
    assert read_source(document.uri, 1) == b"from afar"
