"""How a document writes dates, currencies and numbers, by all of its pages."""

import pytest

from blocks.values.dates import DateOrder
from blocks.values.notation import notation_of


def order_of(*texts: str) -> DateOrder | None:
    return notation_of(texts, ("en",)).date_order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("issued 04/05/2025, due 04/25/2025", DateOrder.MDY),
        ("issued 04/05/2025, due 25/05/2025", DateOrder.DMY),
        ("issued 04/05/2025, due 04/25/2025, paid 26/04/2025", None),
        ("issued 04/05/2025", None),
        ("issued 04/05/2025, 1 High Street, Leeds LS1 4AB", DateOrder.DMY),
        ("issued 04/05/2025, 1 Elm Street, Austin, TX 78701", DateOrder.MDY),
        ("issued 04/05/2025, Total EUR 5.00", DateOrder.DMY),
        ("issued 04/05/2025, Total $5.00", None),
        ("issued 04/05/2025, Total $5.00, HST 0.65", DateOrder.YMD),
        ("issued 04/05/2025, Total $5.00, ABN 51 824 753 556", DateOrder.DMY),
        ("issued 04/05/2025, Sydney, Australia", DateOrder.DMY),
    ],
)
def test_the_order_of_day_and_month_is_that_of_the_other_dates_or_of_the_country(
    text: str, order: DateOrder | None
) -> None:
    assert order_of(text) is order


def test_dates_of_all_pages_decide() -> None:
    assert order_of("issued 04/05/2025", "due 04/25/2025") is DateOrder.MDY


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("issued 25-03-12, due 25-04-11", DateOrder.YMD),
        ("issued 12-03-25, due 11-04-25, Leeds LS1 4AB", DateOrder.DMY),
        ("issued 25-03-12, Leeds LS1 4AB", None),
        ("issued 25-03-12, for the year 2025", DateOrder.YMD),
        ("issued 12-03-25, Leeds LS1 4AB", DateOrder.DMY),
    ],
)
def test_a_year_of_two_figures_stands_first_where_the_dates_share_it(text: str, order: DateOrder | None) -> None:
    assert order_of(text) is order


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("Total $5.00", {"$": "USD"}),
        ("Total $5.00, HST 0.65, Toronto ON M5V 2T6", {"$": "CAD"}),
        ("Total $5.00, ABN 51 824 753 556", {"$": "AUD"}),
        ("Total ¥500, Shanghai, China", {"¥": "CNY"}),
        ("Total ¥500", {}),
        ("Total A$5.00", {}),
        ("Total 5.00", {}),
    ],
)
def test_a_bare_sign_is_the_currency_of_the_document_s_country(text: str, signs: dict[str, str]) -> None:
    assert dict(notation_of((text,), ("en",)).signs) == signs


def test_a_blank_groups_no_thousands_where_other_signs_do() -> None:
    assert notation_of(("Total 1 500.00",), ("en",)).has_blank_groups
    assert not notation_of(("2 150.00 and 1,500.00",), ("en",)).has_blank_groups
    assert not notation_of(("2 150.00 and 1500.00",), ("en",)).has_blank_groups
