import re

import pytest
from PIL import Image

from blocks.files.pages import GrayImage
from tasks.extract.ocr.engine import ANY_INK, Engine, RawWord
from tasks.extract.ocr.page import believable_dpi, read_page
from tasks.extract.ocr.second_look import look_again, missed_strips
from tasks.extract.ocr.upright import turn
from tests.tasks.extract.ocr.conftest import PageImage, gray

pytestmark = pytest.mark.tesseract


class ForgetfulEngine:
    """Reads as the real one does, but loses the words of whole lines on a page that is not a strip."""

    def __init__(self, engine: Engine, lost: tuple[int, int]) -> None:
        self._engine = engine
        self._lost = lost

    def words(self, image: Image.Image, dpi: int, ink: float = ANY_INK) -> list[RawWord]:
        words = self._engine.words(image, dpi, ink)
        return words if image.height < 600 else [w for w in words if not self._lost[0] < w.y0 < self._lost[1]]

    def clockwise_turn(self, image: Image.Image, dpi: int) -> int | None:
        return None


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_skewed_page_in_any_direction_is_read_upright(
    tesserocr_engine: Engine, page_image: PageImage, degrees: int
) -> None:
    image = turn(page_image("invoice_skewed.png"), degrees)
    page = read_page(tesserocr_engine, gray(image))
    assert "01.234.567.8-2018-1" in page.text
    assert page.rotation_degrees == (360 - degrees) % 360
    assert page.skew_degrees == pytest.approx(-2.5, abs=0.1)
    assert page.confidence > 0.85
    assert page.height_pt > page.width_pt


def test_direction_is_found_without_orientation_data(tesserocr_engine: Engine, page_image: PageImage) -> None:
    engine = ForgetfulEngine(tesserocr_engine, (0, 0))
    page = read_page(engine, gray(turn(page_image("invoice_bilevel.tif"), 180)))
    assert page.rotation_degrees == 180


def test_boxes_are_points_of_the_upright_page(tesserocr_engine: Engine, page_image: PageImage) -> None:
    page = read_page(tesserocr_engine, gray(turn(page_image("invoice_bilevel.tif"), 90)))
    assert page.width_pt == pytest.approx(595, abs=2)
    assert page.height_pt == pytest.approx(842, abs=2)
    assert all(0 <= x0 < x1 <= 596 and 0 <= y0 < y1 <= 843 for x0, y0, x1, y1 in page.words.boxes)
    tops = [page.words.boxes[i][1] for i in range(0, len(page.words.boxes), 10)]
    assert tops == pytest.approx(sorted(tops), abs=15)


def test_lost_lines_are_found_by_a_second_look(tesserocr_engine: Engine, page_image: PageImage) -> None:
    image = page_image("invoice_bilevel.tif").resize((1653, 2339))
    whole = tesserocr_engine.words(image, 200)
    lines = sorted(w.y0 for w in whole if len(w.text) > 5)
    lost = (lines[len(lines) // 2] - 20, lines[len(lines) // 2] + 250)
    forgetful = ForgetfulEngine(tesserocr_engine, lost)
    first = forgetful.words(image, 200)
    missing = {w.text for w in whole if len(w.text) > 3} - {w.text for w in first}
    assert len(missing) >= 6
    found = {w.text for w in look_again(forgetful, image, 200, first)}
    assert len(missing & found) >= 0.6 * len(missing)


def test_a_page_that_was_read_whole_is_not_looked_at_again(tesserocr_engine: Engine, page_image: PageImage) -> None:
    image = page_image("invoice_bilevel.tif").resize((1653, 2339))
    strips = missed_strips(image, tesserocr_engine.words(image, 200))
    assert sum(bottom - top for top, bottom in strips) < 0.1 * image.height


def test_blank_tiny_and_black_pages_are_empty_not_errors(tesserocr_engine: Engine) -> None:
    for size, level in (((1, 1), 255), ((3, 2_000), 0), ((1_240, 1_754), 255), ((400, 400), 0)):
        page = read_page(tesserocr_engine, gray(Image.new("L", size, level)))
        assert page.text == ""
        assert page.confidence == 0.0


def test_reading_a_page_leaves_no_trace_in_the_next_reading(tesserocr_engine: Engine, page_image: PageImage) -> None:
    bilevel, skewed = (gray(page_image(name)) for name in ("invoice_bilevel.tif", "invoice_skewed.png"))
    first = read_page(tesserocr_engine, bilevel)
    read_page(tesserocr_engine, skewed)
    assert read_page(tesserocr_engine, bilevel) == first


def test_low_resolution_is_read_nearly_as_well(tesserocr_engine: Engine, page_image: PageImage) -> None:
    page = page_image("invoice_bilevel.tif")
    low = page.resize((page.width * 2 // 3, page.height * 2 // 3), Image.Resampling.LANCZOS)
    words = set(re.findall(r"\w{4,}", read_page(tesserocr_engine, gray(page)).text))
    low_words = set(re.findall(r"\w{4,}", read_page(tesserocr_engine, gray(low, 100)).text))
    assert len(words & low_words) > 0.7 * len(words)


@pytest.mark.parametrize(
    ("width", "height", "dpi", "believed"),
    [(1_240, 1_754, 150, 150), (827, 1_170, 0, 104), (4_032, 3_024, 72, 357), (300, 200, 72, 72), (100, 100, 0, 60)],
)
def test_resolution_is_believed_only_where_it_makes_a_page(width: int, height: int, dpi: int, believed: int) -> None:
    assert round(believable_dpi(GrayImage(width, height, dpi, bytes(width * height)))) == believed


def test_an_image_whose_pixels_do_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not a gray image"):
        GrayImage(10, 10, 72, bytes(99))
