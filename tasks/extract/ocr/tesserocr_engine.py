"""Tesseract within the process, by tesserocr: no start, no temporary file and no model load per page."""

from PIL.Image import Image

from tasks.extract.ocr.engine import ANY_INK, SAUVOLA, SPARSE_TEXT, EngineGaveUp, LanguagePacks, RawWord, parse_tsv

# Below this Tesseract's own tools call an orientation unsure (its `min_orientation_margin` is 7 on another scale).
SURE_ORIENTATION = 2.0


class TesserocrEngine:
    """Reads with the library. Raises RuntimeError if Tesseract refuses the language data."""

    def __init__(self, packs: LanguagePacks) -> None:
        import tesserocr

        self._tesserocr = tesserocr
        self._folder = f"{packs.folder}/"
        self._api = tesserocr.PyTessBaseAPI(path=self._folder, lang=packs.joined, psm=SPARSE_TEXT)
        self._api.SetVariable("thresholding_method", str(SAUVOLA))
        self._orientation_api = (
            tesserocr.PyTessBaseAPI(path=self._folder, lang="osd", psm=tesserocr.PSM.OSD_ONLY)
            if packs.has_orientation
            else None
        )

    def words(self, image: Image, dpi: int, ink: float = ANY_INK) -> list[RawWord]:
        """See `Engine`."""
        self._api.SetVariable("thresholding_kfactor", str(ink))
        self._show(self._api, image, dpi)
        try:
            if not self._api.Recognize():
                raise EngineGaveUp(f"Tesseract gave up on a page of {image.width} x {image.height} pixels")
            return parse_tsv(self._api.GetTSVText(0))
        finally:
            self._api.Clear()

    def clockwise_turn(self, image: Image, dpi: int) -> int | None:
        """See `Engine`."""
        if self._orientation_api is None:
            return None
        self._show(self._orientation_api, image, dpi)
        try:
            found = self._orientation_api.DetectOrientationScript()
        finally:
            self._orientation_api.Clear()
        if not found or found["orient_conf"] < SURE_ORIENTATION:
            return None
        return (360 - int(found["orient_deg"])) % 360

    def _show(self, api: object, image: Image, dpi: int) -> None:
        api.SetImageBytes(image.tobytes(), image.width, image.height, 1, image.width)  # type: ignore[attr-defined]  # no types
        api.SetSourceResolution(dpi)  # type: ignore[attr-defined]  # no types


def installed_version() -> str:
    """The version of the Tesseract library that tesserocr brings."""
    import tesserocr

    return str(tesserocr.tesseract_version()).split()[1]
