"""A person's correction as a typed value, with the refusals of review."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType
from blocks.review.errors import InvalidCorrection, UnknownField
from blocks.values.given_values import GivenFieldUnknown, GivenValueInvalid, given_cell, given_value


@contextmanager
def as_refusals() -> Iterator[None]:
    """Turn what is wrong with a given value into `UnknownField` and `InvalidCorrection`."""
    try:
        yield
    except GivenFieldUnknown as error:
        raise UnknownField(error.field, error.fields) from error
    except GivenValueInvalid as error:
        raise InvalidCorrection(error.place, error.why) from error


def corrected_value(document_type: DocumentType, name: str, raw: JsonValue) -> JsonValue:
    """The typed value of what a person typed for a field.

    Raises `UnknownField`, and `InvalidCorrection` also for a single cell of a table.
    """
    with as_refusals():
        return given_value(document_type, name, raw)


def corrected_cell(document_type: DocumentType, name: str, column: str, raw: JsonValue) -> JsonValue:
    """The typed value of a cell of a table field. Raises as `corrected_value`."""
    with as_refusals():
        return given_cell(document_type, name, column, raw)
