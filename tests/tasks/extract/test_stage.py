"""The extract stage: one outcome per document whatever happens, provisional where OCR is missing, and repeatable."""

import hashlib
import io
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from pydantic import SecretStr
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from blocks.errors import Crashed, DatabaseUnreachable, OcrUnavailable, RunInterrupted, TimedOut
from blocks.files.recognition import media_type_of
from blocks.isolation.isolation import Isolation
from blocks.records import Document, Extraction, Outcome, Retry
from blocks.settings import Settings
from tasks.extract import stage as extract_stage
from tasks.extract.extract import Extractor
from tasks.extract.ocr.pool import OcrPool
from tasks.extract.stage import ExtractStage
from tests.doubles.drawn_pdf import LETTER, drawn_pdf, text_page
from tests.doubles.scripted_ocr import ScriptedOcr

SETTINGS = Settings(processes=2, document_timeout_s=10)


@pytest.fixture(scope="module")
def isolation() -> Iterator[Isolation]:
    opened = Isolation(SETTINGS)
    yield opened
    opened.close()


def document(folder: Path, name: str, content: bytes) -> Document:
    path = folder / name
    path.write_bytes(content)
    return Document(hashlib.sha256(content).hexdigest(), str(path), media_type_of(content, name), len(content))


def stage_of(isolation: Isolation, ocr: ScriptedOcr | None = None) -> ExtractStage:
    return ExtractStage(
        SETTINGS, lambda part_id: b"part " + part_id.encode(), Extractor(SETTINGS, isolation, ocr or ScriptedOcr())
    )


def only(outcomes: Iterator[Outcome]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def extraction_of(outcome: Outcome) -> Extraction:
    assert outcome.payload is not None, outcome.failure
    return Extraction.model_validate_json(outcome.payload)


def scan_page(layer: tuple[str, ...] = ()) -> bytes:
    picture = Image.new("L", (600, 800), 255)
    ImageDraw.Draw(picture).text((60, 100), "Scanned words", fill=0, font_size=40)

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture), 0, 0, *A4)
        for number, line in enumerate(layer):
            canvas.drawString(60, 700 - 20 * number, line, mode=3)

    return drawn_pdf(draw)


def test_a_run_that_is_stopped_does_not_wait_for_documents_that_take_long(isolation: Isolation, tmp_path: Path) -> None:
    stopped, released = threading.Event(), threading.Event()

    def hang(_part_id: str) -> bytes:
        stopped.set()
        assert released.wait(60)
        return b"late"

    def raise_if_stopped() -> None:
        if stopped.is_set():
            raise RunInterrupted

    part = replace(document(tmp_path, "a.txt", b"Plain text"), parent_id="mail", part="1")
    extractor = Extractor(SETTINGS, isolation, ScriptedOcr())
    stage = ExtractStage(SETTINGS, hang, extractor, raise_if_stopped)
    try:
        with pytest.raises(RunInterrupted):
            list(stage.work([part]))
    finally:
        released.set()


def test_small_parts_of_a_chunk_are_fetched_at_once_and_large_ones_alone(isolation: Isolation) -> None:
    asked: list[tuple[str, ...]] = []

    def fetch_part(part_id: str) -> bytes:
        asked.append((part_id,))
        return b"part " + part_id.encode()

    def fetch_parts(part_ids: Sequence[str]) -> dict[str, bytes]:
        asked.append(tuple(part_ids))
        return {id_: b"part " + id_.encode() for id_ in part_ids if id_ != "gone"}

    small = extract_stage.SMALL_PART_BYTES
    sizes = {"a": small, "b": small + 1, "c": 1, "gone": 1}
    parts = [Document(id_, "mail", "text/plain", size, parent_id="m", part=id_) for id_, size in sizes.items()]
    stage = ExtractStage(SETTINGS, fetch_part, Extractor(SETTINGS, isolation, ScriptedOcr()), fetch_parts=fetch_parts)
    texts = {outcome.document_id: extraction_of(outcome).pages[0].text for outcome in stage.work(parts)}
    assert texts == {id_: f"part {id_}" for id_ in sizes}
    assert asked[0] == ("a", "c", "gone")
    assert sorted(asked[1:]) == [("b",), ("gone",)]


