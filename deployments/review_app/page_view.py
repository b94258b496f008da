"""The pages of a document for the screen: a picture with boxes over it, or its text with the quotes marked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from blocks.database.review.shown_documents import ShownDocument
from blocks.evidence.grounding import box_of, locate
from blocks.files.page_images import DRAWN
from blocks.records import Box, Evidence, Page

MAX_PAGES = 60
"""Pages beyond these are shown only where they hold evidence."""
CROP_MARGIN_X, CROP_MARGIN_Y = 110.0, 5.0
CROP_SCALE = 1.5
"""Pixels of the screen per point in a crop: larger than print, so that digits are distinct at a glance."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The evidence of a field in a picture, in points."""

    field: str
    box: Box


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a page's text, and the fields whose evidence it is."""

    text: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageView:
    """A page. `has_picture`: it is drawn; its text is shown on request."""

    number: int
    has_picture: bool
    width: float
    height: float
    marks: tuple[Mark, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Crop:
    """The line that holds evidence: a part of the picture (x, y, width, height), or of the text around the quote."""

    page: int
    quote: str
    box: Box | None = None
    view: tuple[float, float, float, float] | None = None
    size: tuple[float, float] = (0.0, 0.0)
    before: str = ""
    after: str = ""

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height on the screen."""
        assert self.view is not None
        return round(self.view[2] * CROP_SCALE), round(self.view[3] * CROP_SCALE)


def has_pictures(shown: ShownDocument) -> bool:
    """Whether the document's pages can be drawn; others are shown as text."""
    return shown.document.media_type in DRAWN


def page_views(shown: ShownDocument, evidence: Mapping[str, Sequence[Evidence]]) -> list[PageView]:
    """The pages, with the evidence of every field marked."""
    is_drawn = has_pictures(shown)
    cited = {found.page for quotes in evidence.values() for found in quotes}
    return [
        _page_view(page, is_drawn and page.width > 0, evidence)
        for index, page in enumerate(shown.pages)
        if index < MAX_PAGES or page.number in cited
    ]


def crops(shown: ShownDocument, quotes: Sequence[Evidence]) -> list[Crop]:
    """Where each quote stands, cut out."""
    is_drawn = has_pictures(shown)
    by_number = {page.number: page for page in shown.pages}
    return [
        _crop(by_number[found.page], found, is_drawn)
        for found in quotes
        if found.page in by_number and (found.quote or found.box)
    ]


def placed(page: Page, found: Evidence) -> Box | None:
    """The box of a quote: its own, or that of its words on the page."""
    if found.box is not None or not page.words.boxes:
        return found.box
    span = locate(page.text, found.quote)
    return None if span is None else box_of(page, span.start, span.end)


def _page_view(page: Page, is_drawn: bool, evidence: Mapping[str, Sequence[Evidence]]) -> PageView:
    own = [(field, found) for field, quotes in evidence.items() for found in quotes if found.page == page.number]
    marks = [Mark(field, box) for field, found in own if is_drawn and (box := placed(page, found)) is not None]
    segments = tuple(_segments(page.text, [] if is_drawn else own))
    return PageView(page.number, is_drawn, page.width, page.height, tuple(marks), segments)


def _segments(text: str, own: Sequence[tuple[str, Evidence]]) -> Iterator[Segment]:
    """The text cut where a quote begins or ends: quotes of several fields may overlap."""
    spans = [(span, field) for field, found in own if (span := locate(text, found.quote)) is not None]
    cuts = sorted({0, len(text), *(end for span, _ in spans for end in (span.start, span.end))})
    for start, end in pairwise(cuts):
        fields = (field for span, field in spans if span.start <= start and end <= span.end)
        yield Segment(text[start:end], tuple(dict.fromkeys(fields)))


def _crop(page: Page, found: Evidence, is_drawn: bool) -> Crop:
    box = placed(page, found) if is_drawn and page.width > 0 else None
    if box is not None:
        x0, x1 = max(0.0, box[0] - CROP_MARGIN_X), min(page.width, box[2] + CROP_MARGIN_X)
        y0, y1 = max(0.0, box[1] - CROP_MARGIN_Y), min(page.height, box[3] + CROP_MARGIN_Y)
        view = (x0, y0, max(x1 - x0, 1.0), max(y1 - y0, 1.0))
        return Crop(page.number, found.quote, box, view, (page.width, page.height))
    span = locate(page.text, found.quote)
    if span is None:
        return Crop(page.number, found.quote)
    start, end = span.start, span.end
    line_start = page.text.rfind("\n", 0, start) + 1
    line_end = page.text.find("\n", end)
    return Crop(
        page.number,
        page.text[start:end],
        before=page.text[line_start:start][-60:],
        after=page.text[end : line_end if line_end >= 0 else None][:60],
    )
