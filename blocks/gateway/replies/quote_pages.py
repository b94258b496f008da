"""Finds the page of a quote: models count pages badly, and quote well.

Only the number of the page is corrected here. `blocks/evidence/grounding.py` checks whether the quote shows the value.
"""

from collections.abc import Sequence

from blocks.evidence.grounding import locate
from blocks.records import Page

MAX_PAGES = 20
MAX_CHARACTERS = 100_000
MAX_QUOTE = 300
MAX_COMPARISONS = 50_000_000
"""Beyond any of these only exact quotes are found. The search for inexact quotes takes a nanosecond or two per
character of the quote and character of the page, more for long quotes, and would delay other calls. `MAX_COMPARISONS`
is for all quotes of a reply together."""


class QuotePages:
    """The pages of a request, in which quotes are looked for."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._texts = {page.number: page.text for page in pages}
        self._only = next(iter(self._texts)) if len(self._texts) == 1 else None
        characters = sum(map(len, self._texts.values()))
        is_small = len(self._texts) <= MAX_PAGES and characters <= MAX_CHARACTERS
        self._comparisons_left = MAX_COMPARISONS if is_small else 0

    def page_of(self, stated: int | None, quote: str) -> int | None:
        """The stated page if it has the quote or if no page has it; else the only other page that has it.

        None where there is no such page.
        """
        if self._only is not None and (stated is None or stated == self._only):
            return self._only
        if not quote.strip():
            return stated if stated in self._texts else None
        if stated in self._texts and self._stands(quote, stated):
            return stated
        others = [number for number in self._texts if number != stated and self._stands(quote, number)]
        if len(others) == 1:
            return others[0]
        return stated if stated in self._texts else None

    def holds(self, quote: str) -> bool:
        """Whether any page has the quote."""
        return bool(quote.strip()) and any(self._stands(quote, number) for number in self._texts)

    def _stands(self, quote: str, number: int) -> bool:
        text = self._texts[number]
        if quote in text:
            return True
        comparisons = len(quote) * len(text)
        if len(quote) > MAX_QUOTE or comparisons > self._comparisons_left:
            return False
        self._comparisons_left -= comparisons
        return locate(text, quote) is not None
