"""A text that no language writes is doubtful."""

import pytest

from tasks.extract.pdf_garbage import looks_enciphered
from tests.doubles.drawn_pdf import LETTER


def moved(text: str, by: int) -> str:
    return "".join(chr(ord(letter) + by) if letter.isalpha() else letter for letter in text)


@pytest.mark.parametrize("by", [-29, -1, 1, 2, 3])
def test_moved_letters_are_doubtful(by: int) -> None:
    assert looks_enciphered(" ".join(moved(line, by) for line in LETTER).split())


@pytest.mark.parametrize(("text", "expected"), [('"7+%-', True), ("17", False), ("2025", False), ("Phone", False)])
def test_a_page_with_hardly_anything_on_it(text: str, expected: object) -> None:
    assert looks_enciphered([text]) == expected


@pytest.mark.parametrize(
    "text",
    [
        " ".join(LETTER),
        "Peněžní prostředky na účtech u bank a družstevních záložen",
        "Strč prst skrz krk, to je stará věta bez samohlásek na začátku",
        "Przedsiębiorstwo Wielobranżowe Chrząszcz, Szczebrzeszyn",
        "INV-1 GBP 240.00 VAT 40.00",
        "счёт номер двенадцать на сумму сто рублей ноль копеек",
    ],
)
def test_languages_and_codes_are_not(text: str) -> None:
    assert not looks_enciphered(text.split())
