"""Messages about values that do not fit a record, for people who edit a YAML file or type a command."""

import reprlib
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from blocks.yaml.lines import Mistake, Path

WANTED = {
    "string_type": "text; put it in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "tuple_type": "a list, such as [first, second]",
    "dict_type": "keys with values, one per line and indented",
    "model_type": "keys with values, one per line and indented",
    "model_attributes_type": "keys with values, one per line and indented",
}

COMPARISONS = {
    "less_than": "less than",
    "less_than_equal": "at most",
    "greater_than": "more than",
    "greater_than_equal": "at least",
}

_KEY_OF_MAPPING = "[key]"
"""The last step of pydantic's path where a mapping's key is wrong, and not its value."""


def schema_mistakes(error: ValidationError, model: type[BaseModel], depth: int = 0) -> Iterator[Mistake]:
    """A mistake for each of pydantic's findings. `model` is the record `depth` steps down the file's path."""
    details = error.errors(include_url=False)
    unknown = {tuple(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        *place, key = detail["loc"] or ("",)
        siblings = [str(path[-1]) for path in unknown if path[:-1] == tuple(place)]
        if detail["type"] == "missing" and get_close_matches(str(key), siblings, n=1):
            continue  # the key is there, misspelt, and reported as unknown
        yield _mistake(detail, model, depth)


def typed_mistake(error: ValidationError, model: type[BaseModel]) -> str:
    """Pydantic's first finding about typed values. All that is typed is text, so no kind of value is named."""
    detail = error.errors(include_url=False)[0]
    name, value = ".".join(map(str, detail["loc"])), detail["input"]
    if value is None:
        return f"{name!r} is empty; give it a value"
    return f"{_mistake(detail, model, 0, reprlib.repr).message}; correct it"


def first_finding(error: ValidationError) -> str:
    """Pydantic's first finding, behind the place where it is; a text that is no JSON has no place."""
    detail = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, detail["loc"]))
    return f"{place}: {detail['msg']}" if place else detail["msg"]


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """What to do about an unknown word: the nearest known word, or all of them."""
    names = [str(name) for name in known]
    near = get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"


def _shown(value: object) -> str:
    return f"the {type(value).__name__} {reprlib.repr(value)}"


def _mistake(
    detail: ErrorDetails, model: type[BaseModel], depth: int, show: Callable[[object], str] = _shown
) -> Mistake:
    path: Path = tuple(detail["loc"])
    if is_key := path[-1:] == (_KEY_OF_MAPPING,):
        path = path[:-1]
    kind, value, name = detail["type"], detail["input"], str(path[-1]) if path else ""
    subject = f"item {path[-1] + 1} of {path[-2]!r}" if path and isinstance(path[-1], int) else repr(name)
    subject = f"the key {name}" if is_key else subject
    if kind == "extra_forbidden":
        record = _record_at(model, path[depth:-1])
        return Mistake(path, f"unknown key {name!r}; {did_you_mean(name, record.model_fields if record else ())}")
    if kind == "missing":
        return Mistake(path[:-1], f"the key {name!r} is missing; add it")
    if value is None:
        return Mistake(path, f"{subject} has no value; give it one or remove the key")
    if kind in ("enum", "literal_error"):
        allowed = str(detail.get("ctx", {}).get("expected", ""))
        known = [word.strip("'") for word in allowed.replace(" or ", ", ").split(", ")]
        return Mistake(path, f"{reprlib.repr(value)} is not allowed for {subject}; {did_you_mean(value, known)}")
    if kind in COMPARISONS:
        limit = detail["msg"].rpartition(" ")[2]
        return Mistake(path, f"{subject} is {reprlib.repr(value)}; it must be {COMPARISONS[kind]} {limit}")
    text = WANTED.get(kind) or detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Mistake(path, f"{subject} must be {text}; it is {show(value)}")


def _record_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The record at `path` in a value of `model`."""
    kind: Any = model
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(step))
            kind = field.annotation if field else None
        else:
            kind = next((arg for arg in reversed(get_args(kind)) if arg is not Ellipsis), None)
        if get_origin(kind) in (Union, UnionType):
            kind = next((arg for arg in get_args(kind) if arg is not type(None)), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
