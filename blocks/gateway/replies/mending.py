"""Mends JSON with wrong commas, quotes or literals by json-repair, where only one meaning is possible.

json-repair gets a text only where all else of it is an object. Its result is used only where it has exactly the names,
values, colons and brackets of the text, in their order, and its numbers as written.
"""

import json
import re
from typing import Any

from blocks.gateway.replies.json_scalars import Unreadable, as_written

MAX_CHARACTERS = 50_000
MAX_DEPTH = 12
"""Answers are far below both, and mending delays other calls."""

SEVERAL_WAYS = "JSON that could be mended in several ways"

_TOKEN = re.compile(
    r"\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:\"']+", re.DOTALL
)
"""A quoted text that is never closed is a single token up to the end: to try again at each quote in it would take
minutes for a reply of many quotes."""
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NO_NUMBERS = frozenset({"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"})
_LITERALS: dict[str, bool | None] = {
    "null": None, "None": None, "true": True, "True": True, "false": False, "False": False,
}  # fmt: skip


def mended(text: str) -> dict[str, Any]:
    """The object that a broken text means, from its first to its last bracket. Raises `Unreadable`."""
    tokens = _TOKEN.findall(text) if len(text) <= MAX_CHARACTERS else []
    if not tokens or not _is_mendable(tokens):
        raise Unreadable(SEVERAL_WAYS)
    from json_repair import repair_json

    try:
        repaired = repair_json(text, return_objects=True, skip_json_loads=True)
    except ValueError:
        raise Unreadable(SEVERAL_WAYS) from None
    if not isinstance(repaired, dict):
        raise Unreadable(SEVERAL_WAYS)
    return _rebuilt(repaired, [token for token in tokens if token != ","])


def end_of_object(text: str, start: int) -> int | None:
    """Where the object's last bracket ends; None where the text ends before."""
    depth = 0
    for found in _TOKEN.finditer(text, start):
        token = found[0]
        if token in "{[":
            depth += 1
        elif token in "}]":
            depth -= 1
            if depth == 0:
                return found.end()
    return None


def _rebuilt(repaired: dict[str, Any], tokens: list[str]) -> dict[str, Any]:
    """The repaired object with its numbers as written. Raises `Unreadable` where it is not what the text says."""
    rest = iter(tokens)

    def take(token: str) -> None:
        if next(rest, None) != token:
            raise Unreadable(SEVERAL_WAYS)

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return walk_object(value)
        if isinstance(value, list):
            take("[")
            items = [walk(item) for item in value]
            take("]")
            return items
        return _scalar(value, next(rest, ""))

    def walk_object(value: dict[str, Any]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        take("{")
        for name, item in value.items():
            if _unquoted(next(rest, "")) != name:
                raise Unreadable(SEVERAL_WAYS)
            take(":")
            read[name] = walk(item)
        take("}")
        return read

    body = walk_object(repaired)
    if next(rest, None) is not None:
        raise Unreadable(SEVERAL_WAYS)
    return body


def _scalar(value: object, token: str) -> object:
    """The value of a token, where the mended `value` is the same."""
    if token in _LITERALS and _LITERALS[token] is value:
        return value
    if _NUMBER.fullmatch(token) and isinstance(value, int | float) and not isinstance(value, bool):
        return int(token) if token.lstrip("-").isdecimal() else as_written(token)
    if token[:1] in {'"', "'"} and isinstance(value, str) and _unquoted(token) == value:
        return value
    raise Unreadable(SEVERAL_WAYS)


def _is_mendable(tokens: list[str]) -> bool:
    """Whether a text is an object but for commas, the kind of its quotes, and Python's literals.

    json-repair takes seconds over other texts, and fails on some.
    """
    open_brackets: list[str] = []
    expected, before = "value", ""
    for token in tokens:
        if token == ",":
            if before in {",", "{", "[", ":"}:
                return False
        elif token in "}]":
            pair = "{" if token == "}" else "["
            if not open_brackets or open_brackets.pop() != pair or expected not in {"key", "value"} or before == ":":
                return False
            expected = "key" if open_brackets and open_brackets[-1] == "{" else "value"
        elif expected == "key":
            if _unquoted(token) is None:
                return False
            expected = "colon"
        elif expected == "colon":
            if token != ":":
                return False
            expected = "value"
        elif token in "{[" and len(open_brackets) < MAX_DEPTH:
            open_brackets.append(token)
            expected = "key" if token == "{" else "value"
        elif _is_value(token):
            expected = "key" if open_brackets[-1] == "{" else "value"
        else:
            return False
        before = token
    return not open_brackets


def _is_value(token: str) -> bool:
    """Whether a token is a scalar. Raises `Unreadable` for NaN and infinities."""
    if token in _NO_NUMBERS:
        raise Unreadable("NaN or Infinity")
    is_quoted = len(token) > 1 and token[0] in "\"'" and token[0] == token[-1]
    return is_quoted or token in _LITERALS or _NUMBER.fullmatch(token) is not None


def _unquoted(token: str) -> str | None:
    """The text of a quoted token or of a bare name; None for any other token."""
    if len(token) < 2 or token[0] not in "\"'" or token[0] != token[-1]:
        return token if token.isidentifier() else None
    inner = token[1:-1].replace("\\'", "'")
    if token[0] == "'":
        inner = inner.replace('\\"', '"').replace('"', '\\"')
    try:
        value = json.loads(f'"{inner}"', strict=False)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, str) else None
