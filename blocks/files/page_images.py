"""Pictures of a document's pages for models that take images, drawn in an isolated process.

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

_DRAWN = media_types.IMAGES | {media_types.PDF}


def draw_pages(
    document: Document, pages: Sequence[Page], settings: Settings, fetch_part: FetchPart
) -> tuple[PageImage, ...]:
    """A JPEG of each of the first pages; none of a format without pages.

    Blocks. Raises a `DocumentError` if the bytes are gone, or cannot be drawn within the limits of the settings.
    """
    from blocks.files.page_drawing import unpack  # imports pdfium and Pillow, which most processes do without

    if document.media_type not in _DRAWN:
        return ()
    content = content_of(document, settings.max_document_mb, fetch_part)
    arguments: Mapping[str, JsonValue] = {
        "media_type": document.media_type,
        "passwords": [password.get_secret_value() for password in settings.passwords],
        "pages": [page.number for page in pages[:MAX_PAGES]],
        "long_edge": LONG_EDGE_PIXELS,
        "max_pages": settings.max_pages,
        "max_megapixels": settings.max_image_megapixels,
    }
    module = "heic_drawing" if document.media_type == media_types.HEIC else "page_drawing"
    packed = shared_isolation(settings).run(
        f"blocks.files.{module}:draw", content, arguments, settings.document_timeout_s
    )
    return tuple(unpack(packed))
