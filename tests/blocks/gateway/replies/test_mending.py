"""What is mended, and what could mean several things and is not."""

import pytest

from blocks.gateway.replies.json_scalars import Unreadable
from blocks.gateway.replies.mending import MAX_CHARACTERS, MAX_DEPTH, end_of_object, mended


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1, 2,], "b": 3}', {"a": [1, 2], "b": 3}),
        ('{"a": "x" "b": "y"}', {"a": "x", "b": "y"}),
        ("{'a': 'it\\'s \"x\"'}", {"a": 'it\'s "x"'}),
        ("{a: None, b: True, c: False}", {"a": None, "b": True, "c": False}),
    ],
)
def test_one_meaning_is_taken(text: str, meant: object) -> None:
    assert mended(text) == meant


def test_numbers_stay_as_written() -> None:
    read = mended('{"a": 9.00, "b": -1.5e3, "c": 7,}')
    assert [str(value) for value in read.values()] == ["9.00", "-1.5e3", "7"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,, "b": 2}',
        '{, "a": 1}',
        '{"a": ,}',
        '{"a": "x "y" z"}',
        '{"a": "" "b"}',
        '{"a": x}',
        '{"a" 1}',
        '{"a": [}]',
        '{"a": 01}',
        '{"a": NaN,}',
        '{"a": 1, "a": 2,}',
    ],
)
def test_several_meanings_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        mended(text)


def test_depth_and_length_are_bounded() -> None:
    def nested(depth: int) -> str:
        return '{"a": ' + "[" * (depth - 1) + "1,"[: depth + 1] + "]" * (depth - 1) + ",}"

    assert mended(nested(MAX_DEPTH))
    with pytest.raises(Unreadable):
        mended(nested(MAX_DEPTH + 1))
    with pytest.raises(Unreadable):
        mended('{"a": "' + "x" * MAX_CHARACTERS + '",}')


def test_the_end_of_an_object_is_its_last_bracket_outside_of_texts() -> None:
    assert end_of_object('x {"a": "}", "b": [{}]} }', 2) == 23
    assert end_of_object('{"a": "}', 0) is None
