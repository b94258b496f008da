"""Archives, mailboxes and PDFs with files in them are opened, within limits."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from pydantic import SecretStr

from blocks.errors import Corrupt
from blocks.files.media_types import CSV
from blocks.isolation.isolation import Isolation
from blocks.records import DiscoveredDocument
from blocks.settings import Settings
from tasks.discover import containers, tables
from tasks.discover import discover as discover_module
from tasks.discover.discover import discover
from tests.doubles.drawn_pdf import drawn_pdf, text_page

SETTINGS = Settings(processes=1, max_container_mb=20, passwords=(SecretStr("sesame"),))


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    opened = Isolation(SETTINGS)
    yield opened
    opened.close()


def found(isolation: Isolation, source: Path) -> list[DiscoveredDocument]:
    return list(discover([str(source)], SETTINGS, isolation=isolation))


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return written.getvalue()


def pdf_with(**files: bytes) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(drawn_pdf(text_page("the cover"))))
    for name, content in files.items():
        writer.add_attachment(name.replace("_", "."), content)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_the_files_of_an_archive_are_documents_and_the_archive_is_not(
    isolation: Isolation, tmp_path: Path, method: int
) -> None:
    files = {"a/one.pdf": b"%PDF-1.4 one", "a/": b"", "two.txt": b"two", "__MACOSX/._two.txt": b"x", "~$two.docx": b"y"}
    (tmp_path / "z.zip").write_bytes(archive(files, method))
    outer, one, two = found(isolation, tmp_path)
    assert not outer.is_member
    assert (one.media_type, one.content, one.part) == ("application/pdf", b"%PDF-1.4 one", "file:1")
    assert (two.media_type, two.content, two.uri) == ("text/plain", b"two", f"{outer.uri}#file=2:two.txt")


def test_a_member_whose_name_goes_through_its_own_or_the_parent_folder_is_not_hidden(
    isolation: Isolation, tmp_path: Path
) -> None:
    names = ("./a.txt", "../b.txt", "..\\c.txt", "/etc/d.txt", "C:\\e.txt")
    files = {name: name.encode() for name in names}
    (tmp_path / "z.zip").write_bytes(archive(files | {"./.hidden.txt": b"x", "..\\~$b.docx": b"x"}))
    _, *members = found(isolation, tmp_path)
    assert [member.content for member in members] == [name.encode() for name in names]


def test_containers_within_containers_have_a_bottom(isolation: Isolation, tmp_path: Path) -> None:
    inner = archive({"core.txt": b"x"})
    for _ in range(discover_module.MAX_DEPTH + 1):
        inner = archive({"inner.zip": inner})
    (tmp_path / "z.zip").write_bytes(inner)
    *opened, last = found(isolation, tmp_path)
    assert len(opened) == discover_module.MAX_DEPTH
    assert not any(document.is_member for document in opened)
    assert last.failure is not None
    assert last.failure.kind == "too_many_parts"


def test_an_archive_that_is_too_large_unpacked_has_failed(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(archive({"zeros": bytes(21 * 2**20)}))
    (document,) = found(isolation, tmp_path)
    assert document.failure is not None
    assert document.failure.kind == "too_large"
    assert "WINNOW_MAX_CONTAINER_MB" in document.failure.message


def test_a_file_that_may_be_a_bomb_fails_alone(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(archive({"zeros": bytes(12 * 2**20), "b.txt": b"fine"}))
    _, bomb, fine = found(isolation, tmp_path)
    assert bomb.failure is not None
    assert (bomb.failure.kind, bomb.content, fine.failure) == ("corrupt", b"", None)


def test_a_damaged_file_fails_alone(isolation: Isolation, tmp_path: Path) -> None:
    content = archive({"a.txt": b"to be broken", "b.txt": b"fine"}, zipfile.ZIP_STORED).replace(b"to be", b"to BE")
    (tmp_path / "z.zip").write_bytes(content)
    _, broken, fine = found(isolation, tmp_path)
    assert broken.failure is not None
    assert (broken.failure.kind, fine.content) == ("corrupt", b"fine")


def test_an_archive_with_a_file_without_a_name_is_corrupt(isolation: Isolation, tmp_path: Path) -> None:
    nameless = archive({"nameless": b"x"}).replace(b"nameless", b"\0ameless")  # a name ends at its first zero
    (tmp_path / "z.zip").write_bytes(nameless)
    (document,) = found(isolation, tmp_path)
    assert document.failure is not None
    assert document.failure.kind == "corrupt"


def test_an_archive_without_files_has_failed(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(archive({}))
    (document,) = found(isolation, tmp_path)
    assert document.is_member
    assert document.failure is not None
    assert document.failure.kind == "empty"


def test_parts_come_in_pieces_and_have_a_limit(
    isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number}.txt": f"file number {number}".encode() for number in range(9)}
    (tmp_path / "z.zip").write_bytes(archive(files))
    monkeypatch.setattr(discover_module, "PARTS_AT_ONCE_BYTES", 30)
    assert [document.content for document in found(isolation, tmp_path)[1:]] == list(files.values())
    monkeypatch.setattr(discover_module, "MAX_PARTS", 8)
    assert found(isolation, tmp_path)[-1].failure is not None


def test_the_mails_of_a_mailbox_are_documents(isolation: Isolation, tmp_path: Path) -> None:
    mail = "From sender Wed Mar 12 09:00:00 2025\nFrom: a@b.c\nTo: d@e.f\nSubject: {}\n\nbody of {}\n\n"
    (tmp_path / "m.mbox").write_text(mail.format("one", "one") + mail.format("two", "two"))
    outer, one, two = found(isolation, tmp_path)
    assert not outer.is_member
    assert [document.media_type for document in (outer, one, two)] == ["application/mbox"] + 2 * ["message/rfc822"]
    assert one.content == b"From: a@b.c\nTo: d@e.f\nSubject: one\n\nbody of one"
    assert two.part == "mail:2"


def test_files_in_a_pdf_are_documents_but_not_an_electronic_invoices_data(isolation: Isolation, tmp_path: Path) -> None:
    content = pdf_with(bill_txt=b"the bill", factur_xml=b"<?xml version='1.0'?><x/>", more_zip=archive({"c.txt": b"c"}))
    (tmp_path / "p.pdf").write_bytes(content)
    cover, bill, packed, inner = found(isolation, tmp_path)
    assert cover.is_member
    assert (bill.content, bill.part) == (b"the bill", "attachment:1")
    assert bill.uri == f"{cover.uri}#attachment=1:bill.txt"
    assert not packed.is_member
    assert inner.content == b"c"


def test_a_pdf_that_names_files_and_is_broken_is_left_to_extract(isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "p.pdf").write_bytes(b"%PDF-1.4 /EmbeddedFile")
    (document,) = found(isolation, tmp_path)
    assert (document.failure, document.is_member) == (None, True)


def test_the_rows_before_a_place_where_a_table_breaks_off_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_CELL_CHARACTERS", 1_000)
    broken = "n,text\n" + "".join(f"{n},{'x' * 90}\n" for n in range(5)) + f"6,{'y' * 2_000}\n"
    asked = {"media_type": CSV, "column": "text", "start": 1, "max_bytes": 400}
    head, _, _ = containers.rows(broken.encode(), asked).partition(b"\n")
    first = json.loads(head)
    assert (len(first["parts"]), first["go_on_at"]) == (4, 5)
    with pytest.raises(Corrupt):
        containers.rows(broken.encode(), asked | {"start": 5})
