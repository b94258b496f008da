"""Formats that are text by nature: what a reader sees, in order, and what is hidden from one."""

import io
from collections.abc import Callable
from functools import partial

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement
from docx.oxml.ns import nsmap
from docx.shared import Pt, RGBColor
from PIL import Image

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.media_types import DOCM, DOCX
from blocks.files.pages import GrayImage
from blocks.files.recognition import media_type_of
from blocks.records import Extraction
from tasks.extract import html, mail, plain_text, word_document
from tasks.extract.reading import unpack

WORD = {"media_type": DOCX, "max_pages": 10}


def opened(packed: bytes) -> Extraction:
    return Extraction.model_validate_json(unpack(packed)[1])


def read_docx(build: Callable[..., object]) -> Extraction:
    document = docx.Document()
    build(document)
    written = io.BytesIO()
    document.save(written)
    return opened(word_document.read(written.getvalue(), WORD))


def read_html(markup: str) -> Extraction:
    return opened(html.read(markup.encode(), {}))


def read_mail(text: str | bytes) -> Extraction:
    return opened(mail.read(text.encode() if isinstance(text, str) else text, {}))


def test_text_keeps_its_lines_and_form_feeds_part_pages() -> None:
    extraction = opened(plain_text.read(b"one\r\ntwo\x00\n\fthree\n", {"media_type": "text/plain"}))
    assert [page.text for page in extraction.pages] == ["one\ntwo\n", "three\n"]
    with pytest.raises(Empty):
        plain_text.read(b" \n\t\n", {"media_type": "text/plain"})


def test_docx_has_paragraphs_and_tables_in_order_between_header_and_footer() -> None:
    def build(document) -> None:  # type: ignore[no-untyped-def]
        document.sections[0].header.paragraphs[0].text = "ACME"
        document.sections[0].footer.paragraphs[0].text = "Page 1"
        document.add_paragraph("Before")
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("Item", "Price", "Pen", "3.00"), strict=True):
            cell.text = text
        document.add_paragraph("After")

    assert read_docx(build).pages[0].text == "ACME\nBefore\nItem  Price\nPen  3.00\nAfter\nPage 1"


def test_docx_pages_and_hidden_text() -> None:
    def build(document) -> None:  # type: ignore[no-untyped-def]
        paragraph = document.add_paragraph("Seen ")
        paragraph.add_run("vanished").font.hidden = True
        paragraph.add_run("white").font.color.rgb = RGBColor(255, 255, 255)
        paragraph.add_run("tiny").font.size = Pt(1)
        paragraph.add_run().add_break(WD_BREAK.PAGE)
        paragraph.add_run("Second page")

    extraction = read_docx(build)
    assert [page.text for page in extraction.pages] == ["Seen ", "Second page"]
    assert extraction.hidden_text == "vanished\nwhite\ntiny"


def test_docx_has_what_was_inserted_and_not_what_was_deleted() -> None:
    def build(document) -> None:  # type: ignore[no-untyped-def]
        paragraph = document.add_paragraph("Price: ")
        for tag, text in (("w:del", "10"), ("w:ins", "12")):
            change = OxmlElement(tag)
            change.append(paragraph.add_run(text)._r)
            paragraph._p.append(change)

    assert read_docx(build).pages[0].text == "Price: 12"


def test_docx_has_the_headers_that_word_shows() -> None:
    def build(document, *, first: bool = True, even: bool = True) -> None:  # type: ignore[no-untyped-def]
        section = document.sections[0]
        section.different_first_page_header_footer = first
        document.settings.odd_and_even_pages_header_footer = even
        for part, text in (
            (section.header, "every page"),
            (section.first_page_header, "No INV-1"),
            (section.even_page_footer, "IBAN"),
        ):
            part.paragraphs[0].text = text
        document.add_paragraph("Body")

    assert read_docx(build).pages[0].text == "No INV-1\nevery page\nBody\nIBAN"
    assert read_docx(partial(build, first=False, even=False)).pages[0].text == "every page\nBody"


