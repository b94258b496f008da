"""From a document's bytes to its extraction: engines, time, forms and OCR."""

import codecs
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from blocks.errors import (
    Corrupt,
    Crashed,
    Empty,
    Encrypted,
    ProcessUnavailable,
    TimedOut,
    UnsupportedMediaType,
)
from blocks.files.media_types import EMPTY, ENCRYPTED_OFFICE, PDF
from blocks.files.pages import GrayImage
from blocks.records import Extraction
from blocks.settings import Settings
from tasks.extract import extract as extract_module
from tasks.extract.extract import Extracted, Extractor, extract_bytes, shared_extractor
from tasks.extract.ocr.ocr_page import OcrPage
from tasks.extract.reading import PageReading, Reading
from tests.doubles.scripted_ocr import ScriptedOcr


@pytest.mark.parametrize("name", ["note.txt", "table.csv", "page.html"])
def test_a_byte_order_mark_is_read_by_a_process_without_rights(name: str) -> None:
    text = {"note.txt": "my card", "table.csv": "id;text\n1;my card\n", "page.html": "<html><p>my card</p></html>"}[
        name
    ]
    extraction, failure = extract_bytes(codecs.BOM_UTF8 + text.encode(), name, Settings())
    assert failure is None
    assert extraction is not None
    assert "my card" in extraction.visible_text
    assert "\ufeff" not in extraction.visible_text


INK = GrayImage(2, 2, 300, bytes([0, 255, 255, 255])).pack()
BLANK = GrayImage(2, 2, 300, bytes([255, 250, 255, 255])).pack()


class ScriptedParsers:
    """Isolation whose parsers reply by function: bytes, or an error to raise; each reply takes `took_s`."""

    def __init__(self, took_s: float = 0.0, **replies: bytes | Exception | list[bytes]) -> None:
        self.took_s = took_s
        self.replies = replies
        self.timeouts: list[tuple[str, float]] = []
        self.opened: list[str] = []

    @contextmanager
    def open(self, module: str, content: bytes, max_documents: int = 1) -> Iterator["ScriptedParsers"]:
        self.opened.append(module)
        yield self

    def run(self, function: str, *arguments: object) -> object:
        if len(arguments) == 3:  # as Isolation.run: module and function, content, arguments, timeout
            return self._reply(function.partition(":")[2])
        self.timeouts.append((function, float(str(arguments[1]))))
        return self._reply(f"{self.opened[-1].rpartition('.')[2]}_{function}"), self.took_s

    def _reply(self, name: str) -> bytes:
        reply = self.replies[name]
        if isinstance(reply, Exception):
            raise reply
        return reply.pop(0) if isinstance(reply, list) else reply


class TimedOcr(ScriptedOcr):
    """Records how long it may take for each page."""

    def __init__(self, *texts: str, took_s: float = 0.0) -> None:
        super().__init__(texts, took_s=took_s)
        self.timeouts: list[float] = []

    def read_page_timed(self, image: GrayImage, timeout_s: float) -> tuple[OcrPage, float]:
        self.timeouts.append(timeout_s)
        return super().read_page_timed(image, timeout_s)


def packed(*pages: PageReading, media_type: str = PDF, has_form: bool = False) -> bytes:
    return Reading(media_type, "engine 1", list(pages), has_form=has_form).pack()


def scanned(number: int) -> PageReading:
    return PageReading(number, method="ocr", needs_ocr=True)


def extract(parsers: ScriptedParsers, ocr: ScriptedOcr | None = None, media_type: str = PDF) -> Extracted:
    settings = Settings(document_timeout_s=20, ocr_page_timeout_s=10, processes=1)
    extractor = Extractor(settings, parsers, ocr or ScriptedOcr())  # type: ignore[arg-type]  # a double
    return extractor.extract(b"content", media_type)


def test_parsing_and_drawing_are_taken_off_the_documents_time_for_ocr() -> None:
    parsers = ScriptedParsers(7.0, pdf_read=packed(scanned(1)), pdf_render=[INK])
    ocr = TimedOcr("words")
    assert extract(parsers, ocr).extraction.visible_text == "words"
    assert parsers.timeouts == [("read", 20.0), ("render", 20 + 10 - 7.0)]
    assert ocr.timeouts == [20 + 10 - 7.0 - 7.0]


