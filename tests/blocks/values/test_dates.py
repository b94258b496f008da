from datetime import date

import pytest

from blocks.values.dates import find_dates, parse_date

LANGUAGES = ("de", "fr", "en")


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-15", "15/03/2024", "15.03.24", "15 March 2024", "15. März 2024", "15 mars 2024", "15MAR2024",
        "March 15, 2024", "March 15 , 2024", "15 MAR 24 09:12:41 PM", "20240315", "15-3-2024", "Fri 15 Mar 2024",
        "15th March, 2024",
        "03/15/2024", "2024/03/15",
    ],
)  # fmt: skip
def test_a_day_is_read_in_any_notation(text: str) -> None:
    assert parse_date(text, LANGUAGES) == date(2024, 3, 15)


def test_day_comes_first_unless_the_figures_rule_it_out() -> None:
    assert parse_date("03/04/2024") == date(2024, 4, 3)
    assert parse_date("03/20/2023") == date(2023, 3, 20)
    assert [found.is_sure for found in find_dates("03/04/2024 and 20/04/2024")] == [False, True]


def test_two_figures_of_a_year_mean_this_century_or_the_last() -> None:
    assert parse_date("19-09-17") == date(2017, 9, 19)
    assert parse_date("01.02.85") == date(1985, 2, 1)


@pytest.mark.parametrize(
    "text", ["31.02.2024", "12 - 12/72", "HD03-04-06", "1.234,56", "10:30", "page 3", "15 apples 2024"]
)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert list(find_dates(text, LANGUAGES)) == []


def test_a_text_with_two_days_is_no_date() -> None:
    assert parse_date("01.01.2024 - 31.01.2024") is None


def test_dates_keep_their_place_in_the_text() -> None:
    text = "Rechnung 4711 vom 2. Juli 2015, zahlbar bis 1er août 2015"
    assert [text[one.start : one.end] for one in find_dates(text, LANGUAGES)] == ["2. Juli 2015", "1er août 2015"]
