"""A person's correction as a typed value: the same rules as for readings, but nothing that was typed is dropped."""

from math import isfinite

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review.errors import InvalidCorrection, UnknownField
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import NUMERIC, typed_value


def corrected_value(document_type: DocumentType, name: str, raw: JsonValue) -> JsonValue:
    """The typed value of what a person typed for a field.

    Raises `UnknownField`, and `InvalidCorrection` also for a single cell of a table.
    """
    field = document_type.fields.get(name)
    if field is None:
        raise UnknownField(name, document_type.fields)
    if field.type is FieldType.TABLE and isinstance(raw, list):
        for number, row in enumerate(raw, start=1):
            _check_row(document_type, name, field, number, row)
    return _typed(document_type, name, field, raw)


def corrected_cell(document_type: DocumentType, name: str, column: str, raw: JsonValue) -> JsonValue:
    """The typed value of a cell of a table field. Raises as `corrected_value`."""
    field = document_type.fields.get(name)
    if field is None or column not in field.columns:
        raise UnknownField(f"{name}.{column}", document_type.fields)
    return _typed(document_type, column, field.columns[column], raw)


def _check_row(document_type: DocumentType, name: str, field: DocumentField, number: int, row: JsonValue) -> None:
    if not isinstance(row, dict):
        raise InvalidCorrection(name, f"row {number} is no row")
    for column, raw in row.items():
        if column not in field.columns:
            raise UnknownField(f"{name}.{column}", tuple(field.columns))
        _typed(document_type, f"{name}, row {number}, {column}", field.columns[column], raw)


def _typed(document_type: DocumentType, shown_name: str, field: DocumentField, raw: JsonValue) -> JsonValue:
    try:
        return typed_value(field, _unmistakable(field, raw), document_type.languages)
    except InvalidValue as error:
        raise InvalidCorrection(shown_name, str(error)) from error


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
