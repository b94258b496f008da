"""What a file is follows from its content; its name only tells kinds of text apart."""

import io
import zipfile

import pytest
from PIL import Image

from blocks.files import media_types
from blocks.files.recognition import media_type_of
from blocks.files.text_types import delimiter_of


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
        ("AVIF", media_types.AVIF),
        ("JPEG2000", media_types.JPEG_2000),
        ("PPM", media_types.PNM),
    ],
)
def test_images_whatever_they_are_called(form: str, expected: str) -> None:
    assert media_type_of(image(form), "invoice.pdf") == expected


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"%PDF-1.7\n...", "scan.txt", media_types.PDF),
        (b"\n\n %PDF-1.4", "x", media_types.PDF),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n%PDF-1.4\n1 0 obj\n<<>>", "x", media_types.PDF),
        (b"\x00\x01\xff junk %PDF-1.4\n1 0 obj\n<<>>", "x", media_types.PDF),
        (b"The header of such files is %PDF-1.4, and then binary.", "x", media_types.TEXT),
        (b"From: a@b.c\nTo: d@e.f\nSubject: starts with %PDF-1.4\n\n%PDF-1.4\n1 0 obj", "", media_types.EML),
        (b"<html><body>%PDF-1.4<pre>1 0 obj</pre>", "", media_types.HTML),
        (b"P3 is the road that we take", "", media_types.TEXT),
        (b"P4 10 2024 was paid by transfer", "", media_types.TEXT),
        (b"P5 10 2024 255 words follow", "", media_types.TEXT),
        (b"P6 10 2024 is the number of this invoice", "", media_types.TEXT),
        (b"P4 16 2\n\xff\xff\xff\xff", "", media_types.PNM),
        (b"P5 2 2 255\nabcd", "", media_types.PNM),
        (b"P5 200 200 255\n\x00\x01\x02 cut off", "", media_types.PNM),
        (b"MZ Handels GmbH\nInvoice 7, total 10.00", "", media_types.TEXT),
        (b"MZ\x90\x00\x03\x00\x00\x00" + bytes(56), "", "application/x-msdownload"),
        (b"P2\n# by hand\n2 2\n255\n0 255\n255 0\n", "", media_types.PNM),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1heicmiaf", "", media_types.HEIC),
        (b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00isommp41mp42", "", "video/mp4"),
        (b"\x78\x9f\x3e\x22\x01\x00", "winmail.dat", "application/vnd.ms-tnef"),
        (b"\x30\x82\x10\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0", "", "application/pkcs7-mime"),
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
    assert media_type_of(archive("notes about word/document.xml.txt")[:-10], "") == media_types.ZIP


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", media_types.XLSX),
        ("application/vnd.ms-word.document.macroEnabled.main+xml", media_types.DOCM),
        ("application/vnd.ms-excel.sheet.binary.macroEnabled.main", media_types.XLSB),
    ],
)
def test_a_package_by_the_type_of_its_main_part(main: str, expected: str) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as opened:
        opened.writestr("[Content_Types].xml", f'<Types><Override PartName="/a" ContentType="{main}"/></Types>')
        opened.writestr("word/document.xml", "x")
    assert media_type_of(written.getvalue()) == expected


def test_an_archive_of_stored_pdfs_is_an_archive() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a.pdf", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj")
    assert media_type_of(written.getvalue(), "a.pdf") == media_types.ZIP


MAIL = b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nFrom here on, 2025 is better.\n\n"


def test_a_mailbox_has_more_than_one_mail() -> None:
    separator = b"From a@b.c Wed Mar 12 09:00:00 2025\n"
    assert media_type_of(separator + MAIL + separator + MAIL, "x.eml") == media_types.MBOX
    assert media_type_of(separator + MAIL, "x.mbox") == media_types.EML
    assert media_type_of(MAIL + separator + MAIL, "x.eml") == media_types.EML


def test_the_delimiter_that_the_lines_agree_on() -> None:
    assert delimiter_of("name;amount\nMeier, Karl;1,50\nSchmidt, Eva;2,50\n") == ";"
    assert delimiter_of("one column\nof text\n") == ","
