"""Old Office files are read by way of PDF, where a converter is installed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import Corrupt, UnsupportedMediaType
from blocks.files.media_types import DOC
from blocks.isolation.isolation import Isolation
from blocks.settings import Settings
from tasks.extract import conversion
from tasks.extract.conversion import OfficeConverter
from tasks.extract.extract import Extractor
from tests.doubles.drawn_pdf import drawn_pdf, text_page
from tests.doubles.scripted_ocr import ScriptedOcr

SETTINGS = Settings(processes=1)
COPIES = """#!/bin/sh
PATH=/usr/bin:/bin
for argument; do last=$argument; done
[ "$(cat "$last")" = broken ] && { echo "source file could not be loaded"; exit 0; }
cp {pdf} "${last%.doc}.pdf"
"""
"""Takes LibreOffice's command line, and gives the same PDF for every document but one."""


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program in the place of LibreOffice, in a folder that a process without rights may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, program = folder / "made.pdf", folder / "soffice"
        made.write_bytes(drawn_pdf(text_page("an old letter")))
        program.write_text(COPIES.replace("{pdf}", str(made)))
        for path in (folder, made, program):
            path.chmod(0o755)
        monkeypatch.setattr(conversion, "COMMANDS", (str(program),))
        yield program


def test_a_document_is_read_by_way_of_pdf(office: Path) -> None:
    isolation = Isolation(SETTINGS)
    try:
        extracted = Extractor(SETTINGS, isolation, ScriptedOcr()).extract(b"old", DOC)
    finally:
        isolation.close()
    assert extracted.extraction.visible_text == "an old letter"
    assert extracted.extraction.media_type == DOC
    assert extracted.extraction.engine.startswith("libreoffice, pdfium")


def test_what_libreoffice_cannot_load_is_corrupt(office: Path) -> None:
    with pytest.raises(Corrupt, match="source file could not be loaded"):
        OfficeConverter(SETTINGS).as_pdf(b"broken", DOC)


def test_without_libreoffice_the_message_has_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "COMMANDS", ("no-such-program",))
    with pytest.raises(UnsupportedMediaType, match="application/msword is not read without LibreOffice; install it"):
        OfficeConverter(SETTINGS).as_pdf(b"old", DOC)
