"""The JSON schema of a reply: closed, made from the document type, the same for every provider.

It uses only what all providers take in their strict modes: every property is required, `additionalProperties` is false,
absence is null, and there is no range, length or pattern (OpenAI, Structured Outputs, "Supported schemas").
Descriptions say what a schema cannot, and `replies/` checks it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from blocks.document_types.schema import Criterion, DocumentField, DocumentType, FieldType
from blocks.gateway.model import ModelRequest, criteria_of

REPLY_NAME = "reading"
"""What the schema, or the tool that has it, is called on the wire."""

_FORMS = {
    FieldType.DATE: "A date, as YYYY-MM-DD.",
    FieldType.MONEY: "An amount: a decimal point, a sign if negative, no currency and no grouping, such as -1234.50.",
    FieldType.NUMBER: "A number: a decimal point, no grouping, no unit.",
    FieldType.INTEGER: "A whole number, in digits.",
    FieldType.CURRENCY: "A currency, by its ISO 4217 code.",
    FieldType.IBAN: "An IBAN.",
    FieldType.EMAIL: "A mail address.",
    FieldType.PHONE: "A phone number, as printed.",
}


@dataclass(frozen=True, slots=True)
class ReplySchema:
    """A schema, its JSON without blanks, and the most bytes that it is sent as: with blanks and ASCII escapes."""

    schema: dict[str, object]
    text: str
    max_bytes: int


@lru_cache(maxsize=256)
def schema_of(document_type: DocumentType, asked: tuple[str, ...]) -> ReplySchema:
    """The schema of a reply about these fields, made once; callers do not change it."""
    schema = _reply(document_type, asked)
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return ReplySchema(schema, text, len(json.dumps(schema)))


def reply_schema(request: ModelRequest) -> dict[str, object]:
    """The schema of a reply to this request: an object with `fields`, and `criteria` where some are asked."""
    return schema_of(request.document_type, request.asked).schema


def reply_schema_text(request: ModelRequest) -> str:
    """The schema as JSON, without blanks."""
    return schema_of(request.document_type, request.asked).text


def _reply(document_type: DocumentType, asked: tuple[str, ...]) -> dict[str, object]:
    parts = {"fields": _object({name: _or_null(_reading(document_type.fields[name])) for name in asked})}
    if criteria := criteria_of(document_type, asked):
        parts["criteria"] = _object({criterion.name: _grade(criterion) for criterion in criteria})
    return _object(parts)


def _reading(field: DocumentField) -> dict[str, object]:
    """One field of a reply: its value, the quotes that show it, and how likely it is right."""
    quotes = _evidence("One quote per row, in the order of the rows." if field.type is FieldType.TABLE else "")
    if field.written:
        quotes = _evidence("Empty: the text is written, not quoted.")
    return _object(
        {"value": _value(field), "evidence": quotes, "confidence": _share("How likely the value is right, 0 to 1.")},
        field.description,
    )


def _value(field: DocumentField) -> dict[str, object]:
    if field.type is FieldType.LIST:
        entries = tuple(field.hints.keywords)
        return {"type": "array", "items": {"type": "string", "enum": list(entries)} if entries else {"type": "string"}}
    if field.type is FieldType.TABLE:
        columns = {name: _or_null(_value(column) | _about(column)) for name, column in field.columns.items()}
        return {"type": "array", "items": _object(columns)}
    if field.type is FieldType.ENUM:
        return {"type": "string", "enum": list(field.enum)}
    form = _FORMS.get(field.type)
    return {"type": "string", "description": form} if form else {"type": "string"}


def _about(column: DocumentField) -> dict[str, object]:
    words = " ".join(part for part in (column.description, _FORMS.get(column.type, "")) if part)
    return {"description": words} if words else {}


def _grade(criterion: Criterion) -> dict[str, object]:
    quotes = _evidence("The quotes that bear the grade.")
    parts = {
        "grade": _share("From 0, not at all, to 1, fully."),
        "evidence": quotes,
        "confidence": _share("How likely the grade is right, 0 to 1."),
    }
    return _object(parts, criterion.description)


def _evidence(description: str) -> dict[str, object]:
    quote = _object({"page": {"type": "integer"}, "quote": {"type": "string"}})
    schema: dict[str, object] = {"type": "array", "items": quote}
    return schema | {"description": description} if description else schema


def _share(description: str) -> dict[str, object]:
    return {"type": "number", "description": description}


def _object(properties: Mapping[str, object], description: str = "") -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    return schema | {"description": description} if description else schema


def _or_null(schema: Mapping[str, object]) -> dict[str, object]:
    return {"anyOf": [dict(schema), {"type": "null"}]}
