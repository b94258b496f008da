"""What an OCR process makes of its engine's good and bad moments."""

from dataclasses import asdict

import pytest
from PIL import Image

from blocks.errors import Crashed, OcrUnavailable
from tasks.extract.ocr import worker
from tasks.extract.ocr.choice import EngineChoice
from tasks.extract.ocr.engine import ANY_INK, Engine, EngineGaveUp, LanguagePacks, RawWord
from tasks.extract.ocr.ocr_page import OcrPage

ARGUMENTS = {"width": 800, "height": 400, "dpi": 200}


def page() -> bytes:
    image = Image.new("L", (800, 400), 255)
    image.paste(0, (100, 100, 300, 120))
    return image.tobytes()


class ScriptedEngine:
    """Finds a word on every page, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def words(self, image: Image.Image, dpi: int, ink: float = ANY_INK) -> list[RawWord]:
        if self.error is not None:
            raise self.error
        return [RawWord("Total", 100, 100, 300, 120, (1, 1, 1), 0.9)]

    def clockwise_turn(self, image: Image.Image, dpi: int) -> int | None:
        return None


def use(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setattr(worker, "_engines", [engine])


def choice_as_json() -> dict[str, object]:
    return asdict(EngineChoice("tesserocr", "5.5.4", LanguagePacks(("eng",), ("deu",), None, has_orientation=True)))


def test_a_page_comes_back_as_json_with_boxes_in_points(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ScriptedEngine())
    read = OcrPage.model_validate_json(worker.read(page(), ARGUMENTS))
    assert (read.text, read.confidence) == ("Total", 0.9)
    assert read.words.boxes == ((36.0, 36.0, 108.0, 43.2),)
    assert (read.width_pt, read.height_pt) == (288.0, 144.0)


def test_a_page_that_the_engine_refuses_is_that_pages_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ScriptedEngine(EngineGaveUp("too noisy")))
    with pytest.raises(Crashed, match="too noisy"):
        worker.read(page(), ARGUMENTS)


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError()])
def test_other_errors_are_left_to_the_isolation(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    use(monkeypatch, ScriptedEngine(error))
    with pytest.raises(type(error)):
        worker.read(page(), ARGUMENTS)


@pytest.mark.parametrize("error", [RuntimeError("bad model"), OSError("bad model")])
def test_an_engine_that_does_not_start_is_unavailable(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(_: EngineChoice) -> Engine:
        raise error

    monkeypatch.setattr(worker, "build", broken)
    with pytest.raises(OcrUnavailable, match=r"tesserocr 5\.5\.4 eng does not start \(bad model\)"):
        worker.warm_up(choice_as_json())


def test_the_engine_is_built_as_it_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[EngineChoice] = []

    def build(choice: EngineChoice) -> Engine:
        built.append(choice)
        return ScriptedEngine()

    monkeypatch.setattr(worker, "build", build)
    monkeypatch.setattr(worker, "_engines", [])
    worker.warm_up(choice_as_json())
    assert asdict(built[0]) == choice_as_json()
    assert len(worker._engines) == 1
