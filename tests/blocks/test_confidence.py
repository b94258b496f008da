from hypothesis import given
from hypothesis import strategies as st

from blocks.confidence import UNGROUNDED_CEILING, combine, weakest

unit = st.floats(min_value=0, max_value=1)


@given(unit, unit, st.booleans())
def test_no_combination_is_surer_than_its_weakest_part(reading: float, ocr: float, is_grounded: bool) -> None:
    combined = combine(reading, ocr, is_grounded=is_grounded)
    assert 0.0 <= combined <= min(reading, ocr)


def test_a_sure_reading_of_an_unsure_scan_is_unsure() -> None:
    assert combine(0.95, 0.30) < 0.30


def test_a_value_that_nobody_can_see_is_never_sure() -> None:
    assert combine(1.0, None, is_grounded=False) == UNGROUNDED_CEILING


def test_figures_out_of_range_and_nan_are_brought_back() -> None:
    assert combine(1.7) == 1.0
    assert combine(-0.2) == 0.0
    assert combine(float("nan")) == 0.0


def test_a_document_is_as_sure_as_its_weakest_required_field() -> None:
    assert weakest([0.9, 0.4, 0.8]) == 0.4
    assert weakest([]) == 1.0
