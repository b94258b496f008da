"""Pages that need OCR: the parser process draws them, and OCR processes read them."""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
from rapidfuzz import fuzz, process

from blocks.errors import TimedOut
from blocks.files.pages import GrayImage
from blocks.records import Page, Words
from tasks.extract.ocr.ocr_page import OcrPage

BLANK_CONTRAST = 24
"""A page whose darkest and lightest pixels are closer than this, of 255, has nothing on it."""
CONFIRMED_LAYER = 0.5
"""The share of a text layer's words that OCR must see too. Layers of damaged scans agree on most words, planted text on
none."""
PLANTED_LINE = 0.25
PLANTED_WORDS = 4
SIMILAR = 75
OCR_SETTING = "WINNOW_OCR_PAGE_TIMEOUT_S"
WORD = re.compile(r"\w{2,}")

_Result = TypeVar("_Result")


class OcrReader(Protocol):
    """Reads a bitmap: the pool of OCR processes, or a double of it in a test."""

    @property
    def available(self) -> str | None:
        """None, or why no page can be read."""
        ...

    @property
    def engine(self) -> str:
        """Name, version and languages."""
        ...

    @property
    def languages_missing(self) -> tuple[str, ...]:
        """The languages of the settings that it cannot read."""
        ...

    def read_page_timed(self, image: GrayImage, timeout_s: float) -> tuple[OcrPage, float]:
        """The page's text and words, and the seconds that it took."""
        ...


Render = Callable[[int, float], tuple[bytes, float]]
"""Draws a page, counted from 1, within a number of seconds; gives the packed bitmap and the seconds that it took."""


class TimeBudget:
    """The seconds that a document's pages may still take together, without the wait for a free process."""

    def __init__(self, total_s: float) -> None:
        self._total_s = self._left_s = total_s
        self._lock = threading.Lock()

    def spend(self, work: Callable[[float], tuple[_Result, float]]) -> _Result:
        """The result of `work`, which takes the seconds left and gives its result and the seconds it took.

        Raises `TimedOut`.
        """
        left_s = self._left_s
        if left_s <= 0:
            raise TimedOut(self._total_s, OCR_SETTING)
        try:
            result, took_s = work(left_s)
        except TimedOut:
            raise TimedOut(self._total_s, OCR_SETTING) from None
        with self._lock:
            self._left_s -= took_s
        return result


def read_pages(
    numbers: Sequence[int], render: Render, ocr: OcrReader, budget: TimeBudget, threads: ThreadPoolExecutor
) -> dict[int, OcrPage | None]:
    """The pages by number; None for a blank page. Raises the first error of a page."""

    def read(number: int) -> OcrPage | None:
        image = GrayImage.unpack(budget.spend(lambda left_s: render(number, left_s)))
        if np.ptp(np.frombuffer(image.pixels, np.uint8)) < BLANK_CONTRAST:
            return None
        return budget.spend(lambda left_s: ocr.read_page_timed(image, left_s))

    if len(numbers) == 1:
        return {numbers[0]: read(numbers[0])}
    futures = {number: threads.submit(read, number) for number in numbers}
    try:
        return {number: future.result() for number, future in futures.items()}
    finally:
        for future in futures.values():
            future.cancel()


def with_ocr(page: Page, read: OcrPage | None, *, is_layer: bool, is_doubtful: bool = False) -> Page:
    """The page as OCR read it. A text layer that OCR confirms stays; another becomes hidden text. So does a doubtful
    text stay, or go: it is a wrong mapping of what is shown, and hides nothing."""
    if read is None or (not read.text.strip() and page.text and not is_layer):
        if not is_layer:
            return page
        return page.model_copy(update=_hidden(page, page.text))
    if is_doubtful and planted_lines(page.text, read.text) is not None:
        return page
    if is_layer:
        planted = planted_lines(page.text, read.text)
        if planted is not None and not planted:
            return page
        hidden = page.text if planted is None else "\n".join(planted)
        return _from_ocr(page, read).model_copy(update={"hidden_text": _joined(page.hidden_text, hidden)})
    return _from_ocr(page, read)


def planted_lines(layer: str, seen: str) -> list[str] | None:
    """The lines of a text layer that OCR does not see on the page; None if it sees too few of the layer's words."""
    known = set(WORD.findall(seen.casefold()))
    lines = [(line, WORD.findall(line.casefold())) for line in layer.splitlines()]
    matched = {word: _is_seen(word, known) for _, words in lines for word in words}
    every = [matched[word] for _, words in lines for word in words]
    if not every or sum(every) < CONFIRMED_LAYER * len(every):
        return None
    return [
        line
        for line, words in lines
        if len(words) >= PLANTED_WORDS and sum(matched[word] for word in words) < PLANTED_LINE * len(words)
    ]


def _is_seen(word: str, known: set[str]) -> bool:
    return word in known or process.extractOne(word, known, scorer=fuzz.ratio, score_cutoff=SIMILAR) is not None


def _from_ocr(page: Page, read: OcrPage) -> Page:
    return Page(
        number=page.number,
        method="ocr",
        text=read.text,
        width=read.width_pt,
        height=read.height_pt,
        words=read.words,
        ocr_confidence=read.confidence,
        hidden_text=page.hidden_text,
        rotation_degrees=read.rotation_degrees,
        skew_degrees=read.skew_degrees,
    )


def _hidden(page: Page, text: str) -> dict[str, object]:
    return {"text": "", "words": Words(), "hidden_text": _joined(page.hidden_text, text)}


def _joined(*texts: str) -> str:
    return "\n".join(filter(None, texts))
