"""Pictures within documents that are text by nature: a scan that was pasted into a letter is a page for OCR.

Runs in a parser process.
"""

from collections.abc import Iterable
from typing import Any

from blocks.errors import Corrupt
from blocks.files.image_pages import ImagePages, may_show_page, open_image
from blocks.files.media_types import BINARY
from tasks.extract.reading import PageReading

MAX_PICTURES = 200


def scans_among(pictures: Iterable[bytes]) -> list[bytes]:
    """The pictures that may show a page, each once."""
    found = [picture for picture in dict.fromkeys(pictures) if may_show_page(picture)]
    return found[:MAX_PICTURES]


def pages_with_scans(pages: list[PageReading], scans: list[bytes]) -> list[PageReading]:
    """The pages that have text, and after them a page for each scan."""
    pages = [page for page in pages if page.text or page.hidden_text]
    first = len(pages) + 1
    return pages + [PageReading(number, method="ocr", needs_ocr=True) for number in range(first, first + len(scans))]


def draw_scan(scans: list[bytes], pages: int, arguments: dict[str, Any]) -> bytes:
    """A scan as a `GrayImage`, packed; the scans come last of so many `pages`. Arguments: those of `pages.render`."""
    index = arguments["page"] - 1 - (pages - len(scans))
    if not 0 <= index < len(scans):
        raise Corrupt(arguments["media_type"], f"its page {arguments['page']} is no picture")
    with open_image(scans[index], BINARY) as image:
        return ImagePages(image, 1, arguments["max_megapixels"]).gray(1, arguments["max_pixels"]).pack()
