import pytest
from PIL import Image

from tasks.extract.ocr.upright import measure_slant, paper_level, straighten, turn
from tests.tasks.extract.ocr.conftest import PageImage


@pytest.mark.parametrize("degrees", [-8.0, -3.3, -0.7, 0.0, 1.4, 5.0, 9.0])
def test_slant_of_a_real_page_is_found_within_a_fifth_of_a_degree(page_image: PageImage, degrees: float) -> None:
    tilted = straighten(page_image("invoice_bilevel.tif"), degrees)
    slant = measure_slant(tilted)
    assert not slant.stands
    assert slant.skew_degrees == pytest.approx(-degrees, abs=0.2)


def test_a_scan_that_was_put_in_slanted_comes_out_straight(page_image: PageImage) -> None:
    slant = measure_slant(page_image("invoice_skewed.png"))
    assert slant.skew_degrees == pytest.approx(-2.5, abs=0.1)
    assert measure_slant(straighten(page_image("invoice_skewed.png"), slant.skew_degrees)).skew_degrees == 0.0


@pytest.mark.parametrize("name", ["invoice_bilevel.tif", "invoice_skewed.png"])
@pytest.mark.parametrize("degrees", [90, 270])
def test_standing_lines_are_told_from_lying_ones(page_image: PageImage, name: str, degrees: int) -> None:
    assert measure_slant(turn(page_image(name), degrees)).stands
    assert not measure_slant(page_image(name)).stands


def test_blank_and_uniform_pages_are_blank_whatever_their_gray() -> None:
    for level in (0, 120, 255):
        slant = measure_slant(Image.new("L", (800, 1_100), level))
        assert slant.is_blank
        assert slant.skew_degrees == 0.0


def test_straightening_cuts_nothing_off_and_fills_with_paper(page_image: PageImage) -> None:
    page = page_image("invoice_skewed.png").point(lambda level: min(level, 230))
    straight = straighten(page, 5.0)
    assert straight.width > page.width
    assert straight.height > page.height
    assert straight.getpixel((0, 0)) == paper_level(page) == 230


def test_a_photograph_without_lines_is_left_as_it_is() -> None:
    gradient = Image.linear_gradient("L").resize((600, 800))
    assert measure_slant(gradient).skew_degrees == 0.0
