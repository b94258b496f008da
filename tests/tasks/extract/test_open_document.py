"""OpenDocument texts and presentations: what a reader sees, in order."""

import io
import zipfile

import pytest
from PIL import Image

from blocks.errors import Corrupt, Empty, Encrypted, TooManyPages
from blocks.files.recognition import media_type_of
from blocks.records import Extraction
from tasks.extract import open_document
from tasks.extract.reading import unpack

ODT = "application/vnd.oasis.opendocument.text"
SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
    for name, full in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "manifest": "manifest",
    }.items()
)
LINKS = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
ARGUMENTS = {"media_type": ODT, "max_pages": 10}


def document(body: str, styles: str = "", members: dict[str, bytes] | None = None, media_type: str = ODT) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("mimetype", media_type)
        archive.writestr("content.xml", f"<office:document-content {SPACES} {LINKS}>{body}</office:document-content>")
        archive.writestr("styles.xml", f"<office:document-styles {SPACES}>{styles}</office:document-styles>")
        for name, content in (members or {}).items():
            archive.writestr(name, content)
    return written.getvalue()


def read(content: bytes) -> Extraction:
    return Extraction.model_validate_json(unpack(open_document.read(content, ARGUMENTS))[1])


def test_paragraphs_tables_spaces_and_pages_in_order() -> None:
    row = "<table:table-row>{}</table:table-row>"
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    content = document(
        "<office:body><text:h>Invoice</text:h><text:p>No<text:tab/>INV-1<text:s text:c='2'/>of   today"
        "<text:line-break/>second <text:span>line</text:span></text:p><table:table>"
        + row.format(cell.format("Item") + cell.format("Price"))
        + row.format(cell.format("Pen") + cell.format("3.00"))
        + "</table:table><text:p>end<text:soft-page-break/>of it</text:p></office:body>",
        "<style:header><text:p>ACME</text:p></style:header><style:footer><text:p>IBAN</text:p></style:footer>",
    )
    assert media_type_of(content) == ODT
    assert [page.text for page in read(content).pages] == [
        "ACME\nInvoice\nNo  INV-1  of today\nsecond line\nItem  Price\nPen  3.00\nend",
        "of it\nIBAN",
    ]


def test_notes_come_last_and_what_is_not_shown_is_left_out() -> None:
    extraction = read(
        document(
            "<style:style style:name='H'><style:text-properties text:display='none'/></style:style>"
            "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
            "<text:p>Body<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>due</text:p>"
            "</text:note-body></text:note><office:annotation><text:p>a comment</text:p></office:annotation> of it"
            "<text:span text:style-name='H'>unseen</text:span></text:p><text:p text:style-name='H'>secret</text:p>"
        )
    )
    assert extraction.visible_text == "Body of it\ndue"
    assert extraction.hidden_text == "unseen\nsecret"


def test_a_text_box_a_scan_and_slides() -> None:
    picture = io.BytesIO()
    Image.new("L", (800, 600)).save(picture, "PNG")
    content = document(
        "<draw:page><draw:frame><draw:text-box><text:p>first</text:p></draw:text-box></draw:frame></draw:page>"
        "<draw:page><draw:frame><draw:image xlink:href='scan.png'/></draw:frame><text:p>second</text:p></draw:page>",
        members={"scan.png": picture.getvalue()},
    )
    packed = open_document.read(content, ARGUMENTS)
    assert unpack(packed)[0].ocr_pages == (3,)
    with pytest.raises(TooManyPages, match="3 pages"):
        open_document.read(content, ARGUMENTS | {"max_pages": 2})
    assert [page.text for page in read(content).pages] == ["first", "second", ""]


def test_empty_encrypted_and_broken_documents() -> None:
    with pytest.raises(Empty):
        read(document(""))
    manifest = f"<manifest:manifest {SPACES}><manifest:encryption-data/></manifest:manifest>".encode()
    with pytest.raises(Encrypted):
        read(document("<text:p>x</text:p>", members={"META-INF/manifest.xml": manifest}))
    with pytest.raises(Corrupt):
        read(document("<text:p>"))
    with pytest.raises(Corrupt):
        read(b"PK\x03\x04")


def test_an_entity_is_not_expanded() -> None:
    entity = f"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><x {SPACES}><text:p>a &e; b</text:p></x>"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("content.xml", entity)
    assert read(written.getvalue()).visible_text.split() == ["a", "b"]
