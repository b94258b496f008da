"""What the double's models say when nothing is scripted: something that fits the schema and quotes the document."""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.doubles.model_provider.wire import Answer, Asked, Json

Hook = Callable[[Asked], object]


class Answers:
    """Answers by hook, by table, and else by schema, in that order."""

    def __init__(self, table: Mapping[str, Any], hook: str | None) -> None:
        self._table = table
        self._hashes = {key for key in table if len(key) == 64 and set(key) <= set("0123456789abcdef")}
        self._hook = _load(hook) if hook else None

    def answer(self, asked: Asked) -> Answer:
        """The answer to a question."""
        if self._hook is not None:
            said = self._hook(asked)
            if isinstance(said, Answer):
                return said
            if said is not None:
                return Answer(_text(said))
        for key, said in self._table.items():
            if key in asked.text or (key in self._hashes and _sha256(asked.document) == key):
                return Answer(_text(said))
        if asked.schema is None:
            return Answer("{}" if asked.mode == "json_object" else "I have read the document.")
        return Answer(_text(Made(asked.schema, asked.document).value()))


class Made:
    """A value true to a JSON schema, from the words of a document.

    In objects that have both a `value` and `evidence` the value is a line of the document and each quote that line.
    """

    def __init__(self, schema: Json, document: str) -> None:
        self._schema = schema
        lines = [line.strip() for line in document.splitlines()]
        self._lines = [line for line in lines if 3 <= len(line) <= 200] or [document[:200] or "nothing"]
        self._line = 0

    def value(self) -> Any:
        """The value for the whole schema."""
        return self._of(self._schema)

    def _of(self, schema: Json) -> Any:
        schema = self._resolved(schema)
        if "const" in schema or "enum" in schema:
            return schema["const"] if "const" in schema else schema["enum"][0]
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self._of(next(option for option in schema[union] if self._kind(option) != "null"))
        made: dict[str, Callable[[Json], Any]] = {
            "object": self._object,
            "array": self._array,
            "number": _number,
            "integer": _integer,
        }
        made |= {"boolean": lambda _: True, "null": lambda _: None}
        return made.get(self._kind(schema), self._string)(schema)

    def _string(self, schema: Json) -> str:
        line = self._lines[self._line % len(self._lines)]
        return line[: schema.get("maxLength", len(line))].ljust(schema.get("minLength", 0), ".")

    def _array(self, schema: Json) -> list[Any]:
        return [self._of(schema.get("items") or {}) for _ in range(max(1, schema.get("minItems", 1)))]

    def _object(self, schema: Json) -> Json:
        properties: Json = schema.get("properties") or {}
        if "evidence" in properties:
            self._line += 1
        return {key: self._of(inner) for key, inner in properties.items()}

    def _kind(self, schema: Json) -> str:
        kind = self._resolved(schema).get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        return str(kind).lower()  # Gemini's own schemas write OBJECT

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema:
            found: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema


def _number(schema: Json) -> float:
    return float(max(schema.get("minimum", 0.9), min(0.9, schema.get("maximum", 0.9))))


def _integer(schema: Json) -> int:
    return int(max(schema.get("minimum", 1), min(1, schema.get("maximum", 1))))


def _text(said: object) -> str:
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _load(name: str) -> Hook:
    module, _, function = name.partition(":")
    found: Hook = getattr(importlib.import_module(module), function)
    return found
