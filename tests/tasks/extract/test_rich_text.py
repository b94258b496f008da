"""RTF: its text, with the characters of its code page."""

import pytest

from blocks.errors import Empty
from blocks.records import Extraction
from tasks.extract import rich_text
from tasks.extract.reading import unpack


def read(source: bytes) -> Extraction:
    return Extraction.model_validate_json(unpack(rich_text.read(source, {}))[1])


def test_text_and_characters() -> None:
    extraction = read(rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 Gr\'fc\'dfe \u8364? 20\par second\tab line}")
    assert extraction.visible_text.rstrip() == "Grüße € 20\nsecond\tline"


def test_rows_of_a_table_are_lines() -> None:
    row = rb"\trowd\cellx1000\cellx2000 Pen\intbl\cell 3.00\intbl\cell\row "
    assert read(rb"{\rtf1\ansi " + row + rb"\pard after}").visible_text.splitlines()[0].split() == ["Pen", "3.00"]


def test_a_text_without_words_is_empty() -> None:
    with pytest.raises(Empty):
        read(rb"{\rtf1\ansi }")
