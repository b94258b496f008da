import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from blocks.errors import Crashed, OcrUnavailable, OutOfMemory, TimedOut
from blocks.files.pages import GrayImage
from blocks.settings import PROJECT_DIR, Settings
from tasks.extract.ocr.choice import EngineChoice
from tasks.extract.ocr.pool import OcrPool
from tests.tasks.extract.ocr.conftest import PageImage, choice, gray
from tests.winnow_command import wait_until

pytestmark = pytest.mark.tesseract

WHILE_READING = """
import sys, threading, time
from PIL import Image
from blocks.settings import Settings
from blocks.files.pages import GrayImage
from tasks.extract.ocr.pool import OcrPool
page = Image.open(sys.argv[2]).convert("L").resize((2480, 3508))
pool = OcrPool(Settings(ocr_engine=sys.argv[1], processes=1))
pool.read_page(GrayImage(200, 200, 100, bytes([255]) * 40_000), 60)
image = GrayImage(page.width, page.height, 300, page.tobytes())
threading.Thread(target=pool.read_page, args=(image, 60), daemon=True).start()
print("reading", flush=True)
time.sleep(60)
"""


@pytest.fixture
def note() -> GrayImage:
    image = Image.new("L", (700, 120), 255)
    ImageDraw.Draw(image).text((20, 30), "Amount due 12.50 EUR", fill=0, font_size=48)
    return gray(image)


@pytest.fixture(params=["tesserocr", "pytesseract"])
def pool(request: pytest.FixtureRequest) -> Iterator[OcrPool]:
    with closing(OcrPool(Settings(ocr_engine=request.param, processes=2))) as pool:
        yield pool


