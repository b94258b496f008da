"""The OCR processes of a worker: started at the first page, replaced when they fail or grow."""

import threading
from dataclasses import asdict

from pydantic import JsonValue

from blocks.errors import OcrUnavailable, ProcessUnavailable
from blocks.files.pages import GrayImage
from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool
from blocks.settings import Settings
from tasks.extract.ocr.choice import EngineChoice, choose_engine
from tasks.extract.ocr.engine import find_language_packs
from tasks.extract.ocr.ocr_page import OcrPage

MAX_PAGES = 500
"""A process is replaced after so many pages."""
OPEN_FILES = 64
BITMAP_FILE_MB = 512
"""The tesseract command gets a page as a file."""


class OcrPool:
    """Reads up to `settings.processes` pages at once, each in a process of its own. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()  # cached_property does not lock from Python 3.12 on
        self._chosen: EngineChoice | str | None = None
        self._processes: ProcessPool | None = None

    @property
    def _choice(self) -> EngineChoice | str:
        with self._lock:
            if self._chosen is None:
                self._chosen = choose_engine(self._settings)
            return self._chosen

    @property
    def available(self) -> str | None:
        """None if pages can be read, else why not and what to do."""
        return self._choice if isinstance(self._choice, str) else None

    @property
    def engine(self) -> str:
        """Engine, version of Tesseract and languages, such as ``tesserocr 5.5.4 eng``; ``none`` without an engine."""
        return "none" if isinstance(self._choice, str) else self._choice.name

    @property
    def languages_missing(self) -> tuple[str, ...]:
        """The languages of the settings that have no pack."""
        if isinstance(self._choice, EngineChoice):
            return self._choice.packs.missing
        return find_language_packs(self._settings.ocr_languages, self._settings.tessdata_dir).missing

    @property
    def processes(self) -> ProcessPool:
        """The OCR processes. Raises `OcrUnavailable` without an engine."""
        with self._lock:
            if self._processes is None:
                self._processes = self._new_processes()
            return self._processes

    def _new_processes(self) -> ProcessPool:
        choice = self._choice
        if isinstance(choice, str):
            raise OcrUnavailable(choice)
        command = choice.command
        limits = Limits(
            memory_mb=self._settings.memory_limit_mb,
            open_files=OPEN_FILES,
            file_mb=0 if command is None else BITMAP_FILE_MB,
            program=command,
        )
        kind = ProcessKind(
            "tasks.extract.ocr.worker",
            limits,
            self._settings.max_output_mb,
            {"choice": _as_json(choice)},
            MAX_PAGES,
        )
        return ProcessPool(kind, threading.BoundedSemaphore(self._settings.processes))

    def read_page(self, image: GrayImage, timeout_s: float) -> OcrPage:
        """The page as OCR reads it. The time counts from the moment that a process begins with it.

        Raises `OcrUnavailable`; `TimedOut`, `OutOfMemory` and `Crashed` for this page alone.
        """
        return self.read_page_timed(image, timeout_s)[0]

    def read_page_timed(self, image: GrayImage, timeout_s: float) -> tuple[OcrPage, float]:
        """As `read_page`, with the seconds that it took."""
        arguments: dict[str, JsonValue] = {"width": image.width, "height": image.height, "dpi": image.dpi}
        try:
            with self.processes.open(image.pixels) as session:
                page, took_s = session.run("read", arguments, timeout_s)
        except ProcessUnavailable as error:
            raise OcrUnavailable(f"an OCR process did not start ({error.cause})") from error
        return OcrPage.model_validate_json(page), took_s

    def close(self) -> None:
        """End every process. The end of this Python process ends them too."""
        with self._lock:
            if self._processes is not None:
                self._processes.close()


def _as_json(choice: EngineChoice) -> dict[str, JsonValue]:
    folder = choice.packs.folder
    packs = asdict(choice.packs) | {"folder": None if folder is None else str(folder)}
    return asdict(choice) | {"packs": packs}
