"""What a file is follows from its content; its name only tells kinds of text apart."""

import io
import zipfile

import pytest
from PIL import Image

from blocks.files import media_types
from blocks.files.media_types import delimiter_of, media_type_of


def image(form: str) -> bytes:
    written = io.BytesIO()
    Image.new("L", (8, 8)).save(written, form)
    return written.getvalue()


def archive(*names: str, mimetype: str = "") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as opened:
        if mimetype:
            opened.writestr("mimetype", mimetype)
        for name in names:
            opened.writestr(name, "x")
    return written.getvalue()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("PNG", media_types.PNG),
        ("JPEG", media_types.JPEG),
        ("TIFF", media_types.TIFF),
        ("GIF", media_types.GIF),
        ("WEBP", media_types.WEBP),
        ("BMP", media_types.BMP),
    ],
)
def test_images_whatever_they_are_called(form: str, expected: str) -> None:
    assert media_type_of(image(form), "invoice.pdf") == expected


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"%PDF-1.7\n...", "scan.txt", media_types.PDF),
        (b"\n\n junk before %PDF-1.4", "x", media_types.PDF),
        (b"", "x.pdf", media_types.EMPTY),
        (b"Dear Sir,\nplease pay.\n", "letter", media_types.TEXT),
        (b"# Title\ntext", "notes.md", media_types.MARKDOWN),
        (b"# Title\ntext", "notes.txt", media_types.TEXT),
        (b"<!DOCTYPE html><p>x", "x.txt", media_types.HTML),
        (b"<!-- made by hand --><html><body>x", "", media_types.HTML),
        (b"<?xml version='1.0'?><Invoice/>", "a.xml", "application/xml"),
        (b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nhello", "x.txt", media_types.EML),
        (b"From a@b Mon\nReceived: by x\nSubject: y\n\nz", "", media_types.EML),
        (b"Subject: my card\n\nIt does not work.", "ticket.txt", media_types.TEXT),
        (b"Total: 9.00\nDate: 2020-01-01\n\nThanks", "receipt.txt", media_types.TEXT),
        (b'{"a": 1}\n{"a": 2}\n', "x", media_types.JSONL),
        (b'{"a": 1}', "x.jsonl", media_types.JSONL),
        (b'{\n "a": 1\n}', "x.jsonl", "application/json"),
        (b"a,b\n1,2\n3,4\n", "x", media_types.CSV),
        (b"a,b\n1,2\n3,4\n", "x.txt", media_types.TEXT),
        (b"a\tb\n1\t2\n3\t4\n", "x.tsv", media_types.CSV),
        ("größe;preis\n1;2\n3;4\n".encode("utf-16"), "x", media_types.CSV),
        ("Grüße aus Köln, bis bald".encode("latin-1"), "x", media_types.TEXT),
        (b"{\\rtf1 x}", "x.docx", "application/rtf"),
        (b"%!PS-Adobe-3.0", "x.pdf", "application/postscript"),
        (b"MZ\x90\x00", "x.pdf", "application/x-msdownload"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "WordDocument".encode("utf-16-le"),
            "",
            "application/msword",
        ),
        (bytes(range(256)) * 4, "x.pdf", media_types.BINARY),
    ],
)
def test_kinds(content: bytes, name: str, expected: str) -> None:
    assert media_type_of(content, name) == expected


def test_archives_by_what_is_in_them() -> None:
    assert media_type_of(archive("[Content_Types].xml", "word/document.xml"), "x.zip") == media_types.DOCX
    assert "spreadsheetml" in media_type_of(archive("xl/workbook.xml"), "x.docx")
    assert media_type_of(archive(mimetype="application/epub+zip"), "") == "application/epub+zip"
    assert media_type_of(archive("a.txt"), "a.docx") == "application/zip"
    damaged = archive("word/document.xml")[:-10]
    assert media_type_of(damaged, "") == media_types.DOCX


def test_the_delimiter_that_the_lines_agree_on() -> None:
    assert delimiter_of("name;amount\nMeier, Karl;1,50\nSchmidt, Eva;2,50\n") == ";"
    assert delimiter_of("one column\nof text\n") == ","
