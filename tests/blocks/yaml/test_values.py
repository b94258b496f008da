"""Plain values: a value of another kind counts as empty."""

import pytest

from blocks.yaml.values import mapping, number, sequence, strings


@pytest.mark.parametrize("other", [None, "text", 7, True, ("a",)])
def test_another_kind_of_value_is_empty(other: object) -> None:
    assert (mapping(other), sequence(other), strings(other)) == ({}, [], [])


def test_a_value_of_the_right_kind_is_itself() -> None:
    assert mapping({"a": 1}) == {"a": 1}
    assert sequence([1, "a"]) == [1, "a"]
    assert strings([1, "a", None, "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3.0), (-0.5, -0.5), (True, None), (False, None), ("3", None), (None, None)]
)
def test_true_and_text_are_no_numbers(value: object, expected: float | None) -> None:
    assert number(value) == expected
