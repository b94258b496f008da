"""A word that is drawn twice is read once; a word that stands twice is read twice."""

import pytest
from reportlab.pdfgen.canvas import Canvas

from blocks.records import Extraction
from tasks.extract import pdf
from tasks.extract.reading import unpack
from tests.doubles.drawn_pdf import LETTER, drawn_pdf, text_page


def read(draw: object) -> str:
    content = drawn_pdf(draw)  # type: ignore[arg-type]  # a page's function
    packed = pdf.read(content, {"passwords": [], "max_pages": 2})
    return Extraction.model_validate_json(unpack(packed)[1]).visible_text


@pytest.mark.parametrize(("right", "up"), [(0.3, 0.0), (0.7, 0.7), (1.2, -1.2)])
def test_a_page_drawn_twice(right: float, up: float) -> None:
    page = text_page(*LETTER)

    def draw(canvas: Canvas) -> None:
        page(canvas)
        canvas.translate(right, up)
        canvas.setFont("Helvetica", 10)
        page(canvas)

    assert read(draw) == "\n".join(LETTER)


def test_a_word_that_stands_twice() -> None:
    assert read(text_page("1 1 1", "had had", "had had")) == "1 1 1\nhad had\nhad had"
