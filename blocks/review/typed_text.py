"""A field's value as a person types it where only text can be typed: in a command, an SQL row, a spreadsheet's cell."""

from blocks.document_types.schema import DocumentType
from blocks.review.corrections import as_refusals
from blocks.review.records import Correction
from blocks.values.given_values import raw_of_text
from blocks.values.typed_values import NUMERIC


def correction_of(
    document_type: DocumentType | None, field: str, text: str | None, number: float | None = None
) -> Correction:
    """The correction that `text` is. Blank text empties the field; a table is JSON, and a list may be.

    `number` is what the text stands for where a file has numbers; a field of numbers takes it.

    Raises `InvalidCorrection` for text that should be JSON and is not. The rules check the rest.
    """
    known = None if document_type is None else document_type.fields.get(field)
    has_text = text is not None and text.strip() != ""
    if has_text and number is not None and known is not None and known.type in NUMERIC:
        return Correction(value=number)
    with as_refusals():
        return Correction(value=raw_of_text(document_type, field, text))
