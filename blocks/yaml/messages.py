"""What pydantic says of a value that does not fit a record, in the words of someone who edits a YAML file."""

import reprlib
from collections.abc import Callable, Iterator
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


_KEY_OF_MAPPING = "[key]"
"""How pydantic says that a mapping's key, and not its value, is meant."""


def schema_mistakes(error: ValidationError, model: type[BaseModel], depth: int = 0) -> Iterator[Mistake]:
    """One mistake per finding of pydantic, the path as the file has it; `model` stands `depth` steps down the path."""
    details = error.errors(include_url=False)
    unknown = {tuple(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        *place, key = detail["loc"] or ("",)
        siblings = [str(path[-1]) for path in unknown if path[:-1] == tuple(place)]
        if detail["type"] == "missing" and get_close_matches(str(key), siblings, n=1):
            continue  # it is there, misspelt, and said already
        yield _mistake(detail, model, depth)


def typed_mistake(error: ValidationError, model: type[BaseModel]) -> str:
    """The first finding of pydantic, in the words of someone who typed the value: all that is typed is text."""
    detail = error.errors(include_url=False)[0]
    name, value = ".".join(map(str, detail["loc"])), detail["input"]
    if value is None:
        return f"{name!r} is empty; give it a value"
    return f"{_mistake(detail, model, 0, reprlib.repr).message}; correct it"


def did_you_mean(word: str, known: list[str]) -> str:
    """What to do about an unknown word: the nearest known one, or the list of them."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


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
        owner = _record_at(model, path[depth:-1])
        known = list(owner.model_fields) if owner else []
        return Mistake(path, f"unknown key {name!r}; {did_you_mean(name, known)}")
    if kind == "missing":
        return Mistake(path[:-1], f"the key {name!r} is missing; add it")
    if value is None:
        return Mistake(path, f"{subject} has no value; give it one or remove the key")
    if kind in ("enum", "literal_error"):
        allowed = str(detail.get("ctx", {}).get("expected", ""))
        known = [word.strip("'") for word in allowed.replace(" or ", ", ").split(", ")]
        return Mistake(path, f"{reprlib.repr(value)} is not allowed for {subject}; {did_you_mean(str(value), known)}")
    if kind in WANTED:
        return Mistake(path, f"{subject} must be {WANTED[kind]}; it is {show(value)}")
    text = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Mistake(path, f"{subject} must be {text}; it is {show(value)}")


def _record_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The record that stands at `path` in a value of `model`."""
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
