"""Pictures of a document's pages, for models that take images and for people, drawn in an isolated process.

Providers scale down what exceeds 1,568 pixels on its long edge (see Anthropic's documentation of vision), so no picture
is larger. Smaller pictures cost fewer tokens.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from blocks.files import media_types
from blocks.files.sources import FetchPart, content_of
from blocks.isolation.isolation import shared_isolation
from blocks.records import Document, Page, PageImage
from blocks.settings import Settings

LONG_EDGE_PIXELS = 1_500
MAX_PAGES = 8
"""How many pages are drawn, from the first on; a model gets the others as text only."""

DRAWN = media_types.IMAGES | {media_types.PDF}
"""The formats that have pages to draw."""


def draw_pages(
    document: Document, pages: Sequence[Page], settings: Settings, fetch_part: FetchPart
) -> tuple[PageImage, ...]:
    """A JPEG of each of the first pages; none of a format without pages.

    Blocks. Raises a `DocumentError` if the bytes are gone, or cannot be drawn within the limits of the settings.
    """
    if document.media_type not in DRAWN:
        return ()
    numbers = [page.number for page in pages[:MAX_PAGES]]
    return _drawn(document, numbers, LONG_EDGE_PIXELS, settings, fetch_part)


def draw_page(
    document: Document, page: Page, long_edge: int, settings: Settings, fetch_part: FetchPart
) -> PageImage | None:
    """A JPEG of a page, for people; None where the document has no such page. Blocks and raises as `draw_pages`.

    It is turned and straightened as the page was to be read: so people can read it, and the boxes of its words fit.
    """
    if document.media_type not in DRAWN:
        return None
    turned = (page.rotation_degrees, page.skew_degrees)
    return next(iter(_drawn(document, [page.number], long_edge, settings, fetch_part, turned)), None)


def warm_up(settings: Settings) -> None:
    """Start the processes that draw, and load what unpacks their pictures: the first page does not wait for either."""
    from blocks.files import page_drawing  # noqa: F401 - imports pdfium and Pillow

    pool = shared_isolation(settings).pool(_module(media_types.PDF))
    pool.release(pool.acquire())


def _drawn(
    document: Document,
    numbers: Sequence[int],
    long_edge: int,
    settings: Settings,
    fetch_part: FetchPart,
    turned: tuple[int, float] = (0, 0.0),
) -> tuple[PageImage, ...]:
    from blocks.files.page_drawing import unpack  # imports pdfium and Pillow, which most processes do without

    content = content_of(document, settings.max_document_mb, fetch_part)
    arguments: Mapping[str, JsonValue] = {
        "media_type": document.media_type,
        "passwords": [password.get_secret_value() for password in settings.passwords],
        "pages": list(numbers),
        "long_edge": long_edge,
        "turned": list(turned),
        "max_pages": settings.max_pages,
        "max_megapixels": settings.max_image_megapixels,
    }
    function = f"{_module(document.media_type)}:draw"
    packed = shared_isolation(settings).run(function, content, arguments, settings.document_timeout_s)
    return tuple(unpack(packed))


def _module(media_type: str) -> str:
    return f"blocks.files.{'heic_drawing' if media_type == media_types.HEIC else 'page_drawing'}"