def test_docx_has_footnotes() -> None:
    def build(document) -> None:  # type: ignore[no-untyped-def]
        document.add_paragraph("Body")
        notes = (
            f'<w:footnotes xmlns:w="{nsmap["w"]}"><w:footnote w:type="separator"><w:p><w:r><w:t>-</w:t></w:r></w:p>'
            "</w:footnote><w:footnote><w:p><w:r><w:t>Due on 3 May</w:t></w:r></w:p></w:footnote></w:footnotes>"
        )
        part = Part(PackURI("/word/footnotes.xml"), "application/xml", notes.encode(), document.part.package)
        document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)

    assert read_docx(build).pages[0].text == "Body\nDue on 3 May"


def test_a_scan_in_a_docx_is_a_page_for_ocr_and_a_logo_is_not() -> None:
    document = docx.Document()
    document.add_paragraph("See the scan")
    for size in ((200, 80), (600, 800)):
        picture = io.BytesIO()
        Image.new("L", size, 180).save(picture, "PNG")
        document.add_picture(picture)
    written = io.BytesIO()
    document.save(written)
    packed = word_document.read(written.getvalue(), WORD)
    assert unpack(packed)[0].ocr_pages == (2,)
    assert [(page.method, page.text) for page in opened(packed).pages] == [("parsed", "See the scan"), ("ocr", "")]
    arguments = WORD | {"page": 2, "max_pixels": 10**6, "max_megapixels": 1}
    drawn = GrayImage.unpack(word_document.render(written.getvalue(), arguments))
    assert (drawn.width, drawn.height) == (600, 800)
    with pytest.raises(Corrupt):
        word_document.render(written.getvalue(), arguments | {"page": 1})
    with pytest.raises(TooManyPages, match="2 pages"):
        word_document.read(written.getvalue(), WORD | {"max_pages": 1})


def test_a_document_with_macros_is_read() -> None:
    written = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("With macros")
    document.part._content_type = "application/vnd.ms-word.document.macroEnabled.main+xml"
    document.save(written)
    assert media_type_of(written.getvalue()) == DOCM
    assert opened(word_document.read(written.getvalue(), WORD | {"media_type": DOCM})).pages[0].text == "With macros"


def test_a_file_that_only_looks_like_docx_is_corrupt() -> None:
    for media_type in (DOCX, DOCM):
        with pytest.raises(Corrupt, match=media_type):
            word_document.read(b"PK\x03\x04 nothing", WORD | {"media_type": media_type})


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("\f", " "),
        ("&#12;", " "),
        ("&#x0b;", ""),
        ("&#1", ""),
        ("&#xFFFE;", "-"),
        ("&#8364;", "€"),
        ("&#00000000065;", "A"),
    ],
)
@pytest.mark.parametrize("markup", ["<p>a<!-- c -->b{}c</p>", "<p>a<input value='b{}c'></p>", "<p>a<b>b{}c</b></p>"])
def test_html_with_characters_that_no_xml_holds(markup: str, written: str, text: str) -> None:
    assert read_html(markup.format(written)).visible_text.replace("a ", "a") == f"ab{text}c"


@pytest.mark.parametrize("large", ["<img src='data:image/png;base64,{}'>", "<script>{}</script>", "<p hidden>{}</p>"])
def test_html_goes_on_behind_something_large(large: str) -> None:
    markup = f"<html><p>Invoice 7</p>{large.format('A' * 11_000_000)}<p>Total 12.00</p>"
    assert read_html(markup).visible_text.split("\n") == ["Invoice 7", "", "Total 12.00"]


def test_html_keeps_rows_and_leaves_out_what_is_not_shown() -> None:
    extraction = read_html(
        "<html><head><title>Offer</title><style>.x{display:none} @media print {.y{display:none}}</style></head><body>"
        "<script>var a = 1</script><!-- a comment --><p>Hello</p>"
        "<table><tr><td>Pen</td><td>3.00</td></tr><tr><td>Lamp</td><td>40.00</td></tr></table>"
        "<p style='display: none'>one</p><p class='x'>two</p><p class='y'>shown</p><p hidden>three</p>"
        "<span style='color:#ffffff'>four</span><span style='font-size:0'>five</span> tail"
        "<div style='background:#000'><b style='color:#fff'>white on black</b></div></body></html>"
    )
    page = extraction.pages[0]
    assert page.hidden_text == "one\ntwo\nthree\nfour\nfive"
    for gone in ("var a", "comment", "Offer", "one", "two"):
        assert gone not in page.text
    for seen in ("Hello", "shown", "tail", "white on black"):
        assert seen in page.text
    assert [line.split() for line in page.text.splitlines() if "Pen" in line or "Lamp" in line] == [
        ["Pen", "3.00"],
        ["Lamp", "40.00"],
    ]
    assert extraction.attributes == {"title": "Offer"}


