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


@pytest.mark.parametrize("text", ["01.02.{}", "1/2/{}", "1 February {}", "1FEB{}"])
def test_two_figures_from_70_on_are_a_year_of_the_last_century(text: str) -> None:
    assert parse_date(text.format("69")) == date(2069, 2, 1)
    assert parse_date(text.format("70")) == date(1970, 2, 1)
    assert parse_date(text.format("99")) == date(1999, 2, 1)
    assert parse_date(text.format("00")) == date(2000, 2, 1)
    assert parse_date(text.format("1970")) == date(1970, 2, 1)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("01.01.1900", date(1900, 1, 1)), ("31.12.1899", None), ("1 May 2100", None), ("31.12.2101", None),
        ("29.02.2024", date(2024, 2, 29)), ("2023-02-29", None), ("2024-13-01", None), ("20241301", None),
        ("13/13/2024", None), ("40 May 2024", None),
    ],
)  # fmt: skip
def test_a_day_that_the_calendar_does_not_have_is_no_date(text: str, day: date | None) -> None:
    assert parse_date(text) == day


def test_a_day_and_month_of_the_same_figures_are_sure() -> None:
    found = list(find_dates("04/04/2024, 5 03 2024, 05 03 2024 and 3 May 2024"))
    assert [(date_.value, date_.is_sure) for date_ in found] == [
        (date(2024, 4, 4), True), (date(2024, 3, 5), False), (date(2024, 5, 3), True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "languages", "day"),
    [
        ("5 juillet 2024", ("fr",), date(2024, 7, 5)),
        ("5 juin 2024", ("fr",), date(2024, 6, 5)),
        ("5 jui 2024", ("fr",), None),
        ("5 février 2024", ("fr",), date(2024, 2, 5)),
        ("5 fevrier 2024", ("fr",), date(2024, 2, 5)),
        ("5. Maerz 2024", ("de",), date(2024, 3, 5)),
        ("5 Mrz 2024", ("de",), date(2024, 3, 5)),
        ("5 Sept. 2024", ("en",), date(2024, 9, 5)),
        ("5 de mayo de 2024", ("es",), date(2024, 5, 5)),
        ("5 de mayo de 2024", ("de",), date(2024, 5, 5)),
        ("5 set 2024", ("it",), date(2024, 9, 5)),
        ("5 set 2024", ("de",), None),
        ("5 May 2024", ("fr",), date(2024, 5, 5)),
        ("5 de março de 2024", ("pt-BR",), date(2024, 3, 5)),
        ("2nd of May 2024", ("en",), date(2024, 5, 2)),
        ("3-MAY-'24", ("en",), date(2024, 5, 3)),
        ("May 5th, 2024", ("en",), date(2024, 5, 5)),
        ("May 5 24", ("en",), None),
    ],
)
def test_full_names_of_months_are_read_in_many_languages_and_short_ones_in_those_of_the_type(
    text: str, languages: tuple[str, ...], day: date | None
) -> None:
    assert parse_date(text, languages) == day


@pytest.mark.parametrize(
    "text",
    ["120240315", "202403150", "1.2/2024", "2024.03-15", "12.03.24,50", "5.12.03.2024", "A12.03.24", "012.03.2024"],
)
def test_figures_of_a_longer_number_are_no_date(text: str) -> None:
    assert parse_date(text, LANGUAGES) is None


def test_a_full_year_may_be_glued_to_a_word_and_stand_before_a_full_stop() -> None:
    assert parse_date("Date12.03.2024.", LANGUAGES) == date(2024, 3, 12)


def test_eight_figures_are_a_date_only_where_the_caller_asks() -> None:
    assert list(find_dates("No. 20240315")) == []
    assert [date_.value for date_ in find_dates("No. 20240315", compact=True)] == [date(2024, 3, 15)]


def test_a_date_beside_other_words_is_no_text_that_holds_a_date() -> None:
    assert parse_date("Wednesday 15.03.2024 10:30 Uhr") == date(2024, 3, 15)
    assert parse_date("delivered before 15.03.2024") is None
    assert parse_date("15.03.2024 15/3/24") == date(2024, 3, 15)


@pytest.mark.parametrize(
    "text", ["31.02.2024", "12 - 12/72", "HD03-04-06", "1.234,56", "10:30", "page 3", "15 apples 2024"]
)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert list(find_dates(text, LANGUAGES)) == []


def test_a_text_with_two_days_is_no_date() -> None:
    assert parse_date("01.01.2024 - 31.01.2024") is None


def test_dates_keep_their_place_in_the_text() -> None:
    text = "Rechnung 4711 vom 2. Juli 2015, zahlbar bis 1er août 2015"
    assert [text[date_.start : date_.end] for date_ in find_dates(text, LANGUAGES)] == ["2. Juli 2015", "1er août 2015"]
