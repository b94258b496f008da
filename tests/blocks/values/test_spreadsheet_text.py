"""Text for spreadsheets: no part of it begins a formula, and all of it comes back."""

import random
import re
import time

import pytest

from blocks.values.spreadsheet_text import inert, restored
from tests.payloads import FORMULA, PAYLOADS


@pytest.mark.parametrize("text", [*PAYLOADS, "", "'", "''=", "'a", "Smith, -5", "-5.00", "\n=1", "a\r\n\r\n=1"])
def test_every_text_comes_back(text: str) -> None:
    assert restored(inert(text)) == text


@pytest.mark.parametrize("text", FORMULA)
def test_no_part_of_a_formula_begins_a_cell(text: str) -> None:
    assert inert(text) != text
    for cell in re.split(r"[,;|\t\r\n]", inert(text)):
        assert cell.strip('"\ufeff\u200b\u202e \u2028\u2029\x85')[:1] not in {*"=+-@＝＋－＠"}


@pytest.mark.parametrize("text", ["Example Ltd", "O'Neill, Ann", "a = b", "3; 4", "x-ray", '[{"a": "-5.00"}]'])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_any_mixture_comes_back_and_takes_no_long_time() -> None:
    draw = random.Random(7)
    for _ in range(20_000):
        text = "".join(draw.choices("'\"=-a ,;\t\r\n\u200b", k=draw.randrange(9)))
        assert restored(inert(text)) == text, repr(text)
    started = time.process_time()
    for text in ("\n" * 100_000, ";" * 100_000, "; " * 100_000, "'" * 100_000):
        assert restored(inert(text)) == text
    assert time.process_time() - started < 5
