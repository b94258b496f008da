"""Presentations: a page per slide, from top to bottom, with tables and notes."""

import io

import pptx
import pytest
from PIL import Image
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml.ns import qn
from pptx.util import Inches

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.media_types import PPTX
from blocks.files.pages import GrayImage
from blocks.files.recognition import media_type_of
from blocks.records import Extraction
from tasks.extract import slides
from tasks.extract.reading import unpack

ARGUMENTS = {"media_type": PPTX, "max_pages": 10, "max_megapixels": 10, "max_pixels": 10**6}


def picture(width: int, height: int) -> io.BytesIO:
    written = io.BytesIO()
    Image.new("L", (width, height), 128).save(written, "PNG")
    written.seek(0)
    return written


def presentation() -> bytes:
    opened = pptx.Presentation()
    first, second, hidden = (opened.slides.add_slide(opened.slide_layouts[6]) for _ in range(3))
    first.shapes.add_textbox(0, Inches(3), Inches(2), Inches(1)).text_frame.text = "below"
    first.shapes.add_textbox(0, Inches(1), Inches(2), Inches(1)).text_frame.text = "above"
    group = first.shapes.add_group_shape()
    group.shapes.add_textbox(0, Inches(2), Inches(2), Inches(1)).text_frame.text = "grouped"
    first.notes_slide.notes_text_frame.text = "a note"
    table = second.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for row, cells in enumerate((("Item", "Price"), ("Pen", "3.00"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    second.shapes.add_picture(picture(100, 50), 0, Inches(2))
    second.shapes.add_picture(picture(800, 600), 0, Inches(3))
    hidden.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame.text = "never shown"
    hidden._element.set("show", "0")
    written = io.BytesIO()
    opened.save(written)
    return written.getvalue()


def test_slides_tables_notes_and_scans() -> None:
    content = presentation()
    assert media_type_of(content) == PPTX
    packed = slides.read(content, ARGUMENTS)
    extraction = Extraction.model_validate_json(unpack(packed)[1])
    assert [page.text for page in extraction.pages] == [
        "above\ngrouped\nbelow\na note",
        "Item  Price\nPen  3.00",
        "",
        "",
    ]
    assert extraction.hidden_text == "never shown"
    assert unpack(packed)[0].ocr_pages == (4,)
    drawn = GrayImage.unpack(slides.render(content, ARGUMENTS | {"page": 4}))
    assert (drawn.width, drawn.height) == (800, 600)
    with pytest.raises(TooManyPages, match="4 pages"):
        slides.read(content, ARGUMENTS | {"max_pages": 3})


def test_a_picture_that_is_only_linked_leaves_the_text_readable() -> None:
    opened = pptx.Presentation()
    slide = opened.slides.add_slide(opened.slide_layouts[6])
    slide.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame.text = "Invoice 4711"
    [blip] = slide.shapes.add_picture(picture(800, 600), 0, Inches(2))._element.iter(qn("a:blip"))
    linked = slide.part.relate_to("file:///C:/scan.png", RELATIONSHIP_TYPE.IMAGE, is_external=True)
    del blip.attrib[qn("r:embed")]
    blip.set(qn("r:link"), linked)
    written = io.BytesIO()
    opened.save(written)
    extraction = Extraction.model_validate_json(unpack(slides.read(written.getvalue(), ARGUMENTS))[1])
    assert [page.text for page in extraction.pages] == ["Invoice 4711"]


def test_no_slides_and_no_presentation() -> None:
    written = io.BytesIO()
    pptx.Presentation().save(written)
    with pytest.raises(Empty):
        slides.read(written.getvalue(), ARGUMENTS)
    with pytest.raises(Corrupt):
        slides.read(b"PK\x03\x04", ARGUMENTS)
