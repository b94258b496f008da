"""Pictures within documents that are text by nature: a scan that was pasted into a letter is a page for OCR.

Runs in a parser process.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from blocks.errors import Corrupt, TooManyPages
from blocks.files.image_pages import ImagePages, may_show_page, open_image
from blocks.files.media_types import BINARY
from tasks.extract.reading import PageReading


def scans_among(pictures: Iterable[bytes]) -> list[bytes]:
    """The pictures that may show a page, each once."""
    return [picture for picture in dict.fromkeys(pictures) if may_show_page(picture)]


def pages_with_scans(pages: list[PageReading], scans: list[bytes], arguments: Mapping[str, Any]) -> list[PageReading]:
    """The pages that have text, and after them a page for each scan. Arguments: max_pages. Raises `TooManyPages`."""
    pages = [page for page in pages if page.text or page.hidden_text]
    first, count = len(pages) + 1, len(pages) + len(scans)
    if count > arguments["max_pages"]:
        raise TooManyPages(count, arguments["max_pages"])
    return pages + [PageReading(number, method="ocr", needs_ocr=True) for number in range(first, count + 1)]


def draw_scan(scans: list[bytes], pages: int, arguments: Mapping[str, Any]) -> bytes:
    """A scan as a `GrayImage`, packed; the scans come last of so many `pages`. Arguments: those of `pages.render`."""
    index = arguments["page"] - 1 - (pages - len(scans))
    if not 0 <= index < len(scans):
        raise Corrupt(arguments["media_type"], f"its page {arguments['page']} is no picture")
    with open_image(scans[index], BINARY) as image:
        return ImagePages(image, 1, arguments["max_megapixels"]).gray(1, arguments["max_pixels"]).pack()