@pytest.mark.parametrize(
    "opening",
    [
        "<p style='position:absolute; left:-9999px'>",
        "<p style='font-size:1px'>",
        "<p style='font-size:.5px'>",
        "<p style='height:0;overflow:hidden'>",
        "<p style='max-height: 0px; overflow-y: hidden'>",
        "<font color=white>",
        "<font color='#FFFFFF'>",
        "<p style='color:#123456;background:#123456'>",
        "<p style='background-color:rgb(0, 0, 0)'><b style='color:black'>",
        "<p style='color:rgba(0,0,0,0)'>",
        "<div style='background:#ffffff'><p style='background:none;color:#fff'>",
        "<p style='transform:scale(0)'>",
        "<p style='opacity:0'>",
        "<p style='opacity: .01;'>",
    ],
)
def test_html_that_hides_text(opening: str) -> None:
    page = read_html(f"<html><body><p>seen</p>{opening}approve this").pages[0]
    assert (page.text.strip(), page.hidden_text) == ("seen", "approve this")


@pytest.mark.parametrize(
    "opening",
    [
        "<p style='position:absolute; left:-5px'>",
        "<p style='font-size:10px'>",
        "<p style='font-size:1.2em'>",
        "<p style='font-size:0.9em'>",
        "<p style='min-height:0;overflow:hidden'>",
        "<p style='line-height:0;height:0.5em;overflow:hidden'>",
        "<table bgcolor='#003366'><tr><td><font color=white>",
        "<p style='background:#fff;color:#000'>",
        "<p style='color:rgba(0,0,0,0.8)'>",
        "<p style='transform:scale(0.9)'>",
        "<p style='opacity:0.6'>",
        "<p style='fill-opacity:0'>",
        "<p style='border-color:#fff'>",
    ],
)
def test_html_that_only_looks_like_hiding(opening: str) -> None:
    page = read_html(f"<html><body><p>seen</p>{opening}please pay").pages[0]
    assert page.hidden_text == ""
    assert "please pay" in page.text


def test_html_shows_what_its_form_fields_hold() -> None:
    page = read_html(
        "<form>Number: <input value='INV-8300'> Date: <input type=date value='2025-03-12'>"
        "<input type=hidden value='token'><input type=password value='secret'> Paid: <input type=checkbox checked>"
        "<select><option>EUR</option><option selected>GBP</option></select>"
        "<select><option>first</option><option>second</option></select><textarea>a note</textarea>"
        "<input style='display:none' value='unseen'></form>"
    ).pages[0]
    assert " ".join(page.text.split()) == "Number: INV-8300 Date: 2025-03-12 Paid: [x] GBP first a note"
    assert page.hidden_text == "unseen"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>of <span>1,4</span><span>88.00</span> GBP</p>", "of 1,488.00 GBP"),
        ("<p class=total>of <span class=big style='font-size:20px'>1,4</span><span>88.00</span></p>", "of 1,488.00"),
        ("<p><span>Total</span> <span>88.00</span></p>", "Total 88.00"),
        ("<p><b>1,4</b><i>88.00</i></p>", "1,488.00"),
        ("<div>Total</div><div>88.00</div>", "Total\n88.00"),
        ("<p><span style='display:inline-block'>2</span><span style='float:right'>88.00</span></p>", "2 88.00"),
        ("<div style='display:flex'><span>2</span><span>88.00</span></div>", "2 88.00"),
        ("<style>.row{display:flex}</style><div class=row><span>2</span><span>88.00</span></div>", "2 88.00"),
        ("<p>Name<input value='Ada'>Age<input value='36'></p>", "Name Ada Age 36"),
        ("<p>£1,240<sup>00</sup></p>", "£1,240.00"),
        ("<p>1.240<sup>00</sup> €</p>", "1.240,00 €"),
        ("<p><b>49</b><sup>99</sup></p>", "49.99"),
        ("<p>1,240.50<sup>12</sup></p>", "1,240.50 12"),
        ("<p>1,240<sup>1</sup></p>", "1,240 1"),
        ("<p>10<sup>12</sup> m<sup>2</sup></p>", "10 12 m2"),
    ],
)
def test_html_parts_words_where_a_browser_does(markup: str, text: str) -> None:
    shown = read_html(f"<html><body>{markup}</body></html>").pages[0].text
    assert [line.strip() for line in shown.splitlines()] == text.splitlines()


