"""Numbers written out."""

import pytest

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.grounding import yields
from blocks.values.number_words import spelled_number, spelled_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [("seven", 7), ("Twelve", 12), ("twenty", 20), ("twenty-five", 25), ("thirty one", 31), (" nine ", 9)],
)
def test_small_numbers_are_understood(text: str, number: int) -> None:
    assert spelled_number(text) == number


@pytest.mark.parametrize("text", ["", "7", "sevenths", "many", "twenty twelve", "seven years", "someone"])
def test_other_words_are_no_numbers(text: str) -> None:
    assert spelled_number(text) is None


def test_numbers_are_found_in_a_sentence() -> None:
    assert spelled_numbers("Twenty-two boxes and nine crates, none broken, for someone") == {22, 9}


def test_a_quote_yields_a_spelled_number_as_an_integer_and_not_as_an_amount() -> None:
    assert yields(DocumentField(type=FieldType.INTEGER), "seven years", 7)
    assert not yields(DocumentField(type=FieldType.INTEGER), "seven years", 8)
    assert not yields(DocumentField(type=FieldType.MONEY), "seven pounds", "7.00")
