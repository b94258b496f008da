"""The program of an OCR process: it builds its engine, gives up its rights, then reads one bitmap after another.

Started by `tasks.extract.ocr.process` with one socket. A request is `REQUEST` and the pixels, an answer is the
isolation's reply header and a body. It ends, with whatever it has started, when the socket's other end is gone.
"""

import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from PIL import BmpImagePlugin  # noqa: F401 - a plugin that Pillow would load when it may no longer read files

from blocks.errors import Crashed, OcrUnavailable
from blocks.isolation.limits import address_space_bytes
from blocks.isolation.wire import REPLY, ReplyKind, pack_error
from tasks.extract.ocr.choice import EngineChoice, build
from tasks.extract.ocr.confinement import confine
from tasks.extract.ocr.engine import Engine, EngineGaveUp, LanguagePacks
from tasks.extract.ocr.image import GrayImage
from tasks.extract.ocr.page import read_page
from tasks.extract.ocr.wire import REQUEST, receive

_WATCH_EVERY_MS = 1_000
_HANG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def main(arguments: str) -> int:
    """Serve until the parent is gone. `arguments` is JSON: fd, parent, memory_limit_mb, folder, choice."""
    order = json.loads(arguments)
    channel = socket.socket(fileno=order["fd"])
    threading.Thread(target=_watch, args=(order["fd"], order["parent"], order["folder"]), daemon=True).start()
    choice = _choice(order["choice"])
    try:
        engine = build(choice)
        confine(order["memory_limit_mb"], choice.command)
    except (RuntimeError, OSError) as error:
        _answer(channel, ReplyKind.ERROR, pack_error(OcrUnavailable(f"{choice.name} does not start ({error})")))
        return 1
    _answer(channel, ReplyKind.RESULT, engine.name.encode())
    while (request := receive(channel, REQUEST.size)) is not None:
        width, height, dpi = REQUEST.unpack(request)
        pixels = receive(channel, width * height)
        if pixels is None or not _serve(channel, engine, GrayImage(width, height, dpi, pixels)):
            return 1
    return 0


def _serve(channel: socket.socket, engine: Engine, image: GrayImage) -> bool:
    """Answer one request; False where the process should not be used again."""
    try:
        page = read_page(engine, image)
    except MemoryError:
        _answer(channel, ReplyKind.OUT_OF_MEMORY, b"")
        return False
    except EngineGaveUp as error:
        _answer(channel, ReplyKind.ERROR, pack_error(Crashed(str(error))))
        return True
    except Exception as error:  # noqa: BLE001 - a defect on one page is that page's typed failure
        _answer(channel, ReplyKind.DEFECT, f"{type(error).__name__}: {error}".encode())
        return False
    _answer(channel, ReplyKind.RESULT, page.model_dump_json().encode())
    return True


def _answer(channel: socket.socket, kind: ReplyKind, body: bytes) -> None:
    channel.sendall(REPLY.pack(kind, address_space_bytes() // 1024, len(body)) + body)


def _choice(fields: Mapping[str, object]) -> EngineChoice:
    packs = dict(fields["packs"])  # type: ignore[call-overload]  # JSON of a dataclass that we wrote
    packs["folder"] = packs["folder"] and Path(packs["folder"])
    packs |= {"present": tuple(packs["present"]), "missing": tuple(packs["missing"])}
    return EngineChoice(**{**fields, "packs": LanguagePacks(**packs)})  # type: ignore[arg-type]  # as above


def _watch(channel_fd: int, parent: int, folder: str) -> None:
    """End the whole process group once the parent is gone, in the middle of a page as well."""
    poll = select.poll()
    poll.register(channel_fd, _HANG_UP)
    while not poll.poll(_WATCH_EVERY_MS) and os.getppid() == parent:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
