"""Where the object of a reply is, and what stands around it."""

import pytest
from jiter import LosslessFloat

from blocks.gateway.errors import MalformedReply, TruncatedReply, WrongSchema
from blocks.gateway.replies.json_text import read_object


@pytest.mark.parametrize(
    ("text", "body", "around"),
    [
        ('{"a": 1}', {"a": 1}, ""),
        ('```json\n{"a": 9}\n```', {"a": 9}, "```json ```"),
        ('<think>{"a": 2}</think> {"a": 1}', {"a": 1}, ""),
        ('Take {this}: {"a": [1, {"b": null}]} as asked', {"a": [1, {"b": None}]}, "Take {this}: as asked"),
        ('{"a": "x\ny"}', {"a": "x\ny"}, ""),
    ],
)
def test_the_object_is_found_with_the_prose_around_it(text: str, body: object, around: str) -> None:
    read = read_object("m", text, is_complete=True)
    assert read is not None
    assert (read.body, read.around, read.is_repaired) == (body, around, False)
    assert text[read.start] == "{"


def test_fractions_keep_their_digits_and_whole_numbers_are_numbers() -> None:
    read = read_object("m", '{"a": 9.00, "b": 9, "c": 1e3}', is_complete=True)
    assert read is not None
    assert {name: type(value) for name, value in read.body.items()} == {
        "a": LosslessFloat,
        "b": int,
        "c": LosslessFloat,
    }
    assert [str(value) for value in read.body.values()] == ["9.00", "9", "1e3"]


@pytest.mark.parametrize("text", ["", "No total is stated.", '"a sentence in quotes"', "{this}"])
def test_prose_has_no_object(text: str) -> None:
    assert read_object("m", text, is_complete=True) is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('{"a": 1} {"a": 2}', MalformedReply, "more than one object"),
        ('{"a": 1}, {"a": 2}]', MalformedReply, "part of something else"),
        ('{"a": 1, "a": 1}', MalformedReply, "given twice"),
        ('{"a": "\\u0000"}', MalformedReply, "a NUL character"),
        ('{"a": {"\\ud800": 1}}', MalformedReply, "half of a surrogate pair"),
        ('{"a": -Infinity}', MalformedReply, "NaN or Infinity"),
        ('[{"a": 1}]', WrongSchema, "a list"),
        ("true", WrongSchema, "a bare literal"),
        ('{"a": 1', TruncatedReply, "cut off"),
        ("<think>Hm, {", TruncatedReply, "cut off"),
    ],
)
def test_what_is_no_object_is_named(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        read_object("m", text, is_complete=True)


def test_only_a_reply_that_stopped_by_itself_is_mended() -> None:
    mended = read_object("m", '{"a": 1,}', is_complete=True)
    assert mended is not None
    assert (mended.body, mended.is_repaired) == ({"a": 1}, True)
    with pytest.raises(MalformedReply):
        read_object("m", '{"a": 1,}', is_complete=False)
