"""Every reader states what it reads, and README names it."""

import contextlib
import importlib
import re
from importlib.metadata import version

import pytest

from blocks.errors import DocumentError
from blocks.files import media_types
from blocks.isolation.isolation import Isolation
from blocks.settings import PROJECT_DIR, Settings
from tasks.extract import formats
from tasks.extract.conversion import CONVERTED
from tasks.extract.extract import Extractor
from tasks.extract.formats import FORMATS, READERS, stated_by
from tests.doubles.process_trees import children_of
from tests.doubles.scripted_ocr import ScriptedOcr
from tests.tasks.extract.samples_of_formats import SAMPLES

DAMAGED_PLACES = 60
STATEMENTS = {reader: stated_by(reader) for reader in READERS}


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_does_what_it_states(reader: str) -> None:
    stated = STATEMENTS[reader]
    module = importlib.import_module(stated.module)
    assert (stated.media_types, stated.version) == (module.MEDIA_TYPES, module.VERSION)
    assert all(version(package) for package in stated.packages)
    assert callable(getattr(module, formats.READ))
    assert set(stated.settings) <= {"ocr", "passwords"}
    assert callable(getattr(module, formats.RENDER, None)) == ("ocr" in stated.settings), "OCR needs drawn pages"


def test_only_texts_share_a_parser_process() -> None:
    assert {reader for reader, stated in STATEMENTS.items() if stated.max_documents > 1} == {"plain_text"}
    isolation = Isolation(Settings(processes=1))
    try:
        extractor = Extractor(Settings(processes=1), isolation, ScriptedOcr())
        children = []
        for number in range(3):
            extracted = extractor.extract(f"text {number}".encode(), media_types.TEXT)
            assert extracted.extraction.pages[0].text == f"text {number}"
            server = isolation.pool("tasks.extract.plain_text").server_pid
            assert server is not None
            children.append(set(children_of(server)))
        assert children[0] == children[1] == children[2]
    finally:
        isolation.close()


def test_a_media_type_has_one_reader() -> None:
    assert sum(len(stated.media_types) for stated in STATEMENTS.values()) == len(FORMATS)
    assert set(FORMATS) >= media_types.IMAGES | media_types.TABLES


@pytest.mark.parametrize("function", [formats.PDF_FALLBACK, formats.PDF_FORM])
def test_every_function_exists(function: str) -> None:
    module, _, name = function.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_readme_names_every_format() -> None:
    readme = " ".join((PROJECT_DIR / "README.md").read_text(encoding="utf-8").split())
    [listed] = re.findall(r"Winnow reads ([^.]+?), and recognises them by structure", readme)
    names = {name for stated in STATEMENTS.values() for name in stated.media_types.values()}
    assert set(re.split(r", | and ", listed)) == names
    [converted] = re.findall(r"LibreOffice is installed [^,]+, it also reads ([^.]+)\.", readme)
    assert set(re.split(r", | and ", converted)) == set(CONVERTED.values())


@pytest.mark.parametrize("module", sorted(name for name in SAMPLES if name.startswith("tasks.extract.")))
def test_a_damaged_file_is_a_failure_of_its_document_and_no_defect(module: str) -> None:
    """At each of these places, some bytes are other ones: a transfer that went wrong, a bad sector."""
    read = getattr(importlib.import_module(module), formats.READ)
    for media_type, content in SAMPLES[module][1]:
        arguments = {"media_type": media_type, "passwords": ["first"], "max_pages": 50, "max_megapixels": 10}
        for place in range(0, len(content), max(1, len(content) // DAMAGED_PLACES)):
            damaged = content[:place] + b"\xff\x00\x55" + content[place + 3 :]
            with contextlib.suppress(DocumentError):
                read(damaged, arguments | {"cause": "pdfium cannot"})
