"""Words are looked at on the drawn page only where something can keep them from sight."""

import ctypes
from collections.abc import Callable

import pypdfium2.raw as pdfium
import pytest
from PIL import Image
from reportlab.lib.colors import Color
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from blocks.files.pdf_pages import frame_of, load_page, open_pdf
from tasks.extract import pdf_covers
from tasks.extract.pdf_covers import covered_words, fill_colour, gray_of
from tasks.extract.pdf_visibility import _TEXT_OBJECT
from tasks.extract.pdf_words import words_of
from tests.doubles.drawn_pdf import drawn_pdf

PICTURE = ImageReader(Image.new("L", (60, 80), 200))


def suspects(draw: Callable[[Canvas], object], ink: int = 0) -> list[str]:
    with open_pdf(drawn_pdf(draw), ()) as document, load_page(document, 1) as page:
        handle = pdfium.FPDFText_LoadPage(page)
        try:
            frame = frame_of(page)
            words = words_of(handle, frame)
            address = ctypes.cast(handle, ctypes.c_void_p).value
            objects = [_TEXT_OBJECT(address, first) for first in words.firsts.tolist()]
            found = covered_words(page, words, objects, lambda _: ink, frame)[0]
            return words.where(found).texts
        finally:
            pdfium.FPDFText_ClosePage(handle)


def text(canvas: Canvas) -> None:
    canvas.drawString(50, 700, "first")
    canvas.drawString(50, 600, "second")


def box(canvas: Canvas, y: float, *, gray: float = 1.0, height: float = 30, fill: int = 1, stroke: int = 0) -> None:
    canvas.setFillGray(gray)
    canvas.rect(40, y, 100, height, fill=fill, stroke=stroke)
    canvas.setFillGray(0)


def test_bare_text_is_above_suspicion() -> None:
    assert suspects(text) == []


def test_what_is_painted_later_may_cover_what_it_lies_on() -> None:
    def draw(canvas: Canvas) -> None:
        text(canvas)
        box(canvas, 690)

    assert suspects(draw) == ["first"]


def test_what_is_painted_before_covers_nothing_unless_it_has_the_inks_colour() -> None:
    def draw(canvas: Canvas) -> None:
        box(canvas, 690, gray=0.2)
        text(canvas)

    assert suspects(draw, ink=0) == []
    assert suspects(draw, ink=51) == ["first"]
    assert suspects(draw, ink=51 + 47) == ["first"]
    assert suspects(draw, ink=51 + 48) == []


@pytest.mark.parametrize(("height", "expected"), [(2.0, []), (4.0, ["first"])])
def test_rules_and_underlines_cover_nothing(height: float, expected: list[str]) -> None:
    def draw(canvas: Canvas) -> None:
        text(canvas)
        box(canvas, 702, height=height)

    assert suspects(draw) == expected


def test_an_outline_covers_nothing() -> None:
    def draw(canvas: Canvas) -> None:
        text(canvas)
        box(canvas, 690, fill=0, stroke=1)

    assert suspects(draw) == []


def test_an_image_and_a_form_that_paints_may_cover_and_a_form_of_text_does_not() -> None:
    def image(canvas: Canvas) -> None:
        text(canvas)
        canvas.drawImage(PICTURE, 40, 690, 100, 30)

    def form(painter: Callable[[Canvas], object]) -> Callable[[Canvas], object]:
        def draw(canvas: Canvas) -> None:
            text(canvas)
            canvas.beginForm("over")
            painter(canvas)
            canvas.endForm()
            canvas.doForm("over")

        return draw

    assert suspects(image) == ["first"]
    assert suspects(form(lambda canvas: canvas.rect(40, 690, 100, 30, fill=1))) == ["first"]
    assert suspects(form(lambda canvas: canvas.drawString(52, 700, "x", mode=1))) == []


@pytest.mark.parametrize(("y", "expected"), [(690, ["second"]), (590, ["first"])])
def test_text_whose_middle_lies_outside_its_clip_may_be_unseen(y: float, expected: list[str]) -> None:
    def draw(canvas: Canvas) -> None:
        clip = canvas.beginPath()
        clip.rect(40, y, 200, 30)
        canvas.clipPath(clip, stroke=0)
        text(canvas)

    assert suspects(draw) == expected


def test_the_last_of_very_many_objects_still_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_covers, "EXAMINED", 5)

    def draw(canvas: Canvas) -> None:
        text(canvas)
        for number in range(30):
            canvas.line(300, 100 + number, 400, 100 + number)
        box(canvas, 590)

    assert suspects(draw) == ["second"]


def test_where_there_are_too_many_pairs_every_word_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_covers, "MAX_PAIRS", 1)

    def draw(canvas: Canvas) -> None:
        text(canvas)
        box(canvas, 100)

    assert suspects(draw) == ["first", "second"]


def test_the_colour_that_an_object_is_filled_with() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColor(Color(1, 0.5, 0))
        canvas.setFillAlpha(0.5)
        canvas.drawString(50, 700, "x")

    with open_pdf(drawn_pdf(draw), ()) as document, load_page(document, 1) as page:
        found = pdfium.FPDFPage_GetObject(page, 0)
        colour = fill_colour(ctypes.cast(found, ctypes.c_void_p).value or 0)
    assert colour is not None
    assert colour[0] == 255
    assert colour[1] in (127, 128)
    assert colour[2] == 0
    assert colour[3] in (127, 128)


def test_green_is_lighter_than_red_and_red_than_blue() -> None:
    assert [gray_of((255, 0, 0, 255)), gray_of((0, 255, 0, 255)), gray_of((0, 0, 255, 255))] == [76, 149, 29]
    assert gray_of((255, 255, 255, 0)) == 255
