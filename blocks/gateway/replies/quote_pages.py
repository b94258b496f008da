"""On which page a quote stands: models count pages badly, and quote well.

Only the page's number is put right here. Whether the quote bears the value is checked where the value is believed,
by `blocks/evidence/grounding.py`.
"""

from collections.abc import Sequence

from blocks.evidence.grounding import locate
from blocks.records import Page

MOST_PAGES_SEARCHED = 20
MOST_CHARACTERS_SEARCHED = 100_000
LONGEST_SEARCHED = 300
MOST_COMPARED = 50_000_000
"""Beyond any of them a quote is looked for letter by letter only: the search for bent ones (which takes a nanosecond
or two per character of the quote and character of the page, and more for long quotes) would hold up other calls. The
last one is for all quotes of a reply, together."""


class QuotePages:
    """The pages of one request, as quotes refer to them."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._texts = {page.number: page.text for page in pages}
        self._only = next(iter(self._texts)) if len(self._texts) == 1 else None
        characters = sum(map(len, self._texts.values()))
        is_small = len(self._texts) <= MOST_PAGES_SEARCHED and characters <= MOST_CHARACTERS_SEARCHED
        self._comparisons_left = MOST_COMPARED if is_small else 0

    def page_of(self, stated: int | None, quote: str) -> int | None:
        """The page of a quote: the stated one where the quote stands there, else the only other one where it does.

        The stated one too where it stands on none. None where there is no such page, and no telling which is meant.
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
        if len(quote) > LONGEST_SEARCHED or comparisons > self._comparisons_left:
            return False
        self._comparisons_left -= comparisons
        return locate(text, quote) is not None