def test_html_is_decoded_as_it_declares_or_as_it_is() -> None:
    declared = "<meta charset='iso-8859-1'><p>Größe</p>".encode("latin-1")
    assert opened(html.read(declared, {})).pages[0].text == "Größe"
    wrong = "<meta charset='utf-8'><p>Größe der Straße in Köln</p>".encode("cp1252")
    assert "Größe" in opened(html.read(wrong, {})).pages[0].text


MULTIPART = """From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>
To: b@example.org
Subject: Your order
Date: Mon, 2 Mar 2020 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: multipart/alternative; boundary="y"

--y
Content-Type: text/plain; charset=utf-8

The plain text of this mail, long enough.
--y
Content-Type: text/html; charset=utf-8

<p>The HTML of this mail</p>
--y--
--x
Content-Type: text/plain; name="notes.txt"
Content-Disposition: attachment; filename="notes.txt"

Attached words
--x--
"""


def test_a_mail_shows_headers_and_its_plain_text_without_attachments() -> None:
    extraction = read_mail(MULTIPART)
    assert extraction.pages[0].text == (
        "From: Jürgen <j@example.org>\nTo: b@example.org\nSubject: Your order\n"
        "Date: Mon, 2 Mar 2020 10:00:00 +0100\n\nThe plain text of this mail, long enough."
    )
    assert extraction.attributes["subject"] == "Your order"
    assert extraction.attributes["attachments"] == "notes.txt"


def test_the_alternative_that_says_more_is_shown() -> None:
    stub = MULTIPART.replace("The plain text of this mail, long enough.", "Please use a program that shows HTML.")
    full = stub.replace("<p>The HTML of this mail</p>", "<p>Invoice INV-1 of 12 May: please pay EUR 9.00 now</p>")
    assert read_mail(full).pages[0].text.endswith("Invoice INV-1 of 12 May: please pay EUR 9.00 now")
    same = full.replace("Please use a program that shows HTML.", "Invoice INV-1 of 12 May: pay EUR 9.00")
    assert read_mail(same).pages[0].text.endswith("pay EUR 9.00")


def test_parts_that_are_no_alternatives_are_all_shown() -> None:
    both = MULTIPART.replace("multipart/alternative", "multipart/mixed")
    assert read_mail(both).pages[0].text.endswith("long enough.\n\nThe HTML of this mail")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_raw_bytes_in_headers(encoding: str) -> None:
    raw = "From: Jürgen Müller <j@b.c>\nTo: d@e.f\nSubject: Rechnung für März\n\nbody".encode(encoding)
    assert read_mail(raw).pages[0].text.startswith("From: Jürgen Müller <j@b.c>\nTo: d@e.f\nSubject: Rechnung für März")


def test_a_mail_of_html_alone_is_read_and_its_hidden_text_reported() -> None:
    extraction = read_mail(
        "Subject: x\nFrom: a@b.c\nContent-Type: text/html\n\n<div style='display:none'>pre</div><p>Body of it</p>"
    )
    assert extraction.pages[0].text.endswith("Body of it")
    assert extraction.hidden_text == "pre"


@pytest.mark.parametrize(
    "broken",
    [
        b"Subject: x\nFrom: a\nContent-Type: multipart/mixed; boundary=nowhere\n\nstill here",
        b"Subject: =?utf-8?b?broken?=\nFrom: a\nContent-Type: text/plain; charset=nonsense\n\nstill here",
        b"Subject: x\nFrom: a\nContent-Transfer-Encoding: base64\n\nstill here!!!",
        b"\n\nSubject: x\r\nFrom: a\r\n\r\nstill here",
    ],
)
def test_a_broken_mail_is_read_as_far_as_it_goes(broken: bytes) -> None:
    extraction = read_mail(broken)
    assert "From: a" in extraction.pages[0].text
    assert extraction.pages[0].text.count("\n") >= 1
