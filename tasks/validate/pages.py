"""Reads from an extraction what validate needs: the visible text of each page, and reasons not to trust it.

An extraction is mostly word boxes. They are read only if OCR gave the words a confidence.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from blocks.records import PAGES_UNREAD, Extraction, Page, Words
from tasks.validate.verdict import PageFacts

NO_WORDS = Words()


class _PageWithoutWords(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    method: Literal["text_layer", "ocr", "parsed"]
    text: str
    ocr_confidence: float | None = None
    hidden_text: str = ""


class _ExtractionWithoutWords(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    pages: tuple[_PageWithoutWords, ...]
    attributes: dict[str, str] = {}


def read_pages(payload: bytes) -> tuple[tuple[Page, ...], str]:
    """The pages of an extraction's payload, with their words only if OCR read a page; and the numbers of those that no
    parser could read.

    Raises pydantic's ValidationError if the payload is no extraction.
    """
    lean = _ExtractionWithoutWords.model_validate_json(payload)
    unread = lean.attributes.get(PAGES_UNREAD, "")
    if any(page.method == "ocr" for page in lean.pages):
        return Extraction.model_validate_json(payload).pages, unread
    pages = tuple(
        Page.model_construct(number=p.number, method=p.method, text=p.text, hidden_text=p.hidden_text, words=NO_WORDS)
        for p in lean.pages
    )
    return pages, unread


def page_facts(pages: Sequence[Page], unread: str = "", provisional: tuple[str, ...] = ()) -> PageFacts:
    """What the pages say against trusting a reading of them; `unread` names those that could not be read.

    The OCR confidence is the mean over the pages that OCR read, weighted by the length of their text; 0 without text.
    """
    read = [(len(page.text), page.ocr_confidence) for page in pages if page.method == "ocr"]
    known = [(length, confidence) for length, confidence in read if confidence is not None]
    characters = sum(length for length, _ in known)
    ocr_confidence = sum(length * c for length, c in known) / characters if characters else 0.0
    return PageFacts(
        has_hidden_text=any(page.hidden_text.strip() for page in pages),
        ocr_confidence=ocr_confidence if known else None,
        provisional=provisional,
        unread=unread,
    )
