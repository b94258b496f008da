"""A field's value as a person types it where only text can be typed: in a command, an SQL row, a spreadsheet's cell."""

import json

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType, FieldType
from blocks.review.errors import InvalidCorrection
from blocks.review.records import Correction
from blocks.values.typed_values import NUMERIC

_STRUCTURED = (FieldType.TABLE, FieldType.LIST)


def correction_of(
    document_type: DocumentType | None, field: str, text: str | None, number: float | None = None
) -> Correction:
    """The correction that `text` is. Blank text empties the field; a table is JSON, and a list may be.

    `number` is what the text stands for where a file has numbers; a field of numbers takes it.

    Raises `InvalidCorrection` for text that should be JSON and is not. The rules check the rest.
    """
    if text is None or not text.strip():
        return Correction(value=None)
    known = None if document_type is None else document_type.fields.get(field)
    if number is not None and known is not None and known.type in NUMERIC:
        return Correction(value=number)
    if known is None or known.type not in _STRUCTURED:
        return Correction(value=text)
    if known.type is FieldType.LIST and not text.lstrip().startswith("["):
        return Correction(value=text)
    try:
        return Correction(value=json.loads(text))
    except ValueError as error:
        example = ", ".join(f'"{column}": …' for column in list(known.columns)[:2])
        raise InvalidCorrection(field, f"it takes JSON, such as [{{{example}}}] ({error})") from error


def text_of(value: JsonValue) -> str:
    """The text that `correction_of` takes for this value."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
