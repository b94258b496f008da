"""OCR processes for a whole worker: started when first needed, replaced when one fails or grows."""

import logging
import threading
import time
from collections import deque
from functools import cache, cached_property
from types import TracebackType
from typing import Self

from blocks.errors import OcrUnavailable
from blocks.settings import Settings
from tasks.extract.ocr.choice import EngineChoice, choose_engine
from tasks.extract.ocr.engine import find_language_packs
from tasks.extract.ocr.image import GrayImage, OcrPage
from tasks.extract.ocr.process import OcrProcess

RECYCLE_AFTER_PAGES = 500
RECYCLE_ABOVE_SHARE_OF_MEMORY = 0.6

log = logging.getLogger(__name__)


class OcrPool:
    """At most `settings.processes` pages are read at once, each in a process of its own. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(settings.processes)
        self._lock = threading.Lock()
        self._idle: deque[OcrProcess] = deque()
        self._is_closed = False

    @cached_property
    def _choice(self) -> EngineChoice | str:
        return choose_engine(self._settings)

    @property
    def available(self) -> str | None:
        """None where pages can be read, else why not and what to do."""
        return self._choice if isinstance(self._choice, str) else None

    @property
    def engine(self) -> str:
        """Engine, version of Tesseract and languages, such as ``tesserocr 5.5.4 eng``; ``none`` where there is none."""
        return "none" if isinstance(self._choice, str) else self._choice.name

    @property
    def languages_missing(self) -> tuple[str, ...]:
        """The languages of the settings that no pack was found for."""
        if isinstance(self._choice, EngineChoice):
            return self._choice.packs.missing
        return find_language_packs(self._settings.ocr_languages, self._settings.tessdata_dir).missing

    def read_page(self, image: GrayImage, timeout_s: float) -> OcrPage:
        """The page as OCR reads it. `timeout_s` counts from when a process begins with it.

        Raises `OcrUnavailable`; `TimedOut`, `OutOfMemory` and `Crashed` for this page alone.
        """
        return self.read_page_timed(image, timeout_s)[0]

    def read_page_timed(self, image: GrayImage, timeout_s: float) -> tuple[OcrPage, float]:
        """As `read_page`, with the seconds that it took; waiting for a free process does not count."""
        if isinstance(self._choice, str):
            raise OcrUnavailable(self._choice)
        with self._slots:
            started = time.monotonic()
            process = self._take(self._choice)
            try:
                page = process.read_page(image, timeout_s)
                return page, time.monotonic() - started
            finally:
                self._give_back(process)

    def close(self) -> None:
        """End every process; one that is in use ends after its page."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = list(self._idle), deque()
        for process in idle:
            process.close()

    def __enter__(self) -> Self:
        """The pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""
        self.close()

    def _take(self, choice: EngineChoice) -> OcrProcess:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None:
                return OcrProcess(choice, self._settings.memory_limit_mb)
            if process.is_usable:
                return process
            process.close()

    def _give_back(self, process: OcrProcess) -> None:
        grown = process.mapped_mb > RECYCLE_ABOVE_SHARE_OF_MEMORY * self._settings.memory_limit_mb
        with self._lock:
            keep = (
                process.is_usable and not self._is_closed and not (grown or process.pages_read >= RECYCLE_AFTER_PAGES)
            )
            if keep:
                self._idle.append(process)
        if not keep:
            log.debug("OCR process %d is let go after %d pages", process.pid, process.pages_read)
            process.close()


@cache
def shared_pool(settings: Settings) -> OcrPool:
    """This process's OCR pool for these settings: an engine takes a moment to load, so chunks share it."""
    return OcrPool(settings)
