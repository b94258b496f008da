"""Chooses the OCR engine and the languages of this machine, and names what is missing."""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blocks.settings import Settings
from tasks.extract.ocr.engine import Engine, LanguagePacks, find_language_packs

EngineName = Literal["tesserocr", "pytesseract"]
COMMAND_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class EngineChoice:
    """The engine that OCR processes use. `command` is the path of tesseract if it is started as a command."""

    engine: EngineName
    version: str
    packs: LanguagePacks
    command: str | None = None

    @property
    def name(self) -> str:
        """Engine, version of Tesseract, languages, such as ``tesserocr 5.5.4 eng``."""
        return f"{self.engine} {self.version} {self.packs.joined}"


def choose_engine(settings: Settings, root: Path = Path("/")) -> EngineChoice | str:
    """The engine that the settings name, or the fastest that works here; the reason if none works."""
    packs = find_language_packs(settings.ocr_languages, settings.tessdata_dir, root)
    wanted: tuple[EngineName, ...] = (
        ("tesserocr", "pytesseract") if settings.ocr_engine == "auto" else (settings.ocr_engine,)
    )
    reasons = []
    for name in wanted:
        choice = _tesserocr(packs) if name == "tesserocr" else _pytesseract(packs, settings)
        if isinstance(choice, EngineChoice):
            return choice
        reasons.append(choice)
    return "; ".join(reasons)


def build(choice: EngineChoice) -> Engine:
    """The chosen engine, ready to read. Raises RuntimeError or OSError if it does not start."""
    from tasks.extract.ocr.pytesseract_engine import PytesseractEngine
    from tasks.extract.ocr.tesserocr_engine import TesserocrEngine

    if choice.engine == "tesserocr":
        return TesserocrEngine(choice.packs)
    return PytesseractEngine(choice.packs, choice.command or "tesseract")


def _tesserocr(packs: LanguagePacks) -> EngineChoice | str:
    if importlib.util.find_spec("tesserocr") is None:
        return "tesserocr is not installed"
    try:
        from tasks.extract.ocr.tesserocr_engine import installed_version

        version = installed_version()
    except ImportError as error:
        return f"tesserocr does not load here ({error})"
    if not packs.present:
        return _no_language(packs)
    return EngineChoice("tesserocr", version, packs)


def _pytesseract(packs: LanguagePacks, settings: Settings) -> EngineChoice | str:
    command = shutil.which("tesseract")
    if command is None:
        return "there is no tesseract command (on Debian: apt-get install tesseract-ocr)"
    if importlib.util.find_spec("pytesseract") is None:
        return "pytesseract is not installed"
    try:
        version = _run(command, "--version").split()[1]
        if not packs.present and settings.tessdata_dir is None:
            packs = _packs_of_command(command, settings.ocr_languages)
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        return f"{command} does not work ({error})"
    if not packs.present:
        return _no_language(packs)
    return EngineChoice("pytesseract", version, packs, command)


def _packs_of_command(command: str, wanted: tuple[str, ...]) -> LanguagePacks:
    """The packs that the command finds: it may have been built for an unusual folder."""
    names = set(_run(command, "--list-langs").split("\n"))
    present = tuple(language for language in wanted if language in names)
    missing = tuple(language for language in wanted if language not in names)
    return LanguagePacks(present, missing, None, "osd" in names)


def _run(command: str, option: str) -> str:
    return subprocess.run(
        [command, option], capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT_S
    ).stdout


def _no_language(packs: LanguagePacks) -> str:
    first = packs.missing[0] if packs.missing else "eng"
    return (
        f"no language pack for {', '.join(packs.missing) or 'no language'} was found (on Debian: apt-get install "
        f"tesseract-ocr-{first.replace('_', '-')}; elsewhere set WINNOW_TESSDATA_DIR to the folder of the "
        ".traineddata files)"
    )
