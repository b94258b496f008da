"""The module of OCR processes: gray pixels in, a page of text out.

The fork server builds the engine while it can read files. A process inherits the engine, gives up its rights, and reads
page after page.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import BmpImagePlugin  # noqa: F401 - Pillow would load this plugin when files can no longer be read

from blocks.errors import Crashed, OcrUnavailable
from blocks.files.pages import GrayImage
from tasks.extract.ocr.choice import EngineChoice, build
from tasks.extract.ocr.engine import Engine, EngineGaveUp, LanguagePacks
from tasks.extract.ocr.page import read_page

_engines: list[Engine] = []


def warm_up(choice: Mapping[str, Any]) -> None:
    """Build the engine. `choice` is an `EngineChoice` as JSON. Raises `OcrUnavailable`."""
    chosen = _choice(choice)
    try:
        _engines[:] = [build(chosen)]
    except (RuntimeError, OSError) as error:
        raise OcrUnavailable(f"{chosen.name} does not start ({error})") from error


def read(pixels: bytes, arguments: dict[str, Any]) -> bytes:
    """An `OcrPage` as JSON. Arguments: width, height and dpi of the gray pixels. Raises `Crashed` and MemoryError."""
    image = GrayImage(arguments["width"], arguments["height"], arguments["dpi"], pixels)
    try:
        page = read_page(_engines[0], image)
    except EngineGaveUp as error:
        raise Crashed(str(error)) from error
    return page.model_dump_json().encode()


def _choice(fields: Mapping[str, Any]) -> EngineChoice:
    packs = fields["packs"]
    folder = packs["folder"] and Path(packs["folder"])
    present, missing = tuple(packs["present"]), tuple(packs["missing"])
    found = LanguagePacks(present, missing, folder, packs["has_orientation"])
    return EngineChoice(fields["engine"], fields["version"], found, fields["command"])
