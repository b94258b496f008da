"""Real pages as OCR gets them, and one engine for the whole session: loading it takes a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from blocks.files.pages import GrayImage
from blocks.settings import Settings
from tasks.extract.ocr.choice import EngineChoice, build, choose_engine
from tasks.extract.ocr.engine import Engine

PAGES = Path(__file__).resolve().parents[3] / "resources" / "ocr"

PageImage = Callable[[str], Image.Image]
"""Opens a page of `PAGES` by its name."""


def choice(**settings: object) -> EngineChoice:
    chosen = choose_engine(Settings.model_validate(settings))
    assert isinstance(chosen, EngineChoice), chosen
    return chosen


@pytest.fixture(scope="session")
def tesserocr_engine() -> Engine:
    return build(choice(ocr_engine="tesserocr"))


@pytest.fixture(scope="session")
def page_image() -> PageImage:
    return lambda name: Image.open(PAGES / name).convert("L")


def gray(image: Image.Image, dpi: int = 150) -> GrayImage:
    return GrayImage(image.width, image.height, dpi, image.tobytes())
