"""Words with boxes become lines of text as a reader goes."""

import numpy as np
import pytest

from tasks.extract.reading_order import Laid, lay_out

HEIGHT = 10.0


def boxes(*words: tuple[float, float, float]) -> np.ndarray:
    """Boxes of words ten points high, from x, y of the top, and width."""
    return np.array([(x, y, x + width, y + HEIGHT) for x, y, width in words])


def text(texts: list[str], *words: tuple[float, float, float]) -> str:
    return lay_out(texts, boxes(*words)).text


def test_lines_go_from_top_to_bottom_and_words_from_left_to_right_whatever_their_order() -> None:
    words = [(200.0, 50.0, 20.0), (50.0, 80.0, 20.0), (100.0, 50.0, 95.0), (50.0, 50.0, 45.0)]
    assert text(["c", "d", "b", "a"], *words) == "a b c\nd"


@pytest.mark.parametrize(("gap", "between"), [(3.0, " "), (10.0, " "), (10.1, "  "), (300.0, "  ")])
def test_a_gap_wider_than_the_line_is_high_parts_cells(gap: float, between: str) -> None:
    assert text(["label", "value"], (50, 50, 30), (80 + gap, 50, 30)) == f"label{between}value"


@pytest.mark.parametrize(("shift", "between"), [(2.9, " "), (3.1, "\n")])
def test_baselines_closer_than_three_tenths_of_the_height_are_one_line(shift: float, between: str) -> None:
    assert text(["a", "b"], (50, 50, 30), (82, 50 + shift, 30)) == f"a{between}b"


def test_the_smaller_of_two_heights_decides_whether_words_share_a_line() -> None:
    large, small = (50.0, 40.0, 90.0, 70.0), (95.0, 55.0, 110.0, 61.0)
    laid = lay_out(["TITLE", "note"], np.array([large, small]))
    # Baselines at 64 and 59.8: four points are less than a third of 30, and more than a third of 6.
    assert laid.text == "note\nTITLE"


def test_a_line_does_not_drift_down_the_page() -> None:
    steps = [(50.0 + 40 * n, 50.0 + 2.0 * n, 35.0) for n in range(4)]
    assert text(["a", "b", "c", "d"], *steps) == "a b\nc d"


def test_a_gap_is_measured_by_its_own_lines_height() -> None:
    high = (50.0, 100.0, 80.0, 130.0)
    laid = lay_out(["a", "b", "c", "d"], np.array([(50, 50, 60, 60), (75, 50, 85, 60), high, (105, 100, 130, 130)]))
    assert laid.text == "a  b\nc d"


def test_spans_cut_the_words_out_and_boxes_follow_their_order() -> None:
    laid = lay_out(["four", "a", "three"], boxes((50, 80, 30), (50, 50, 10), (90, 50, 30)))
    assert laid.text == "a  three\nfour"
    assert [laid.text[start:end] for start, end in laid.spans] == ["a", "three", "four"]
    assert [box[:2] for box in laid.boxes] == [[50, 50], [90, 50], [50, 80]]


def test_a_page_without_words_is_empty() -> None:
    laid = lay_out([], np.empty((0, 4)))
    assert (laid.text, laid.spans, laid.boxes) == ("", [], [])


def test_lines_that_are_added_come_below_and_their_spans_move_along() -> None:
    laid = Laid()
    laid.append("first", [(0, 5)], [[0.0, 0.0, 1.0, 1.0]])
    laid.append("in the margin", [(0, 2), (3, 6), (7, 13)], [[5.0, 5.0, 6.0, 6.0]] * 3)
    assert laid.text == "first\nin the margin"
    assert [laid.text[start:end] for start, end in laid.spans] == ["first", "in", "the", "margin"]
    assert len(laid.boxes) == 4
