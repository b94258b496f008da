"""From a document's bytes to an `Extraction`, without a database and without Prefect.

A document is parsed in a process of its own. A second engine reads a PDF that the first cannot open. Pages without
usable text go to OCR. An error is a `DocumentError`, or a failure beside a provisional result.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from blocks.errors import Corrupt, Crashed, DocumentError, Empty, Encrypted, OcrUnavailable, UnsupportedMediaType
from blocks.files import media_types
from blocks.files.recognition import media_type_of
from blocks.isolation.isolation import Isolation, shared_isolation
from blocks.isolation.pool import Session
from blocks.records import Extraction, Failure, Retry, Stage
from blocks.settings import Settings
from tasks.extract import formats
from tasks.extract.conversion import CONVERTED, OfficeConverter
from tasks.extract.ocr.pool import OcrPool
from tasks.extract.ocr_pages import OcrReader, TimeBudget, read_pages, with_ocr
from tasks.extract.reading import Notes, unpack

MAX_RENDERED_PIXELS = 30_000_000
"""A4 at 300 dpi has 8.7 million; larger pages are drawn at a lower resolution."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's extraction, its JSON, and the failure that makes it provisional, if any."""

    extraction: Extraction
    payload: bytes
    failure: Failure | None = None


class Extractor:
    """Reads documents. Thread-safe; the isolated processes bound how many are read at once."""

    def __init__(self, settings: Settings, isolation: Isolation, ocr: OcrReader) -> None:
        self._settings = settings
        self._isolation = isolation
        self._ocr = ocr
        self._converter = OfficeConverter(settings)
        self._pages = ThreadPoolExecutor(settings.processes + 1, thread_name_prefix="ocr-page")

    def extract(self, content: bytes, media_type: str) -> Extracted:
        """The document's pages. Raises a `DocumentError` if there are none."""
        if media_type in CONVERTED:
            return self._extract_converted(content, media_type)
        known = formats.FORMATS.get(media_type)
        if known is None:
            raise _refusal(media_type)
        arguments: dict[str, JsonValue] = {
            "media_type": media_type,
            "passwords": [password.get_secret_value() for password in self._settings.passwords],
            "max_pages": self._settings.max_pages,
            "max_megapixels": self._settings.max_image_megapixels,
        }
        with self._isolation.open(known.module, content, known.max_documents) as parser:
            (notes, payload), took_s = self._parse(parser, content, media_type, arguments)
            try:
                extraction = Extraction.model_validate_json(payload)
            except ValidationError as error:
                raise Crashed(f"it gave no extraction: {error.error_count()} mistakes in its output") from error
            if not notes.ocr_pages and not notes.has_form:
                return Extracted(extraction, payload)
            if notes.has_form:
                extraction = self._with_form(extraction, content, arguments)
            failure = None
            if notes.ocr_pages:
                extraction, failure = self._with_ocr(extraction, notes, parser, arguments, took_s)
        return Extracted(extraction, extraction.model_dump_json().encode(), failure)

    def _extract_converted(self, content: bytes, media_type: str) -> Extracted:
        made = self.extract(self._converter.as_pdf(content, media_type), media_types.PDF)
        used = {"media_type": media_type, "engine": f"libreoffice, {made.extraction.engine}"}
        extraction = made.extraction.model_copy(update=used)
        return Extracted(extraction, extraction.model_dump_json().encode(), made.failure)

    def _parse(
        self, parser: Session, content: bytes, media_type: str, arguments: Mapping[str, JsonValue]
    ) -> tuple[tuple[Notes, bytes], float]:
        """The parser's notes and payload, and the seconds that it took."""
        timeout_s = self._settings.document_timeout_s
        try:
            packed, took_s = parser.run(formats.READ, arguments, timeout_s)
            return unpack(packed), took_s
        except (Corrupt, Crashed) as error:
            if media_type != media_types.PDF:
                raise
            cause = "pdfium cannot" if isinstance(error, Corrupt) else "pdfium crashed"
            try:
                module, _, function = formats.PDF_FALLBACK.partition(":")
                with self._isolation.open(module, content) as fallback:
                    packed, took_s = fallback.run(function, {**arguments, "cause": cause}, timeout_s)
                return unpack(packed), took_s
            except Crashed:
                raise error from None

    def _with_form(self, extraction: Extraction, content: bytes, arguments: Mapping[str, JsonValue]) -> Extraction:
        try:
            packed = self._isolation.run(formats.PDF_FORM, content, arguments, self._settings.document_timeout_s)
        except DocumentError as error:
            if error.retry is Retry.NOW:
                raise
            # The pages are read, so the attributes name the error in place of the form's values.
            values = {"form_unread": error.kind}
        else:
            values = {f"form.{name}": value for name, value in from_json(packed).items()}
        return extraction.model_copy(update={"attributes": extraction.attributes | values})

    def _with_ocr(
        self, extraction: Extraction, notes: Notes, parser: Session, arguments: Mapping[str, JsonValue], took_s: float
    ) -> tuple[Extraction, Failure | None]:
        unavailable = self._ocr.available
        if unavailable is not None:
            return extraction, OcrUnavailable(unavailable).failure(Stage.EXTRACT)
        for_pages_s = self._settings.ocr_page_timeout_s * len(notes.ocr_pages)
        budget = TimeBudget(self._settings.document_timeout_s + for_pages_s - took_s)

        def render(number: int, timeout_s: float) -> tuple[bytes, float]:
            wanted = {**arguments, "page": number, "max_pixels": MAX_RENDERED_PIXELS}
            return parser.run(formats.RENDER, wanted, timeout_s)

        try:
            read = read_pages(notes.ocr_pages, render, self._ocr, budget, self._pages)
        except OcrUnavailable as error:
            # The engine does not start: as without an engine, the pages that need no OCR are good.
            return extraction, error.failure(Stage.EXTRACT)
        pages = tuple(
            with_ocr(
                page,
                read[page.number],
                is_layer=page.number in notes.layer_pages,
                is_doubtful=page.number in notes.doubtful_pages,
            )
            if page.number in read
            else page
            for page in extraction.pages
        )
        if all(page is None for page in read.values()) and not any(page.text or page.hidden_text for page in pages):
            raise Empty("there is nothing on any page")
        used = {"pages": pages, "engine": f"{extraction.engine}, {self._ocr.engine}"}
        missing = self._ocr.languages_missing
        present = "+".join(language for language in self._settings.ocr_languages if language not in missing)
        return extraction.model_copy(update=used | {"language": present}), None


def _refusal(media_type: str) -> DocumentError:
    """The error of a document whose type no parser reads."""
    if media_type == media_types.EMPTY:
        return Empty("it has no bytes")
    if media_type == media_types.ENCRYPTED_OFFICE:
        return Encrypted(0)
    return UnsupportedMediaType(media_type)


_shared: dict[Settings, Extractor] = {}
_sharing = threading.Lock()  # functools.cache may call its function once per thread


def shared_extractor(settings: Settings) -> Extractor:
    """This process's extractor for these settings, with its parsing and OCR processes. They end with this process."""
    with _sharing:
        if settings not in _shared:
            _shared[settings] = Extractor(settings, shared_isolation(settings), OcrPool(settings))
        return _shared[settings]


def extract_bytes(content: bytes, uri: str, settings: Settings) -> tuple[Extraction | None, Failure | None]:
    """A document's extraction, its failure, or both for a provisional extraction."""
    try:
        extracted = shared_extractor(settings).extract(content, media_type_of(content, uri))
    except DocumentError as error:
        return None, error.failure(Stage.EXTRACT)
    return extracted.extraction, extracted.failure
