"""epub: the chapters in the order of the spine."""

import io
import zipfile

import pytest

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.recognition import media_type_of
from blocks.records import Extraction
from tasks.extract import book
from tasks.extract.reading import unpack

EPUB = "application/epub+zip"
CONTAINER = "<container xmlns='urn:x'><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>"
PACKAGE = (
    "<package xmlns='http://www.idpf.org/2007/opf'><manifest><item id='a' href='one%20a.xhtml'/>"
    "<item id='b' href='text/two.xhtml'/></manifest><spine><itemref idref='b'/><itemref idref='a'/></spine></package>"
)


def epub(**chapters: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("mimetype", EPUB)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", PACKAGE)
        archive.writestr("OEBPS/one a.xhtml", chapters["one"])
        archive.writestr("OEBPS/text/two.xhtml", chapters["two"])
    return written.getvalue()


def read(content: bytes, max_pages: int = 5) -> Extraction:
    packed = book.read(content, {"media_type": EPUB, "max_pages": max_pages})
    return Extraction.model_validate_json(unpack(packed)[1])


def test_a_page_per_chapter_in_the_order_of_the_spine() -> None:
    content = epub(one="<?xml version='1.0'?><html><p>Größe</p></html>", two="<html><p>first</p><p hidden>x</p></html>")
    assert media_type_of(content) == EPUB
    extraction = read(content)
    assert [page.text for page in extraction.pages] == ["first", "Größe"]
    assert extraction.hidden_text == "x"


def test_a_long_chapter_is_read_to_its_end() -> None:
    between = f"<!--{'x' * 99_990}-->" * 510  # 51 MB, which a zip packs well
    assert read(epub(one="", two=f"<html><p>first</p>{between}<p>last</p>")).visible_text == "first\n\nlast"


def test_limits_and_broken_books() -> None:
    with pytest.raises(TooManyPages):
        read(epub(one="x", two="y"), max_pages=1)
    with pytest.raises(Empty):
        read(epub(one="<html/>", two="<html/>"))
    with pytest.raises(Corrupt):
        read(b"PK\x03\x04")