def descendants(ancestor: int) -> set[int]:
    """Ids of the processes that a process has started, and those that they have."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, before = {ancestor}, set[int]()
    while found != before:
        before = set(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {ancestor}


def processes_of(pool: OcrPool) -> set[int]:
    """Ids of the OCR processes, without what they have started."""
    server = pool.processes.server_pid
    assert server is not None
    return {int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()}


def only_process(pool: OcrPool) -> int:
    (process_id,) = processes_of(pool)
    return process_id


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(ids: set[int], within_s: float = 60.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(is_running(process_id) for process_id in ids):
            return True
        time.sleep(0.05)
    return False


def test_a_page_is_read_by_an_unprivileged_process_that_stays(pool: OcrPool, note: GrayImage) -> None:
    assert "12.50" in pool.read_page(note, 20).text
    process = only_process(pool)
    assert pool.read_page(note, 20).confidence > 0.8
    assert only_process(pool) == process
    limits = Path(f"/proc/{process}/limits").read_text()
    assert "Max core file size        0" in limits
    if os.geteuid() == 0:
        assert "65534\t65534\t65534" in Path(f"/proc/{process}/status").read_text()


def test_a_process_makes_way_for_another_after_its_share_of_pages(
    note: GrayImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.extract.ocr.pool.MAX_PAGES", 2)
    with closing(OcrPool(Settings(ocr_engine="tesserocr", processes=1))) as pool:
        used = []
        for _ in range(3):
            pool.read_page(note, 20)
            used.append(processes_of(pool))
    assert len(used[0]) == 1
    assert not used[0] & used[2]


def test_threads_share_no_process_and_no_more_are_started_than_allowed(note: GrayImage) -> None:
    with closing(OcrPool(Settings(ocr_engine="tesserocr", processes=2))) as pool, ThreadPoolExecutor(6) as threads:
        pages = list(threads.map(lambda _: pool.read_page(note, 20), range(8)))
        assert len(processes_of(pool)) <= 2
    assert {page.text for page in pages} == {pages[0].text}


def test_a_page_over_its_time_costs_itself_and_its_process_only(
    pool: OcrPool, note: GrayImage, page_image: PageImage
) -> None:
    pool.read_page(note, 20)
    process = only_process(pool)
    with pytest.raises(TimedOut, match=r"0\.05 s"):
        pool.read_page(gray(page_image("invoice_bilevel.tif").resize((2_480, 3_508)), 300), 0.05)
    assert gone({process})
    assert "12.50" in pool.read_page(note, 20).text


def test_a_process_that_is_killed_is_replaced(pool: OcrPool, note: GrayImage) -> None:
    pool.read_page(note, 20)
    process = only_process(pool)
    os.kill(process, signal.SIGKILL)
    assert gone({process})

    def is_read() -> bool:
        try:
            return "12.50" in pool.read_page(note, 20).text
        except Crashed:  # the fork server has not reported the end yet
            return False

    wait_until(is_read)


def test_a_process_that_dies_on_a_page_is_that_pages_crash(
    pool: OcrPool, note: GrayImage, page_image: PageImage
) -> None:
    pool.read_page(note, 20)
    large = gray(page_image("invoice_bilevel.tif").resize((2_480, 3_508)), 300)
    threading.Timer(0.3, os.kill, (only_process(pool), signal.SIGSEGV)).start()
    with pytest.raises(Crashed, match="SIGSEGV"):
        pool.read_page(large, 20)
    assert "12.50" in pool.read_page(note, 20).text


def test_a_fork_server_that_dies_costs_no_page(note: GrayImage) -> None:
    with closing(OcrPool(Settings(ocr_engine="tesserocr", processes=1))) as pool:
        pool.read_page(note, 20)
        server = pool.processes.server_pid
        assert server is not None
        os.kill(server, signal.SIGKILL)
        assert "12.50" in pool.read_page(note, 20).text


def test_a_page_that_needs_too_much_memory_says_so(note: GrayImage) -> None:
    with closing(OcrPool(Settings(ocr_engine="tesserocr", memory_limit_mb=64, processes=1))) as pool:
        with pytest.raises(OutOfMemory, match="64 MB"):
            pool.read_page(gray(Image.new("L", (8_000, 9_000), 255), 300), 20)
        assert "12.50" in pool.read_page(note, 20).text


def test_closing_ends_every_process_and_removes_its_folder(note: GrayImage) -> None:
    before = set(Path("/tmp").glob("winnow-ocr-*"))
    with closing(OcrPool(Settings(ocr_engine="pytesseract", processes=1))) as pool:
        pool.read_page(note, 20)
        process = only_process(pool)
        folders = set(Path("/tmp").glob("winnow-ocr-*")) - before  # those of tests in other processes among them
    assert gone({process})
    assert any(not folder.exists() for folder in folders)


@pytest.mark.parametrize("engine", ["tesserocr", "pytesseract"])
def test_nothing_is_left_when_the_parent_is_killed_while_a_page_is_read(engine: str) -> None:
    page = PROJECT_DIR / "tests" / "resources" / "ocr" / "invoice_bilevel.tif"
    with subprocess.Popen(
        [sys.executable, "-c", WHILE_READING, engine, str(page)], cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "reading\n"
        expected = 2 if engine == "tesserocr" else 3
        deadline = time.monotonic() + 120
        while len(started := descendants(parent.pid)) < expected and time.monotonic() < deadline:
            time.sleep(0.02)
        parent.kill()
    assert len(started) >= expected, "a fork server, a process, and what it has started"
    assert gone(started)


def test_without_an_engine_the_pool_says_why_and_reads_nothing(note: GrayImage) -> None:
    pool = OcrPool(Settings(ocr_languages=("xxx",)))
    assert pool.available is not None
    assert pool.engine == "none"
    assert pool.languages_missing == ("xxx",)
    with pytest.raises(OcrUnavailable, match="xxx"):
        pool.read_page(note, 20)


def test_broken_language_data_is_unavailable_not_a_crash(tmp_path: Path, note: GrayImage) -> None:
    (tmp_path / "eng.traineddata").write_bytes(b"not a model")
    tmp_path.chmod(0o755)
    with (
        closing(OcrPool(Settings(ocr_engine="tesserocr", tessdata_dir=tmp_path))) as pool,
        pytest.raises(OcrUnavailable, match=r"does not start|did not start"),
    ):
        pool.read_page(note, 20)


def test_threads_that_come_first_at_once_share_the_engine_and_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []

    def slow(settings: Settings) -> EngineChoice:
        time.sleep(0.1)
        chosen.append(settings)
        return choice()

    monkeypatch.setattr("tasks.extract.ocr.pool.choose_engine", slow)
    with closing(OcrPool(Settings())) as pool, ThreadPoolExecutor(4) as threads:
        pools = list(threads.map(lambda _: pool.processes, range(4)))
    assert len({id(processes) for processes in pools}) == 1
    assert len(chosen) == 1
