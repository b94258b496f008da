"""One OCR process, seen from the worker that uses it: it is started, given pages, and ended in every case."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import asdict
from pathlib import Path
from typing import IO

from blocks.errors import Crashed, OcrUnavailable, OutOfMemory, TimedOut
from blocks.isolation.limits import NOBODY
from blocks.isolation.wire import REPLY, ChildDefect, ReplyKind, unpack_error
from blocks.settings import PROJECT_DIR
from tasks.extract.ocr.choice import EngineChoice
from tasks.extract.ocr.image import GrayImage, OcrPage
from tasks.extract.ocr.wire import REQUEST, receive

START_TIMEOUT_S = 60.0
_MEMORY_SIGNS = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"malloc fail")


class OcrProcess:
    """A process that reads pages one at a time. Not thread-safe. Raises OcrUnavailable where it does not start."""

    def __init__(self, choice: EngineChoice, memory_limit_mb: int) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._folder = tempfile.mkdtemp(prefix="winnow-ocr-")
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - `_end` closes it
        self._channel, theirs = socket.socketpair()
        with theirs:
            order = {
                "fd": theirs.fileno(),
                "parent": os.getpid(),
                "memory_limit_mb": memory_limit_mb,
                "folder": self._folder,
                "choice": asdict(choice),
            }
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tasks.extract.ocr.worker", json.dumps(order, default=str)],
                pass_fds=[theirs.fileno()],
                env=_environment(choice, self._folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,
            )
        self.pages_read = 0
        self.mapped_mb = 0.0
        self._finish = weakref.finalize(self, _end, self._process, self._channel, self._log, self._folder)
        self._wait_until_ready()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it can be given another page."""
        return self._finish.alive and self._process.poll() is None

    def read_page(self, image: GrayImage, timeout_s: float) -> OcrPage:
        """The page as read there. After any of the errors it raises, but for the engine's own refusal, it is ended.

        Raises `TimedOut`, `OutOfMemory`, `Crashed`, and `ChildDefect` for a defect in our own code there.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._send(REQUEST.pack(image.width, image.height, image.dpi), deadline)
            self._send(image.pixels, deadline)
            kind, body = self._receive_reply(deadline)
        except TimeoutError:
            self.close()
            raise TimedOut(timeout_s) from None
        except (EOFError, ConnectionError):
            raise self._cause_of_death() from None
        self.pages_read += 1
        if kind == ReplyKind.RESULT:
            return OcrPage.model_validate_json(body)
        if kind == ReplyKind.ERROR:
            raise unpack_error(body)
        self.close()
        if kind == ReplyKind.OUT_OF_MEMORY:
            raise OutOfMemory(self._memory_limit_mb)
        raise ChildDefect(body.decode(errors="replace"))

    def close(self) -> None:
        """End the process and all that it started, and remove its folder."""
        self._finish()

    def _wait_until_ready(self) -> None:
        try:
            kind, body = self._receive_reply(time.monotonic() + START_TIMEOUT_S)
        except (TimeoutError, EOFError) as error:
            last_words = self._last_words().decode(errors="replace").strip().splitlines()[-1:]
            self.close()
            raise OcrUnavailable(f"an OCR process did not start ({''.join(last_words) or error})") from None
        if kind != ReplyKind.RESULT:
            self.close()
            raise unpack_error(body)

    def _send(self, content: bytes, deadline: float) -> None:
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        self._channel.sendall(content)

    def _receive_reply(self, deadline: float) -> tuple[int, bytes]:
        self._channel.settimeout(max(0.001, deadline - time.monotonic()))
        header = receive(self._channel, REPLY.size)
        if header is None:
            raise EOFError
        kind, mapped_kb, size = REPLY.unpack(header)
        body = receive(self._channel, size)
        if body is None:
            raise EOFError
        self.mapped_mb = mapped_kb / 1024
        return kind, body

    def _cause_of_death(self) -> Crashed | OutOfMemory:
        """Why the process is gone. A library that gets no memory says so on its way out, and dies of a signal."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        said = self._last_words()
        self.close()
        if any(sign in said for sign in _MEMORY_SIGNS):
            return OutOfMemory(self._memory_limit_mb)
        return Crashed(signal.Signals(-code).name if code < 0 else f"exit code {code}")

    def _last_words(self) -> bytes:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 8_192))
        return self._log.read()


def _end(process: subprocess.Popen[bytes], channel: socket.socket, log: IO[bytes], folder: str) -> None:
    channel.close()
    if process.poll() is None:
        # Its own session: a tesseract that it has started goes with it.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    log.close()
    shutil.rmtree(folder, ignore_errors=True)


def _environment(choice: EngineChoice, folder: str) -> dict[str, str]:
    """No secret of the worker's environment reaches an OCR process. One OCR thread each: more cost each other time."""
    path = ":".join(entry for entry in (str(PROJECT_DIR), *sys.path) if entry)
    programs = str(Path(choice.command).parent) if choice.command else os.defpath
    threads = {"OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PYTHONPATH": path, "PATH": programs, "LANG": "C.UTF-8", "TMPDIR": folder, **threads}
