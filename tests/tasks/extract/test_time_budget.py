import pytest

from blocks.errors import TimedOut
from tasks.extract.ocr_pages import TimeBudget


def test_pages_share_what_is_left() -> None:
    budget = TimeBudget(30.0)
    told: list[float] = []

    def work(left_s: float) -> tuple[str, float]:
        told.append(left_s)
        return "page", 12.0

    assert [budget.spend(work), budget.spend(work), budget.spend(work)] == ["page"] * 3
    assert told == [30.0, 18.0, 6.0]
    with pytest.raises(TimedOut, match="30 s"):
        budget.spend(work)


def test_a_page_that_times_out_says_the_limit_of_the_document() -> None:
    def work(left_s: float) -> tuple[str, float]:
        raise TimedOut(left_s)

    with pytest.raises(TimedOut, match=r"25 s.*WINNOW_OCR_PAGE_TIMEOUT_S"):
        TimeBudget(25.0).spend(work)
