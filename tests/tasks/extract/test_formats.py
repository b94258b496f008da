"""Every media type that Winnow supports has a function that reads it, and a name in README."""

import importlib
import re
from importlib.metadata import version

import pytest

from blocks.files import media_types
from blocks.settings import PROJECT_DIR
from tasks.extract import formats
from tasks.extract.formats import FORMATS


def test_every_supported_media_type_is_read_and_no_other() -> None:
    assert set(FORMATS) == media_types.SUPPORTED


@pytest.mark.parametrize(
    "function", sorted({known.read for known in FORMATS.values()} | {formats.PDF_FALLBACK, formats.PDF_FORM})
)
def test_every_function_exists(function: str) -> None:
    module, _, name = function.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_pdf_and_images_draw_their_pages_for_ocr() -> None:
    for media_type in (media_types.PDF, *media_types.IMAGES):
        module = importlib.import_module(FORMATS[media_type].read.partition(":")[0])
        assert callable(getattr(module, formats.RENDER)), media_type


def test_every_package_is_installed_under_its_name() -> None:
    for known in FORMATS.values():
        assert all(version(package) for package in known.packages)


def test_readme_names_as_many_formats_as_are_supported() -> None:
    readme = " ".join((PROJECT_DIR / "README.md").read_text(encoding="utf-8").split())
    [listed] = re.findall(r"Winnow reads ([^.]+?), and recognises them by content", readme)
    assert len(re.split(r", | and ", listed)) == len(media_types.SUPPORTED)
