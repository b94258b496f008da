"""Pictures of pages on disk, within a bound: those used least recently go first. A full disk costs only time."""

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

KEEP_SHARE = 0.9
"""How much of the bound is left after pictures were deleted, so that not every new one deletes another."""

log = logging.getLogger(__name__)


def default_folder() -> Path:
    """The folder in the user's cache."""
    return user_cache_path("winnow", appauthor=False) / "pages"


def clear() -> None:
    """Delete every picture in the default folder: they are drawn again when they are asked for."""
    for path in default_folder().glob("*"):
        path.unlink(missing_ok=True)


class PageCache:
    """Pictures by a key that is safe as a file's name. Thread-safe; a picture is drawn once at a time."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._lock = threading.Lock()
        self._drawing: dict[str, threading.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._bytes = sum(size for _, size, _ in self._files())

    def get(self, key: str, draw: Callable[[], bytes]) -> bytes:
        """The picture of this key, from the disk or drawn. Raises what `draw` raises."""
        with self._lock:
            lock = self._drawing.setdefault(key, threading.Lock())
        try:
            with lock:
                content = self._read(key)
                if content is None:
                    content = draw()
                    if content:
                        self._write(key, content)
                return content
        finally:
            with self._lock:
                self._drawing.pop(key, None)

    def _read(self, key: str) -> bytes | None:
        path = self._folder / key
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return content or None

    def _write(self, key: str, content: bytes) -> None:
        try:
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(content)
            Path(file.name).replace(self._folder / key)
        except OSError as error:
            log.warning("a page's picture cannot be kept: %s", error)
            return
        with self._lock:
            self._bytes += len(content)
            if self._bytes > self._max_bytes:
                self._evict()

    def _evict(self) -> None:
        self._bytes = 0
        room = int(self._max_bytes * KEEP_SHARE)
        for _, size, path in sorted(self._files(), reverse=True):
            if self._bytes + size <= room:
                self._bytes += size
            else:
                path.unlink(missing_ok=True)

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
            except FileNotFoundError:  # another process deleted it
                continue
            found.append((stat.st_mtime, stat.st_size, path))
        return found
