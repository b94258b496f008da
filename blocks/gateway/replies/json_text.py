"""Finds the JSON object in a reply's text, or the reason why there is none.

The object is read strictly (RFC 8259), and each fraction is kept as written: 9.00 stays 9.00. What parsers would read
differently (a key given twice, NaN, half a surrogate pair, two objects) is refused. Prose and code fences around the
object are dropped.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jiter

from blocks.gateway.errors import MalformedReply, TruncatedReply, WrongSchema
from blocks.gateway.replies.json_scalars import ABSURD, Unreadable, as_written, no_number
from blocks.gateway.replies.mending import end_of_object, mended

INVISIBLE = " \t\r\n\ufeff\u200b\u2060\u00a0"

_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_THOUGHT_BEGINS = re.compile(r"\A\s*<(?:think|thinking|reasoning)>")
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|reasoning)>")
_OBJECT_BEGINS = re.compile(r"\{\s*(?:[\"'}]|\w+\s*:)")


@dataclass(frozen=True, slots=True)
class ReadObject:
    """The object and where its text begins. `around` is the prose beside it, if any."""

    body: dict[str, Any]
    start: int
    around: str = ""
    is_repaired: bool = False


def read_object(model: str, text: str, *, is_complete: bool) -> ReadObject | None:
    """The object in `text`; None where there is no sign of any.

    `is_complete`: the provider says that the model stopped by itself. Only such a text is mended. Raises
    `MalformedReply`, `TruncatedReply`, and `WrongSchema` where the text is JSON but no object.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise MalformedReply(model, "half of a surrogate pair") from None
    if (body := _bare_object(content)) is not None:
        return ReadObject(body, text.index("{"))
    if "\0" in text:
        raise MalformedReply(model, "a NUL character")
    begin = _past_thought(model, text)
    try:
        read = _find(model, text, begin, is_complete=is_complete)
        if read is not None and "\\u" in text:
            _check_characters(read.body)
    except Unreadable as error:
        raise MalformedReply(model, str(error)) from None
    except RecursionError:
        raise MalformedReply(model, "nested too deeply") from None
    except ValueError:  # Python's own bound on the digits of a whole number
        raise MalformedReply(model, ABSURD) from None
    return read


def _bare_object(content: bytes) -> dict[str, Any] | None:
    """The object that a text is, without escapes, prose or faults; None for any other text, which is read closely."""
    if b"\\u" in content:
        return None
    try:
        body = jiter.from_json(content, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="lossless-float")
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _past_thought(model: str, text: str) -> int:
    """Where the answer begins: after the thoughts of a model that thinks aloud, which are no answer."""
    if found := _THOUGHT.match(text):
        return found.end()
    if _THOUGHT_BEGINS.match(text):
        raise TruncatedReply(model)
    if not text.lstrip(INVISIBLE).startswith("{") and (end := _THOUGHT_ENDS.search(text)):
        return end.end()
    return 0


def _find(model: str, text: str, begin: int, *, is_complete: bool) -> ReadObject | None:
    while begin < len(text) and text[begin] in INVISIBLE:
        begin += 1
    if text[begin : begin + 1] not in {"", "{"} and (other := _other_json(text, begin)) is not None:
        raise WrongSchema(model, f"the reply is {other}; one JSON object is asked for")
    if text.startswith("[", begin):
        if end_of_object(text, begin) is None:
            raise TruncatedReply(model)
        raise MalformedReply(model, "a list that is no JSON")
    first = _OBJECT_BEGINS.search(text, begin)
    if first is None:
        if text.rstrip(INVISIBLE).endswith("{"):
            raise TruncatedReply(model)
        return None
    start = first.start()
    try:
        body, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        return _mended(model, text, begin, start, is_complete=is_complete)
    before, after = text[begin:start].strip(), text[end:].strip(INVISIBLE)
    _check_after(model, after)
    is_closed_twice = after.strip("} \n") == "" and after != ""
    return ReadObject(body, start, "" if is_closed_twice else f"{before} {after}".strip(), is_repaired=is_closed_twice)


def _other_json(text: str, begin: int) -> str | None:
    """What a text is that is JSON but no object, in words; None for any other text."""
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


def _mended(model: str, text: str, begin: int, start: int, *, is_complete: bool) -> ReadObject:
    """The object of a text that is no JSON. Raises `TruncatedReply`, `MalformedReply` and `Unreadable`."""
    end = end_of_object(text, start)
    if end is None:
        raise TruncatedReply(model)
    after = text[end:].strip(INVISIBLE)
    _check_after(model, after)
    if not is_complete:
        raise MalformedReply(model, "no JSON")
    return ReadObject(mended(text[start:end]), start, f"{text[begin:start]} {after}".strip(), is_repaired=True)


def _check_characters(value: object) -> None:
    """Raises `Unreadable` where escapes stand for characters that cannot be stored as text."""
    for text in _texts(value):
        if "\0" in text:
            raise Unreadable("a NUL character")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unreadable("half of a surrogate pair") from None


def _texts(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            rest.extend((*value.keys(), *value.values()))
        elif isinstance(value, list):
            rest.extend(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise Unreadable("a key that is given twice")
    return read


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=as_written, parse_constant=no_number, strict=False)
"""Strict but for line breaks within a text, which can be read in one way only."""
