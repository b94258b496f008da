"""Formats that only LibreOffice reads, by way of PDF: in a process that may start it and nothing else."""

import shutil
import threading

from blocks.errors import UnsupportedMediaType
from blocks.files import media_types
from blocks.isolation.fork_server_client import ProcessKind
from blocks.isolation.limits import Limits
from blocks.isolation.pool import ProcessPool
from blocks.settings import Settings

CONVERTED = {
    media_types.DOC: "doc",
    media_types.PPT: "ppt",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "application/vnd.wordperfect": "wpd",
}
"""What people call each format, by media type; LibreOffice takes the format from the name of a file."""
COMMANDS = ("soffice", "libreoffice")
CONVERTER = "tasks.extract.office_process"
TIMEOUT_S = 60.0
"""LibreOffice takes some seconds to start, however small the document is."""
MEMORY_FACTOR = 4
"""LibreOffice maps more memory than it uses."""
OPEN_FILES = 512
FILE_MB = 200


class OfficeConverter:
    """Makes PDFs of documents, one at a time: LibreOffice is large. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._processes: ProcessPool | None = None

    def as_pdf(self, content: bytes, media_type: str) -> bytes:
        """The document as PDF. Raises `UnsupportedMediaType` without LibreOffice, and `Corrupt` for a bad file."""
        command = next(filter(None, map(shutil.which, COMMANDS)), None)
        if command is None:
            raise UnsupportedMediaType(media_type, through="LibreOffice")
        arguments = {"command": command, "suffix": CONVERTED[media_type], "media_type": media_type}
        with self._pool(command).open(content) as session:
            return session.run("convert", arguments, TIMEOUT_S)[0]

    def _pool(self, command: str) -> ProcessPool:
        with self._lock:
            if self._processes is None:
                limits = Limits(
                    memory_mb=MEMORY_FACTOR * self._settings.memory_limit_mb,
                    open_files=OPEN_FILES,
                    file_mb=FILE_MB,
                    program=command,
                )
                kind = ProcessKind(CONVERTER, limits, self._settings.max_output_mb)
                self._processes = ProcessPool(kind, threading.BoundedSemaphore(1))
            return self._processes