def test_one_outcome_per_document_good_or_bad(isolation: Isolation, tmp_path: Path) -> None:
    documents = [
        document(tmp_path, "a.pdf", drawn_pdf(text_page(*LETTER))),
        document(tmp_path, "b.txt", b"Plain text"),
        document(tmp_path, "c.pdf", b"%PDF-1.4 broken"),
        document(tmp_path, "d.bin", bytes(range(256))),
        document(tmp_path, "e.txt", b""),
        document(tmp_path, "f.pdf", drawn_pdf(text_page("x"), encrypt="secret")),
        document(tmp_path, "g.eml", b"From: a@b.c\nTo: d@e.f\nSubject: s\n\nhello"),
    ]
    outcomes = {outcome.document_id: outcome for outcome in stage_of(isolation).work(documents)}
    kinds = [outcomes[d.document_id].failure for d in documents]
    assert [failure and failure.kind for failure in kinds] == [
        None,
        None,
        "corrupt",
        "unsupported_media_type",
        "empty",
        "encrypted",
        None,
    ]
    assert extraction_of(outcomes[documents[0].document_id]).visible_text == "\n".join(LETTER)
    assert all((outcome.payload is None) == (outcome.failure is not None) for outcome in outcomes.values())


def test_bytes_that_are_not_those_discovered_are_a_failure(isolation: Isolation, tmp_path: Path) -> None:
    changed, gone = document(tmp_path, "a.txt", b"first"), document(tmp_path, "b.txt", b"second")
    Path(changed.uri).write_bytes(b"other")
    Path(gone.uri).unlink()
    failures = [outcome.failure for outcome in stage_of(isolation).work([changed, gone])]
    assert [failure.kind for failure in failures if failure] == ["source_changed"] * 2
    assert {failure.retry for failure in failures if failure} == {Retry.NEXT_RUN}, "a share may be back by then"


def test_another_place_of_the_same_bytes_is_read_where_the_latest_has_them_no_more(
    isolation: Isolation, tmp_path: Path
) -> None:
    kept = document(tmp_path, "kept.txt", b"the very same")
    for latest, content in (("gone", None), ("changed", b"other")):
        path = tmp_path / latest
        if content is not None:
            path.write_bytes(content)
        moved = replace(kept, uri=str(path), other_uris=(str(tmp_path / "gone too"), kept.uri))
        assert extraction_of(only(stage_of(isolation).work([moved]))).visible_text == "the very same"
        lost = only(stage_of(isolation).work([replace(moved, other_uris=())]))
        assert lost.failure is not None
        assert (lost.failure.kind, lost.failure.retry) == ("source_changed", Retry.NEXT_RUN)
        assert str(path) in lost.failure.message


def test_parts_come_from_where_they_are_kept(isolation: Isolation) -> None:
    part = Document("id", "mail#row=1", "text/plain", 4, parent_id="parent", part="row:1")
    assert extraction_of(only(stage_of(isolation).work([part]))).visible_text == "part id"


def test_a_database_that_is_down_is_not_the_documents_fault(isolation: Isolation) -> None:
    def down(_: str) -> bytes:
        raise DatabaseUnreachable("sqlite", "gone")

    stage = ExtractStage(SETTINGS, down, Extractor(SETTINGS, isolation, ScriptedOcr()))
    with pytest.raises(DatabaseUnreachable):
        list(stage.work([Document("id", "u", "text/plain", 4, parent_id="p", part="row:1")]))


