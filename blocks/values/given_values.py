"""A field's value as a person gives it, as text or as JSON: the same rules as for readings, but nothing is dropped."""

import json
from collections.abc import Collection
from math import isfinite

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import NUMERIC, typed_value

_STRUCTURED = (FieldType.TABLE, FieldType.LIST)


class GivenValueInvalid(ValueError):
    """What was given is no value of the field, or of the cell of a table that `place` names."""

    def __init__(self, place: str, why: str) -> None:
        self.place, self.why = place, why
        super().__init__(f"{place}: {why}")


class GivenFieldUnknown(ValueError):
    """The document type, or the table, has no such field."""

    def __init__(self, field: str, fields: Collection[str]) -> None:
        self.field, self.fields = field, tuple(fields)
        super().__init__(f"there is no field {field!r}; the type has: {', '.join(fields) or 'none'}")


def raw_of_text(document_type: DocumentType | None, name: str, text: str | None) -> JsonValue:
    """What `text` gives: None where it is blank. A table is JSON, and a list may be.

    Raises `GivenValueInvalid` for text that should be JSON and is not; `given_value` checks the rest.
    """
    if text is None or not text.strip():
        return None
    field = None if document_type is None else document_type.fields.get(name)
    if field is None or field.type not in _STRUCTURED:
        return text
    if field.type is FieldType.LIST and not text.lstrip().startswith("["):
        return text
    try:
        raw: JsonValue = json.loads(text)
    except ValueError as error:
        example = ", ".join(f'"{column}": …' for column in list(field.columns)[:2])
        raise GivenValueInvalid(name, f"it takes JSON, such as [{{{example}}}] ({error})") from error
    return raw


def text_of(value: JsonValue) -> str:
    """The text of which `raw_of_text` makes this value."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def given_value(document_type: DocumentType, name: str, raw: JsonValue) -> JsonValue:
    """The typed value of what was given for a field.

    Raises `GivenFieldUnknown`, and `GivenValueInvalid` also for a single cell of a table.
    """
    field = document_type.fields.get(name)
    if field is None:
        raise GivenFieldUnknown(name, document_type.fields)
    if field.type is FieldType.TABLE and isinstance(raw, list):
        for number, row in enumerate(raw, start=1):
            _check_row(document_type, name, field, number, row)
    return _typed(document_type, name, field, raw)


def given_cell(document_type: DocumentType, name: str, column: str, raw: JsonValue) -> JsonValue:
    """The typed value of a cell of a table field. Raises as `given_value`."""
    field = document_type.fields.get(name)
    if field is None or column not in field.columns:
        raise GivenFieldUnknown(f"{name}.{column}", document_type.fields)
    return _typed(document_type, column, field.columns[column], raw)


def _check_row(document_type: DocumentType, name: str, field: DocumentField, number: int, row: JsonValue) -> None:
    if not isinstance(row, dict):
        raise GivenValueInvalid(name, f"row {number} is no row")
    for column, raw in row.items():
        if column not in field.columns:
            raise GivenFieldUnknown(f"{name}.{column}", tuple(field.columns))
        _typed(document_type, f"{name}, row {number}, {column}", field.columns[column], raw)


def _typed(document_type: DocumentType, place: str, field: DocumentField, raw: JsonValue) -> JsonValue:
    if isinstance(raw, dict):
        raise GivenValueInvalid(place, "an object is no value of it")
    try:
        return typed_value(field, _unmistakable(field, raw), document_type.languages)
    except InvalidValue as error:
        raise GivenValueInvalid(place, str(error)) from error


def _unmistakable(field: DocumentField, raw: JsonValue) -> JsonValue:
    """Numbers as text that is the same number in every language: "1.234" is a thousand in some, "1.2340" in none."""
    if isinstance(raw, list) and field.type is FieldType.TABLE:
        return [_unmistakable(field, row) for row in raw]
    if isinstance(raw, dict):
        return {name: _unmistakable(field.columns[name], cell) for name, cell in raw.items()}
    if not isinstance(raw, float) or field.type not in NUMERIC or not isfinite(raw):
        return raw
    whole, _, decimals = f"{raw:.12f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<4}" if decimals else whole
