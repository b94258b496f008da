"""Tesseract as a command, by pytesseract: slower, but it needs only the system's package."""

import re
import signal

from PIL.Image import Image

from tasks.extract.ocr.engine import ANY_INK, SAUVOLA, SPARSE_TEXT, EngineGaveUp, LanguagePacks, RawWord, parse_tsv
from tasks.extract.ocr.tesserocr_engine import SURE_ORIENTATION


class PytesseractEngine:
    """Starts the tesseract command once per page."""

    def __init__(self, packs: LanguagePacks, command: str) -> None:
        import pytesseract

        pytesseract.pytesseract.tesseract_cmd = command
        self._pytesseract = pytesseract
        self._packs = packs
        self._folder = f"--tessdata-dir '{packs.folder}' " if packs.folder else ""
        pytesseract.get_tesseract_version(cached=True)  # once: it starts the command

    def words(self, image: Image, dpi: int, ink: float = ANY_INK) -> list[RawWord]:
        """See `Engine`."""
        threshold = f"-c thresholding_method={SAUVOLA} -c thresholding_kfactor={ink}"
        config = f"{self._folder}--psm {SPARSE_TEXT} --dpi {dpi} {threshold}"
        try:
            tsv = self._pytesseract.image_to_data(_uncompressed(image), lang=self._packs.joined, config=config)
        except self._pytesseract.TesseractError as error:
            if error.status == -signal.SIGABRT:  # C++ aborts when an allocation fails
                raise MemoryError("tesseract aborted") from error
            raise EngineGaveUp(f"tesseract gave up on a page: {error.message}") from error
        return parse_tsv(tsv)

    def clockwise_turn(self, image: Image, dpi: int) -> int | None:
        """See `Engine`."""
        if not self._packs.has_orientation:
            return None
        config = f"{self._folder}--dpi {dpi}"
        try:
            report = self._pytesseract.image_to_osd(_uncompressed(image), config=config)
        except self._pytesseract.TesseractError:
            return None  # the command fails on pages with too few characters
        turn = re.search(r"^Rotate: (\d+)$", report, re.MULTILINE)
        sure = re.search(r"^Orientation confidence: ([\d.]+)$", report, re.MULTILINE)
        if turn is None or sure is None or float(sure[1]) < SURE_ORIENTATION:
            return None
        return int(turn[1])


def _uncompressed(image: Image) -> Image:
    """A view that pytesseract writes as BMP: its default, PNG, takes a third of a second per page."""
    view = image.copy()
    view.format = "BMP"
    return view
