"""The interface of an OCR engine, and the folders of its language data.

Both engines give Tesseract's own TSV, so both have the same parser and their results can be compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

TESSDATA_PATTERNS = (
    "usr/share/tesseract-ocr/*/tessdata",
    "usr/share/tessdata",
    "usr/share/tesseract/tessdata",
    "usr/local/share/tessdata",
    "opt/homebrew/share/tessdata",
    "opt/local/share/tessdata",
)
ORIENTATION_PACK = "osd"

SPARSE_TEXT = 11
"""Page segmentation mode: text in no particular order. The other modes guess columns first, and so lose lines."""

SAUVOLA = 2
"""Tesseract's `thresholding_method` of J. Sauvola and M. Pietikainen, "Adaptive document image binarization" (2000)."""

ANY_INK, STRONG_INK = 0.24, 0.34
"""Sauvola's k: how much darker than its surroundings ink must be. Tesseract's default, 0.34, loses gray print."""


@dataclass(frozen=True, slots=True)
class RawWord:
    """A word in pixels of its image. `line` identifies the engine's line, `confidence` is in [0, 1]."""

    text: str
    x0: int
    y0: int
    x1: int
    y1: int
    line: tuple[int, int, int]
    confidence: float


class EngineGaveUp(RuntimeError):
    """The engine refused a page; it can read other pages."""


class Engine(Protocol):
    """Reads a page of gray pixels. Not thread-safe: each OCR process has its own."""

    def words(self, image: Image, dpi: int, ink: float = ANY_INK) -> list[RawWord]:
        """The words of an upright page, in no particular order; `ink` is Sauvola's k.

        Raises `EngineGaveUp`, MemoryError.
        """
        ...

    def clockwise_turn(self, image: Image, dpi: int) -> int | None:
        """How many degrees to turn the page clockwise to put it upright; None if the engine is not sure."""
        ...


@dataclass(frozen=True)
class LanguagePacks:
    """The languages to read with, the wanted languages without a pack, and the folder (None: the engine's own)."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    folder: Path | None
    has_orientation: bool

    @property
    def joined(self) -> str:
        """The languages in Tesseract's notation: ``eng+deu``."""
        return "+".join(self.present)


def find_language_packs(wanted: Sequence[str], given: Path | None = None, root: Path = Path("/")) -> LanguagePacks:
    """The packs of the folder that has the most wanted languages: `given`, or else one of the usual folders."""
    usual = [folder for pattern in TESSDATA_PATTERNS for folder in sorted(root.glob(pattern), reverse=True)]
    best = LanguagePacks((), tuple(wanted), given, has_orientation=False)
    for folder in [given] if given is not None else usual:
        names = {pack.stem for pack in folder.glob("*.traineddata")}
        present = tuple(language for language in wanted if language in names)
        if len(present) > len(best.present):
            missing = tuple(language for language in wanted if language not in names)
            best = LanguagePacks(present, missing, folder, ORIENTATION_PACK in names)
    return best


def parse_tsv(tsv: str) -> list[RawWord]:
    """The words of Tesseract's TSV. Its columns: level, page, block, paragraph, line, word, left, top, width, height,
    confidence in percent, text (manual page tesseract(1), "TSV"); level 5 is a word.
    """
    words = []
    for row in tsv.splitlines():
        cells = row.split("\t", 11)
        if len(cells) != 12 or cells[0] != "5" or not (text := cells[11].strip()):
            continue
        left, top, width, height = (int(cell) for cell in cells[6:10])
        confidence = float(cells[10]) / 100
        if not math.isfinite(confidence):
            confidence = 0.0
        line = (int(cells[2]), int(cells[3]), int(cells[4]))
        words.append(RawWord(text, left, top, left + width, top + height, line, min(1.0, max(0.0, confidence))))
    return words