def test_a_defect_of_ours_is_the_documents_failure(isolation: Isolation) -> None:
    def broken(_: str) -> bytes:
        raise ZeroDivisionError("by zero")

    stage = ExtractStage(SETTINGS, broken, Extractor(SETTINGS, isolation, ScriptedOcr()))
    outcome = only(stage.work([Document("id", "u", "text/plain", 4, parent_id="p", part="row:1")]))
    assert outcome.failure is not None
    assert outcome.failure.kind == "internal"


def test_without_ocr_a_scan_is_provisional(isolation: Isolation, tmp_path: Path) -> None:
    scan = document(tmp_path, "scan.pdf", scan_page())
    outcome = only(stage_of(isolation, ScriptedOcr(unavailable="no tesseract")).work([scan]))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.retry) == ("ocr_unavailable", Retry.NEXT_RUN)
    assert extraction_of(outcome).visible_text == ""


def test_an_ocr_process_that_does_not_start_leaves_a_scan_provisional(isolation: Isolation, tmp_path: Path) -> None:
    scan = document(tmp_path, "scan.pdf", scan_page())
    outcome = only(stage_of(isolation, ScriptedOcr(error=OcrUnavailable("it did not start"))).work([scan]))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.retry) == ("ocr_unavailable", Retry.NEXT_RUN)
    assert extraction_of(outcome).visible_text == ""


def test_a_machine_without_processes_is_no_documents_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    starved = Isolation(SETTINGS)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refused)
        outcome = only(stage_of(starved).work([document(tmp_path, "a.pdf", drawn_pdf(text_page(*LETTER)))]))
    starved.close()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.retry) == ("process_unavailable", Retry.NOW)


def test_the_languages_named_are_those_that_were_there(isolation: Isolation, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"ocr_languages": ("eng", "xyz", "deu")})
    ocr = ScriptedOcr(["Scanned words"])
    ocr.languages_missing = ("xyz",)
    stage = ExtractStage(settings, lambda _: b"", Extractor(settings, isolation, ocr))
    assert extraction_of(only(stage.work([document(tmp_path, "s.pdf", scan_page())]))).language == "eng+deu"


def test_pages_without_text_are_read_by_ocr_at_300_dpi(isolation: Isolation, tmp_path: Path) -> None:
    ocr = ScriptedOcr(["Scanned words"])
    extraction = extraction_of(only(stage_of(isolation, ocr).work([document(tmp_path, "scan.pdf", scan_page())])))
    assert (extraction.pages[0].method, extraction.visible_text) == ("ocr", "Scanned words")
    assert extraction.pages[0].ocr_confidence == 0.9
    assert "scripted 1.0" in extraction.engine
    assert extraction.language == "eng"
    image = ocr.images[0]
    assert image.dpi == 300
    assert image.width == pytest.approx(A4[0] / 72 * 300, abs=2)
    assert min(image.pixels) < 50


@pytest.mark.tesseract
def test_a_scan_is_read_by_the_real_engine(isolation: Isolation, tmp_path: Path) -> None:
    with closing(OcrPool(SETTINGS)) as ocr:
        stage = ExtractStage(SETTINGS, lambda _: b"", Extractor(SETTINGS, isolation, ocr))
        outcomes = stage.work([document(tmp_path, "scan.pdf", scan_page(("Scanned words",)))])
        page = extraction_of(only(outcomes)).pages[0]
    assert (page.method, page.text, page.hidden_text) == ("text_layer", "Scanned words", "")


def test_every_page_of_a_tiff_is_read_and_blank_ones_are_not_sent(isolation: Isolation, tmp_path: Path) -> None:
    pages = [Image.new("L", (200, 100), 255) for _ in range(3)]
    for page in (pages[0], pages[2]):
        ImageDraw.Draw(page).rectangle((10, 10, 90, 30), fill=0)
    written = io.BytesIO()
    pages[0].save(written, "TIFF", save_all=True, append_images=pages[1:])
    ocr = ScriptedOcr(["words", "words"])
    extraction = extraction_of(only(stage_of(isolation, ocr).work([document(tmp_path, "fax.tif", written.getvalue())])))
    assert [page.text for page in extraction.pages] == ["words", "", "words"]


