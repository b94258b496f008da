"""Documents of items: kept in memory for the next request, their pages drawn once and kept on disk."""

import hashlib
import io
import threading
from collections import OrderedDict
from functools import partial

from blocks.database.engine import Database
from blocks.database.pipeline.documents import part_content
from blocks.database.review.shown_documents import ShownDocument, load_shown
from blocks.document_types.schema import DocumentType
from blocks.evidence.document_reading import DocumentReading
from blocks.files.page_images import DRAWN, draw_page
from blocks.files.sources import content_of
from blocks.records import Page
from blocks.settings import Settings
from deployments.review_app.page_cache import PageCache

LONG_EDGE_PIXELS = 1_800
"""154 dots per inch of A4: small print stays legible, and a page is drawn in a tenth of a second."""
MAX_KEPT = 64
"""More than a strip has."""


class Documents:
    """The documents that people look at. Thread-safe."""

    def __init__(self, database: Database, settings: Settings, pictures: PageCache) -> None:
        self._database, self._settings, self._pictures = database, settings, pictures
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], ShownDocument] = OrderedDict()
        self._read: OrderedDict[tuple[str, str], DocumentReading] = OrderedDict()

    def get(self, document_id: str, fingerprint: str) -> ShownDocument:
        """A document with its pages. `fingerprint`, of what is shown of it, tells when to read it again."""
        key = (document_id, fingerprint)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        shown = load_shown(self._database, document_id)
        with self._lock:
            self._kept[key] = shown
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return shown

    def reading(self, shown: ShownDocument, document_type: DocumentType) -> DocumentReading:
        """What the built-in reader reads of the document now: the values that it weighed stand in no result."""
        from blocks.reader import reading  # brings NumPy for some types

        key = (shown.document.document_id, document_type.score_digest)
        with self._lock:
            if key in self._read:
                self._read.move_to_end(key)
                return self._read[key]
        found = reading.read(document_type, shown.pages)
        with self._lock:
            self._read[key] = found
            if len(self._read) > MAX_KEPT:
                self._read.popitem(last=False)
        return found

    def picture(self, shown: ShownDocument, page: int) -> bytes:
        """A page as JPEG; empty where the document has no such page to draw.

        Raises a `DocumentError` where the bytes are gone or cannot be drawn.
        """
        if shown.document.media_type not in DRAWN:
            return b""
        read = next((each for each in shown.pages if each.number == page), Page(number=page, method="ocr", text=""))
        turned = f"{read.rotation_degrees}:{read.skew_degrees}"
        key = hashlib.sha256(f"{shown.document.document_id}:{page}:{LONG_EDGE_PIXELS}:{turned}".encode()).hexdigest()
        return self._pictures.get(key, partial(self._draw, shown, read))

    def cutout(self, shown: ShownDocument, page: int, view: tuple[float, float, float, float], width: float) -> bytes:
        """The part `view` (x, y, width, height) of a page as JPEG, both in points; empty and raises as `picture`."""
        from PIL import Image  # only strips need it

        content = self.picture(shown, page)
        if not content:
            return b""
        x, y, across, down = view
        cut = io.BytesIO()
        with Image.open(io.BytesIO(content)) as drawn:
            scale = drawn.width / width
            left, top, right, bottom = (round(edge * scale) for edge in (x, y, x + across, y + down))
            drawn.crop((left, top, right, bottom)).save(cut, "JPEG", quality=85)
        return cut.getvalue()

    def original(self, shown: ShownDocument) -> bytes:
        """The document's bytes. Raises a `DocumentError` where they are gone."""
        fetch = partial(part_content, self._database)
        return content_of(shown.document, self._settings.max_document_mb, fetch)

    def _draw(self, shown: ShownDocument, page: Page) -> bytes:
        fetch = partial(part_content, self._database)
        drawn = draw_page(shown.document, page, LONG_EDGE_PIXELS, self._settings, fetch)
        return b"" if drawn is None else drawn.content
