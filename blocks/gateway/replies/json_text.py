"""A reply's text to the one JSON object that it holds, or the reason why it holds none.

Read strictly (RFC 8259), with each number kept as it is written: 9.00 stays 9.00. What several readers would read
differently (a key given twice, NaN, half a surrogate pair, two objects) is refused. Prose and code fences around the
object are left away. Commas, quotes and Python's literals are mended by json-repair, and only where the mended object
has the very names, values, colons and brackets of the text, in their order.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Never

from blocks.gateway.errors import MalformedReply, TruncatedReply, WrongSchema

LONGEST_NUMBER = 100
LARGEST_EXPONENT = 30
LONGEST_MENDED = 50_000
DEEPEST_MENDED = 12
"""Characters and brackets; an answer is far below both, and mending holds up other calls."""
INVISIBLE = " \t\r\n\ufeff\u200b\u2060\u00a0"

_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_THOUGHT_BEGINS = re.compile(r"\A\s*<(?:think|thinking|reasoning)>")
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|reasoning)>")
_OBJECT_BEGINS = re.compile(r"\{\s*(?:[\"'}]|\w+\s*:)")
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{}\[\],:]|[^\s{}\[\],:\"']+|[\"']", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NO_NUMBERS = frozenset({"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"})
_LITERALS: dict[str, bool | None] = {
    "null": None, "None": None, "true": True, "True": True, "false": False, "False": False,
}  # fmt: skip


class NumberText(str):
    """A JSON number as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ReadObject:
    """The object and where its text begins. `around` is the prose beside it, empty where there was none."""

    body: dict[str, Any]
    start: int
    around: str = ""
    is_repaired: bool = False


class _Unreadable(Exception):
    """What the decoder's hooks found wrong. Never leaves this module."""


