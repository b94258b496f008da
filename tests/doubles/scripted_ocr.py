"""An OCR engine that replies with given texts, or fails with a given error."""

from collections.abc import Sequence

from blocks.files.pages import GrayImage
from blocks.records import Words
from tasks.extract.ocr.ocr_page import OcrPage


class ScriptedOcr:
    """Each page of OCR takes the next text; `unavailable` is why there is no engine at all."""

    engine = "scripted 1.0 eng"
    languages_missing: tuple[str, ...] = ()

    def __init__(
        self,
        texts: Sequence[str] = (),
        unavailable: str | None = None,
        error: Exception | None = None,
        took_s: float = 0.0,
    ) -> None:
        self._texts = list(texts)
        self._error = error
        self._took_s = took_s
        self.available = unavailable
        self.images: list[GrayImage] = []

    def read_page_timed(self, image: GrayImage, timeout_s: float) -> tuple[OcrPage, float]:
        self.images.append(image)
        if self._error is not None:
            raise self._error
        text = self._texts.pop(0)
        first = text.split()[0] if text.split() else ""
        words = Words(spans=((0, len(first)),), boxes=((1.0, 1.0, 9.0, 9.0),), confidences=(0.9,)) if first else Words()
        return OcrPage(text=text, words=words, confidence=0.9, width_pt=600.0, height_pt=800.0), self._took_s
