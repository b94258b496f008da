"""JSON that is broken in its commas, its quotes or its literals, mended by json-repair where only one thing is meant.

A text is shown to json-repair only where it is an object in all else, and what comes back is taken only where it has
the very names, values, colons and brackets of the text, in their order, and numbers as they are written.
"""

import json
import re
from typing import Any

from blocks.gateway.replies.json_scalars import NumberText, Unreadable

LONGEST_MENDED = 50_000
DEEPEST_MENDED = 12
"""Characters and brackets; an answer is far below both, and mending holds up other calls."""

SEVERAL_WAYS = "JSON that could be mended in several ways"

_TOKEN = re.compile(
    r"\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:\"']+", re.DOTALL
)
"""A text in quotes that is never closed is one mark up to the end: tried anew at each quote within it, a reply that
repeats one would be read for minutes."""
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NO_NUMBERS = frozenset({"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"})
_LITERALS: dict[str, bool | None] = {
    "null": None, "None": None, "true": True, "True": True, "false": False, "False": False,
}  # fmt: skip


def mended(text: str) -> dict[str, Any]:
    """The object that a broken text, from its first to its last bracket, means. Raises `Unreadable`."""
    marks = _TOKEN.findall(text) if len(text) <= LONGEST_MENDED else []
    if not marks or not _is_mendable(marks):
        raise Unreadable(SEVERAL_WAYS)
    from json_repair import repair_json

    try:
        repaired = repair_json(text, return_objects=True, skip_json_loads=True)
    except ValueError:
        raise Unreadable(SEVERAL_WAYS) from None
    if not isinstance(repaired, dict):
        raise Unreadable(SEVERAL_WAYS)
    return _rebuilt(repaired, [mark for mark in marks if mark != ","])


def end_of_object(text: str, start: int) -> int | None:
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


def _rebuilt(mended: dict[str, Any], marks: list[str]) -> dict[str, Any]:
    """The mended object with its numbers as written. Raises `Unreadable` where it is not what the text says."""
    rest = iter(marks)

    def take(mark: str) -> None:
        if next(rest, None) != mark:
            raise Unreadable(SEVERAL_WAYS)

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
                raise Unreadable(SEVERAL_WAYS)
            take(":")
            read[name] = walk(one)
        take("}")
        return read

    body = walk_object(mended)
    if next(rest, None) is not None:
        raise Unreadable(SEVERAL_WAYS)
    return body


def _scalar(value: object, mark: str) -> object:
    """What a mark of the text says, if the mended `value` says the same."""
    if mark in _LITERALS and _LITERALS[mark] is value:
        return value
    if _NUMBER.fullmatch(mark) and isinstance(value, int | float) and not isinstance(value, bool):
        return int(mark) if mark.lstrip("-").isdecimal() else NumberText(mark)
    if mark[:1] in {'"', "'"} and isinstance(value, str) and _unquoted(mark) == value:
        return value
    raise Unreadable(SEVERAL_WAYS)


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
    """Whether a mark is a scalar. Raises `Unreadable` for NaN and its like."""
    if mark in _NO_NUMBERS:
        raise Unreadable("NaN or Infinity")
    is_quoted = len(mark) > 1 and mark[0] in "\"'" and mark[0] == mark[-1]
    return is_quoted or mark in _LITERALS or _NUMBER.fullmatch(mark) is not None


def _unquoted(mark: str) -> str | None:
    """The text of a quoted mark, or a bare name; None where it is none."""
    if len(mark) < 2 or mark[0] not in "\"'" or mark[0] != mark[-1]:
        return mark if mark.isidentifier() else None
    inner = mark[1:-1].replace("\\'", "'")
    if mark[0] == "'":
        inner = inner.replace('\\"', '"').replace('"', '\\"')
    try:
        value = json.loads(f'"{inner}"', strict=False)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, str) else None