def read_object(model: str, text: str, *, is_whole: bool) -> ReadObject | None:
    """The one object in `text`; None where there is no sign of any.

    `is_whole`: the provider says that the model stopped of its own accord; only such a text is mended. Raises
    `MalformedReply`, `TruncatedReply`, and `WrongSchema` where the text is JSON and no object.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedReply(model, "half of a surrogate pair") from None
    if "\0" in text:
        raise MalformedReply(model, "a NUL character")
    begin = _past_thought(model, text)
    try:
        read = _find(model, text, begin, is_whole=is_whole)
        if read is not None and "\\u" in text:
            _check_characters(read.body)
    except _Unreadable as error:
        raise MalformedReply(model, str(error)) from None
    except RecursionError:
        raise MalformedReply(model, "nested too deeply") from None
    return read


def _past_thought(model: str, text: str) -> int:
    """Where the answer begins: models that think aloud do so first, and what they weigh there is no answer."""
    if found := _THOUGHT.match(text):
        return found.end()
    if _THOUGHT_BEGINS.match(text):
        raise TruncatedReply(model)
    if not text.lstrip(INVISIBLE).startswith("{") and (end := _THOUGHT_ENDS.search(text)):
        return end.end()
    return 0


def _find(model: str, text: str, begin: int, *, is_whole: bool) -> ReadObject | None:
    while begin < len(text) and text[begin] in INVISIBLE:
        begin += 1
    if text[begin : begin + 1] not in {"", "{"} and (other := _other_json(text, begin)) is not None:
        raise WrongSchema(model, f"the reply is {other}; one JSON object is asked for")
    if text.startswith("[", begin):
        raise TruncatedReply(model) if _ends_early(text[begin:]) else MalformedReply(model, "a list that is no JSON")
    first = _OBJECT_BEGINS.search(text, begin)
    if first is None:
        if text.rstrip(INVISIBLE).endswith("{"):
            raise TruncatedReply(model)
        return None
    start = first.start()
    try:
        body, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        return _mended(model, text, start, is_whole=is_whole)
    before, after = text[begin:start].strip(), text[end:].strip(INVISIBLE)
    _check_after(model, after)
    is_closed_twice = after.strip("} \n") == "" and after != ""
    return ReadObject(body, start, "" if is_closed_twice else f"{before} {after}".strip(), is_repaired=is_closed_twice)


def _other_json(text: str, begin: int) -> str | None:
    """What the whole text is where it is JSON and no object."""
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except json.JSONDecodeError:
        return None
    if text[end:].strip(INVISIBLE) or (type(value) is str and "{" not in value):
        return None  # a sentence in quotes is prose
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else "a bare literal"


def _check_after(model: str, after: str) -> None:
    if after[:1] in {",", "]", ":", '"'}:
        raise MalformedReply(model, "an object that is part of something else")
    if _OBJECT_BEGINS.search(after):
        raise MalformedReply(model, "more than one object")


def _mended(model: str, text: str, start: int, *, is_whole: bool) -> ReadObject:
    """The object of a text that is no JSON, mended where that can be done in one way. Raises `MalformedReply`."""
    end = _end_of_object(text, start)
    if end is None:
        raise TruncatedReply(model)
    after = text[end:].strip(INVISIBLE)
    _check_after(model, after)
    if not is_whole or end - start > LONGEST_MENDED:
        raise MalformedReply(model, "no JSON")
    broken = text[start:end]
    marks = _TOKEN.findall(broken)
    if not _is_mendable(marks):
        raise MalformedReply(model, "JSON that could be mended in several ways")
    from json_repair import repair_json

    try:
        mended = repair_json(broken, return_objects=True, skip_json_loads=True)
    except ValueError:
        mended = None
    if not isinstance(mended, dict):
        raise MalformedReply(model, "no JSON")
    body = _rebuilt(mended, [mark for mark in marks if mark != ","])
    return ReadObject(body, start, f"{text[:start]} {after}".strip(), is_repaired=True)


def _rebuilt(mended: dict[str, Any], marks: list[str]) -> dict[str, Any]:
    """The mended object with its numbers as written. Raises `_Unreadable` where it is not what the text says."""
    rest = iter(marks)

    def take(mark: str) -> None:
        if next(rest, None) != mark:
            raise _Unreadable("JSON that could be mended in several ways")

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return walk_object(value)
        if isinstance(value, list):
            take("[")
            items = [walk(one) for one in value]
            take("]")
            return items
        return _scalar(value, next(rest, ""))

    def walk_object(value: dict[str, Any]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        take("{")
        for name, one in value.items():
            if _unquoted(next(rest, "")) != name:
                raise _Unreadable("JSON that could be mended in several ways")
            take(":")
            read[name] = walk(one)
        take("}")
        return read

    body = walk_object(mended)
    if next(rest, None) is not None:
        raise _Unreadable("JSON that could be mended in several ways")
    return body


def _scalar(value: object, mark: str) -> object:
    """What a mark of the text says, if the mended `value` says the same."""
    if mark in _LITERALS and _LITERALS[mark] is value:
        return value
    if _NUMBER.fullmatch(mark) and isinstance(value, int | float) and not isinstance(value, bool):
        return _number(mark)
    if mark[:1] in {'"', "'"} and isinstance(value, str) and _unquoted(mark) == value:
        return value
    raise _Unreadable("JSON that could be mended in several ways")


def _is_mendable(marks: list[str]) -> bool:
    """Whether a text is an object but for commas, the kind of its quotes, and Python's literals.

    Only such a text is shown to json-repair, which takes seconds over others, and fails on some.
    """
    open_brackets: list[str] = []
    expected, before = "value", ""
    for mark in marks:
        if mark == ",":
            if before in {",", "{", "[", ":"}:
                return False
        elif mark in "}]":
            pair = "{" if mark == "}" else "["
            if not open_brackets or open_brackets.pop() != pair or expected not in {"key", "value"} or before == ":":
                return False
            expected = "key" if open_brackets and open_brackets[-1] == "{" else "value"
        elif expected == "key":
            if _unquoted(mark) is None:
                return False
            expected = "colon"
        elif expected == "colon":
            if mark != ":":
                return False
            expected = "value"
        elif mark in "{[" and len(open_brackets) < DEEPEST_MENDED:
            open_brackets.append(mark)
            expected = "key" if mark == "{" else "value"
        elif _is_value(mark):
            expected = "key" if open_brackets[-1] == "{" else "value"
        else:
            return False
        before = mark
    return not open_brackets


def _is_value(mark: str) -> bool:
    """Whether a mark is a scalar. Raises `_Unreadable` for NaN and its like."""
    if mark in _NO_NUMBERS:
        raise _Unreadable("NaN or Infinity")
    is_quoted = len(mark) > 1 and mark[0] in "\"'"
    return is_quoted or mark in _LITERALS or _NUMBER.fullmatch(mark) is not None


def _unquoted(mark: str) -> str | None:
    """The text of a quoted mark, or a bare name; None where it is none."""
    if len(mark) < 2 or mark[0] not in "\"'":
        return mark if mark.isidentifier() else None
    inner = mark[1:-1].replace("\\'", "'")
    if mark[0] == "'":
        inner = inner.replace('\\"', '"').replace('"', '\\"')
    try:
        value = json.loads(f'"{inner}"', strict=False)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, str) else None


def _end_of_object(text: str, start: int) -> int | None:
    """Where the object's last bracket is; None where the text ends before."""
    depth = 0
    for found in _TOKEN.finditer(text, start):
        mark = found[0]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return found.end()
    return None


def _ends_early(text: str) -> bool:
    return _end_of_object(text, 0) is None


def _check_characters(value: object) -> None:
    """Raises `_Unreadable` where escapes made what cannot be stored as text."""
    for text in _texts(value):
        if "\0" in text:
            raise _Unreadable("a NUL character")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unreadable("half of a surrogate pair") from None


def _texts(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            rest.extend((*one.keys(), *one.values()))
        elif isinstance(one, list):
            rest.extend(one)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _Unreadable("a key that is given twice")
    return read


def _number(text: str) -> NumberText:
    _, _, exponent = text.lower().partition("e")
    if len(text) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LARGEST_EXPONENT):
        raise _Unreadable("a number of absurd size")
    return NumberText(text)


def _no_number(text: str) -> Never:
    raise _Unreadable("NaN or Infinity")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_number, parse_constant=_no_number, strict=False
)
"""Not strict in one thing: line breaks within a text are taken, which can be read in one way only."""
