from pathlib import Path

import pytest
from rapidfuzz.distance import Levenshtein

from blocks.settings import Settings
from tasks.extract.ocr.choice import EngineChoice, build, choose_engine
from tasks.extract.ocr.engine import Engine, find_language_packs
from tasks.extract.ocr.page import read_page
from tests.tasks.extract.ocr.conftest import PageImage, choice, gray

AGREEMENT = 0.03
"""Share of characters in which the text of both engines may differ: they bring different versions of Tesseract."""


@pytest.mark.tesseract
@pytest.mark.parametrize("name", ["invoice_bilevel.tif", "invoice_skewed.png"])
def test_both_engines_read_the_same_text_from_real_pages(
    tesserocr_engine: Engine, page_image: PageImage, name: str
) -> None:
    command = build(choice(ocr_engine="pytesseract"))
    mine, other = (read_page(engine, gray(page_image(name))) for engine in (tesserocr_engine, command))
    distance = Levenshtein.distance(" ".join(mine.text.split()), " ".join(other.text.split()))
    assert distance <= AGREEMENT * len(mine.text)
    assert mine.rotation_degrees == other.rotation_degrees
    assert mine.confidence == pytest.approx(other.confidence, abs=0.05)


@pytest.mark.tesseract
def test_auto_takes_the_faster_engine_and_names_it_with_version_and_language() -> None:
    assert choice().engine == "tesserocr"
    assert choice().name.startswith("tesserocr 5.")
    assert choice().name.endswith(" eng")
    assert choice(ocr_engine="pytesseract").name.startswith("pytesseract 5.")


@pytest.mark.tesseract
def test_missing_languages_are_reported_and_the_others_used() -> None:
    packs = choice(ocr_languages="xxx,eng").packs
    assert packs.present == ("eng",)
    assert packs.missing == ("xxx",)


def test_without_any_language_the_reason_says_what_to_install() -> None:
    reason = choose_engine(Settings(ocr_languages=("xxx_yy",)))
    assert isinstance(reason, str)
    assert "apt-get install tesseract-ocr-xxx-yy" in reason


def test_a_given_folder_is_the_only_one_looked_at(tmp_path: Path) -> None:
    assert isinstance(choose_engine(Settings(tessdata_dir=tmp_path)), str)


def test_the_folder_with_most_of_the_languages_wins(tmp_path: Path) -> None:
    for folder, names in (("tesseract-ocr/5/tessdata", ["eng"]), ("tessdata", ["eng", "deu", "osd"])):
        (tmp_path / "usr/share" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "usr/share" / folder / f"{name}.traineddata").touch()
    packs = find_language_packs(("deu", "eng", "fra"), root=tmp_path)
    assert packs.folder == tmp_path / "usr/share/tessdata"
    assert packs.joined == "deu+eng"
    assert packs.missing == ("fra",)
    assert packs.has_orientation


def test_auto_falls_back_to_the_command_where_no_folder_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "tesseract"
    fake.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo tesseract 4.1.1 || printf 'List of languages:\\neng\\nosd\\n'\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    chosen = choose_engine(Settings(), root=tmp_path)
    assert isinstance(chosen, EngineChoice)
    assert chosen.engine == "pytesseract"
    assert chosen.version == "4.1.1"
    assert chosen.packs.folder is None
