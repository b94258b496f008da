"""Which words of a page a reader sees, which none does, and which lie invisibly over an image."""

from collections.abc import Callable

import pypdfium2.raw as pdfium
import pytest
from PIL import Image
from reportlab.lib.colors import Color, black, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from blocks.files.pdf_pages import frame_of, load_page, open_pdf
from tasks.extract.pdf_visibility import image_boxes, sort_by_visibility
from tasks.extract.pdf_words import words_of
from tests.doubles.drawn_pdf import drawn_pdf

PICTURE = ImageReader(Image.new("L", (60, 80), 200))


def sorted_words(draw: Callable[[Canvas], object], **options: object) -> tuple[list[str], list[str], list[str]]:
    """The visible, the hidden and the layer's words of a page."""
    with open_pdf(drawn_pdf(draw, **options), ()) as document, load_page(document, 1) as page:
        handle = pdfium.FPDFText_LoadPage(page)
        try:
            frame = frame_of(page)
            found = sort_by_visibility(page, handle, words_of(handle, frame), frame)
        finally:
            pdfium.FPDFText_ClosePage(handle)
    return found.visible.texts, found.hidden.texts, found.layer.texts


def one(draw: Callable[[Canvas], object]) -> str:
    """Where the page's only word is."""
    kinds = [kind for kind, texts in zip(("visible", "hidden", "layer"), sorted_words(draw), strict=True) if texts]
    (kind,) = kinds
    return kind


def word(x: float = 50, y: float = 700, **options: object) -> Callable[[Canvas], None]:
    return lambda canvas: canvas.drawString(x, y, "Words", **options)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-5, 700, "visible"),
        (-60, 700, "hidden"),
        (A4[0] - 5, 700, "visible"),
        (A4[0] + 5, 700, "hidden"),
        (50, A4[1] + 10, "hidden"),
        (50, -20, "hidden"),
    ],
)
def test_words_beyond_any_edge_of_the_page_are_hidden(x: float, y: float, expected: str) -> None:
    assert one(word(x, y)) == expected


@pytest.mark.parametrize(("size", "expected"), [(1.0, "hidden"), (4.0, "visible")])
def test_tiny_print_is_hidden_and_fine_print_is_not(size: float, expected: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        word()(canvas)

    assert one(draw) == expected


@pytest.mark.parametrize(("mode", "expected"), [(0, "visible"), (1, "visible"), (3, "hidden"), (7, "hidden")])
def test_the_render_mode_decides(mode: int, expected: str) -> None:
    assert one(word(mode=mode)) == expected


@pytest.mark.parametrize(
    ("gray", "expected"), [(0.0, "visible"), (0.7, "visible"), (0.85, "visible"), (0.95, "hidden"), (1.0, "hidden")]
)
def test_light_ink_is_hidden_where_it_does_not_stand_out_from_paper(gray: float, expected: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillGray(gray)
        word()(canvas)

    assert one(draw) == expected


def test_bright_colours_are_seen() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColor(Color(1, 1, 0))
        word()(canvas)

    assert one(draw) == "visible"


@pytest.mark.parametrize(("alpha", "expected"), [(0.02, "hidden"), (0.5, "visible")])
def test_transparent_ink_is_hidden(alpha: float, expected: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillAlpha(alpha)
        word()(canvas)

    assert one(draw) == expected


@pytest.mark.parametrize(("x", "expected"), [(50, "layer"), (300, "hidden")])
def test_invisible_words_over_an_image_are_a_layer_and_others_are_hidden(x: float, expected: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(PICTURE, 40, 650, 150, 100)
        word(x, mode=3)(canvas)

    assert one(draw) == expected


def test_white_words_over_an_image_are_no_layer() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColor(black)
        canvas.rect(40, 650, 150, 100, fill=1)
        canvas.setFillColor(white)
        word()(canvas)

    assert one(draw) == "visible"


def test_every_word_is_sorted_once_and_keeps_its_place() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(PICTURE, 40, 300, 150, 100)
        canvas.drawString(50, 700, "seen first")
        canvas.drawString(50, 680, "hidden too", mode=3)
        canvas.drawString(50, 350, "scanned", mode=3)
        canvas.drawString(50, 200, "seen last")

    assert sorted_words(draw) == (["seen", "first", "seen", "last"], ["hidden", "too"], ["scanned"])


def test_boxes_of_images_lie_on_the_upright_page_and_forms_with_images_count() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(PICTURE, 100, 600, 50, 80)
        canvas.beginForm("stamp")
        canvas.drawImage(PICTURE, 300, 100, 20, 20)
        canvas.endForm()
        canvas.doForm("stamp")
        canvas.beginForm("lines")
        canvas.rect(400, 100, 20, 20)
        canvas.endForm()
        canvas.doForm("lines")

    with open_pdf(drawn_pdf(draw), ()) as document, load_page(document, 1) as page:
        boxes = image_boxes(page, frame_of(page))
    assert len(boxes) == 2
    assert boxes[0] == pytest.approx((100, A4[1] - 680, 150, A4[1] - 600), abs=0.5)
    assert boxes[1] == pytest.approx((300, A4[1] - 120, 320, A4[1] - 100), abs=0.5)