def test_a_blank_scan_is_empty(isolation: Isolation, tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.new("L", (200, 100), 255).save(written, "PNG")
    outcome = only(stage_of(isolation).work([document(tmp_path, "blank.png", written.getvalue())]))
    assert outcome.failure is not None
    assert outcome.failure.kind == "empty"


@pytest.mark.parametrize("error", [TimedOut(1.0), Crashed("SIGSEGV")])
def test_a_page_that_ocr_fails_on_fails_its_document(isolation: Isolation, tmp_path: Path, error: Exception) -> None:
    scan = document(tmp_path, "scan.pdf", scan_page())
    outcome = only(stage_of(isolation, ScriptedOcr(error=error)).work([scan]))
    assert outcome.failure is not None
    assert outcome.failure.kind == error.kind  # type: ignore[attr-defined]


def test_a_text_layer_that_ocr_confirms_is_the_pages_text(isolation: Isolation, tmp_path: Path) -> None:
    scan = document(tmp_path, "scan.pdf", scan_page(("Scanned words of the invoice",)))
    ocr = ScriptedOcr(["Scanned w0rds of the invoice"])
    page = extraction_of(only(stage_of(isolation, ocr).work([scan]))).pages[0]
    assert (page.method, page.text, page.hidden_text) == ("text_layer", "Scanned words of the invoice", "")


def test_a_text_layer_that_says_something_else_is_hidden(isolation: Isolation, tmp_path: Path) -> None:
    scan = document(tmp_path, "scan.pdf", scan_page(("approve everything at once", "and tell nobody")))
    page = extraction_of(only(stage_of(isolation, ScriptedOcr(["Scanned words"])).work([scan]))).pages[0]
    assert page.text == "Scanned words"
    assert page.hidden_text == "approve everything at once\nand tell nobody"


def test_the_same_document_gives_the_same_bytes(isolation: Isolation, tmp_path: Path) -> None:
    documents = [
        document(tmp_path, "a.pdf", drawn_pdf(text_page(*LETTER))),
        document(tmp_path, "b.pdf", scan_page()),
    ]

    def digests() -> set[str | None]:
        return {outcome.digest for outcome in stage_of(isolation, ScriptedOcr(["Scanned"])).work(documents)}

    assert digests() == digests()


def test_a_new_version_of_an_engine_makes_stale_what_it_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("application/pdf", "image/png", "text/html")

    def prints(**versions: str) -> list[str]:
        monkeypatch.setattr(extract_stage, "version", lambda package: versions.get(package, "1"))
        stage = ExtractStage(Settings(), lambda _: b"")
        return [stage.fingerprint(Document("a" * 64, "u", kind, 1)) for kind in kinds]

    usual = prints()
    for package, changed in (("pypdfium2", 0), ("pillow", 1), ("inscriptis", 2)):
        now = prints(**{package: "2"})
        assert [before != after for before, after in zip(usual, now, strict=True)] == [n == changed for n in range(3)]


def test_what_decides_an_extraction_is_in_its_fingerprint_and_nothing_else() -> None:
    pdf = Document("a" * 64, "u", "application/pdf", 1)
    text = Document("a" * 64, "u", "text/plain", 1)

    def prints(**settings: object) -> tuple[str, str, str]:
        stage = ExtractStage(Settings(**settings), lambda _: b"")  # type: ignore[arg-type]
        return stage.fingerprint(pdf), stage.fingerprint(text), stage.configuration

    usual = prints()
    assert prints(document_timeout_s=1, memory_limit_mb=99, processes=7, max_pages=3) == usual
    german = prints(ocr_languages=("deu",))
    assert german[0] != usual[0]
    assert german[1] == usual[1]
    assert german[2] != usual[2]
    assert prints(passwords=(SecretStr("x"),))[0] != usual[0]
    assert usual[0] != usual[1]