def test_each_page_of_ocr_adds_its_time_and_all_pages_share_it() -> None:
    parsers = ScriptedParsers(
        0.0, pdf_read=packed(scanned(1), PageReading(2, "text"), scanned(3)), pdf_render=[INK, INK]
    )
    ocr = TimedOcr("first", "third", took_s=25.0)
    extracted = extract(parsers, ocr)
    assert [page.text for page in extracted.extraction.pages] == ["first", "text", "third"]
    assert max(ocr.timeouts) == 20 + 2 * 10


def test_a_document_that_used_up_its_time_by_parsing_times_out() -> None:
    parsers = ScriptedParsers(31.0, pdf_read=packed(scanned(1)), pdf_render=[INK])
    with pytest.raises(TimedOut, match="WINNOW_OCR_PAGE_TIMEOUT_S"):
        extract(parsers)


@pytest.mark.parametrize("error", [Corrupt(PDF, "x"), Crashed("SIGSEGV")])
def test_a_pdf_that_pdfium_cannot_read_is_read_by_the_other_engine(error: Exception) -> None:
    parsers = ScriptedParsers(pdf_read=error, pdf_fallback_read=packed(PageReading(1, "found")))
    assert extract(parsers).extraction.visible_text == "found"
    assert parsers.opened == ["tasks.extract.pdf", "tasks.extract.pdf_fallback"]


def test_where_the_other_engine_crashes_too_the_first_ones_error_stands() -> None:
    parsers = ScriptedParsers(pdf_read=Corrupt(PDF, "first"), pdf_fallback_read=Crashed("SIGSEGV"))
    with pytest.raises(Corrupt, match="first"):
        extract(parsers)


@pytest.mark.parametrize("error", [TimedOut(20), Encrypted(0)])
def test_other_errors_are_final(error: Exception) -> None:
    with pytest.raises(type(error)):
        extract(ScriptedParsers(pdf_read=error))


def test_only_a_pdf_has_another_engine() -> None:
    parsers = ScriptedParsers(html_read=Corrupt("text/html", "x"))
    with pytest.raises(Corrupt):
        extract(parsers, media_type="text/html")
    assert parsers.opened == ["tasks.extract.html"]


def test_values_of_a_form_stand_beside_the_pages() -> None:
    page = packed(PageReading(1, "text"), has_form=True)
    extracted = extract(ScriptedParsers(pdf_read=page, form_values=b'{"name": "Ada"}'))
    assert extracted.extraction.attributes == {"form.name": "Ada"}
    assert Extraction.model_validate_json(extracted.payload) == extracted.extraction


def test_a_form_that_cannot_be_read_costs_its_values_alone() -> None:
    page = packed(PageReading(1, "text"), has_form=True)
    extracted = extract(ScriptedParsers(pdf_read=page, form_values=TimedOut(20)))
    assert extracted.extraction.attributes == {"form_unread": "timed_out"}
    with pytest.raises(ProcessUnavailable):
        extract(ScriptedParsers(pdf_read=page, form_values=ProcessUnavailable("none left")))


def test_blank_scans_are_empty_unless_another_page_has_text() -> None:
    with pytest.raises(Empty):
        extract(ScriptedParsers(pdf_read=packed(scanned(1)), pdf_render=[BLANK]))
    pages = packed(scanned(1), PageReading(2, "text"))
    assert extract(ScriptedParsers(pdf_read=pages, pdf_render=[BLANK])).extraction.pages[1].text == "text"


def test_output_that_is_no_extraction_is_a_crash_of_its_parser() -> None:
    with pytest.raises(Crashed, match="no extraction"):
        extract(ScriptedParsers(pdf_read=packed(PageReading(1, method="magic"))))


@pytest.mark.parametrize(
    ("media_type", "error"),
    [(EMPTY, Empty), (ENCRYPTED_OFFICE, Encrypted), ("application/zip", UnsupportedMediaType)],
)
def test_what_no_parser_reads_is_refused_with_its_reason(media_type: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        extract(ScriptedParsers(), media_type=media_type)


def test_threads_that_come_first_at_once_share_an_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(settings: Settings) -> str:
        time.sleep(0.1)
        return "an OCR pool"

    monkeypatch.setattr(extract_module, "OcrPool", slow)
    monkeypatch.setattr(extract_module, "_shared", {})
    settings = Settings(processes=3)
    with ThreadPoolExecutor(4) as threads:
        shared = list(threads.map(lambda _: shared_extractor(settings), range(4)))
    assert len({id(extractor) for extractor in shared}) == 1
    assert shared_extractor(Settings(processes=4)) is not shared[0]
