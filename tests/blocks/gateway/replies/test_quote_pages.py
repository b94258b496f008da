"""The page of a quote, where models count pages badly."""

import pytest

from blocks.gateway.replies import quote_pages
from blocks.gateway.replies.quote_pages import QuotePages
from blocks.records import Page


def pages(*texts: str) -> QuotePages:
    return QuotePages([Page(number=number, method="parsed", text=text) for number, text in enumerate(texts, 1)])


@pytest.mark.parametrize(
    ("stated", "quote", "found"),
    [
        (2, "Total 9", 2),
        (1, "Total 9", 2),
        (7, "Total 9", 2),
        (None, "Total 9", 2),
        (1, "both", 1),
        (3, "both", 3),
        (2, "both", 2),
        (7, "both", None),
        (2, "nowhere at all", 2),
        (7, "nowhere at all", None),
        (2, " ", 2),
        (7, " ", None),
    ],
)
def test_the_stated_page_holds_unless_only_another_has_the_quote(
    stated: int | None, quote: str, found: int | None
) -> None:
    assert pages("both", "Total 9", "both").page_of(stated, quote) == found


def test_a_document_of_one_page_has_all_quotes_there() -> None:
    assert pages("Total 9").page_of(None, "nowhere") == 1
    assert pages("Total 9").page_of(1, "nowhere") == 1
    assert pages("Total 9").page_of(2, "nowhere") is None


def test_inexact_quotes_are_found_as_long_as_the_search_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("Payable within 30 days.", "Thank you")
    assert pages(*texts).page_of(2, "payable  within 30 DAYS") == 1
    assert pages(*texts, *["x"] * quote_pages.MAX_PAGES).page_of(2, "payable  within 30 DAYS") == 2
    assert pages(*texts, *["x"] * quote_pages.MAX_PAGES).page_of(2, "Payable within 30 days") == 1, "exact ones always"
    monkeypatch.setattr(quote_pages, "MAX_COMPARISONS", 1_000)
    searched = pages(*texts)
    assert searched.page_of(2, "payable  within 30 DAYS") == 1
    assert searched.page_of(2, "payable  within 30 DAYS") == 2, "the quotes of a reply share what may be compared"


def test_an_empty_quote_stands_nowhere() -> None:
    assert pages("a b").holds("a b")
    assert not pages("a b").holds(" ")
    assert not pages("a b").holds("c")
