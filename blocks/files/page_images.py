"""Pictures of a document's pages, for models that look at them: drawn in a process that reads no other document.

They are no larger than models look at: what is over 1,568 pixels on its long edge is scaled down by the provider (see
Anthropic's documentation of vision), and smaller ones cost fewer tokens.
"""

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from blocks.files import media_types
from blocks.files.sources import read_known
from blocks.isolation.isolation import shared_isolation
from blocks.records import Document, Page, PageImage
from blocks.settings import Settings

LONG_EDGE_PIXELS = 1_500
MAX_PAGES = 8
"""Pages that are drawn, from the first; of the others a model has the text."""

FetchPart = Callable[[str], bytes]
"""Gives the bytes of a document that is a part of another, by its id."""

_DRAWN = media_types.IMAGES | {media_types.PDF}


def draw_pages(
    document: Document, pages: Sequence[Page], settings: Settings, fetch_part: FetchPart
) -> tuple[PageImage, ...]:
    """A JPEG of each of the first pages; none of a format that has no pages to look at.

    Blocks. Raises a `DocumentError` where the bytes are gone or cannot be drawn within the limits of the settings.
    """
    from blocks.files.page_drawing import unpack  # pdfium and Pillow are for those who need them

    if document.media_type not in _DRAWN:
        return ()
    if document.parent_id is not None:
        content = fetch_part(document.document_id)
    else:
        uris = (document.uri, *document.other_uris)
        content = read_known(uris, document.document_id, document.size_bytes, settings.max_document_mb)
    arguments: Mapping[str, JsonValue] = {
        "media_type": document.media_type,
        "passwords": [password.get_secret_value() for password in settings.passwords],
        "pages": [page.number for page in pages[:MAX_PAGES]],
        "long_edge": LONG_EDGE_PIXELS,
        "max_pages": settings.max_pages,
        "max_megapixels": settings.max_image_megapixels,
    }
    draw = "blocks.files.page_drawing:draw"
    packed = shared_isolation(settings).run(draw, content, arguments, settings.document_timeout_s)
    return tuple(PageImage(media_type=media_types.JPEG, **drawn) for drawn in unpack(packed))
