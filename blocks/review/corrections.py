"""A person's correction as a typed value: the same rules as for readings, but nothing that was typed is dropped."""

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review.errors import InvalidCorrection, UnknownField
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import typed_value


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
        return typed_value(field, raw, document_type.languages)
    except InvalidValue as error:
        raise InvalidCorrection(shown_name, str(error)) from error
